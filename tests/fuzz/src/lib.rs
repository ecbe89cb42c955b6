//! The fuzz targets. Each takes any bytes, plays what they say, and panics when a promise is
//! broken.
//!
//! `cargo fuzz` calls them from the programs in `targets/`; the test `corpus` calls them on stable
//! Rust.

mod listeners;
mod probe;
mod proxy;
mod session;
#[cfg(unix)]
mod stream;
mod wire;

/// The plain echo by which the core's own tests judge a session.
#[path = "../../../core/src/oracle.rs"]
mod core_oracle;
/// The plain echo that also says when a byte is due.
#[allow(unreachable_pub, reason = "it is public where it comes from")]
#[path = "../../src/conformance/scenarios/oracle.rs"]
mod oracle;

use linecho_core::LongLines;

pub use listeners::{hashed_listener, listener};
pub use probe::probe;
pub use proxy::proxy_header;
pub use session::session;
#[cfg(unix)]
pub use stream::framed_stream;

/// The longest input, in bytes.
pub const LONGEST_INPUT: usize = 4096;

/// A target: a function that takes an input.
pub type Target = fn(&[u8]);

/// All targets with their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("session", session),
    ("probe", probe),
    ("listener", listener),
    ("hashed_listener", hashed_listener),
    #[cfg(unix)]
    ("framed_stream", framed_stream),
    ("proxy_header", proxy_header),
];
