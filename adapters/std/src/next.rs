//! The wish of a connection after its turn.

use linecho_core::Instant;

/// The wish of a connection after its turn.
pub(crate) enum Next {
    /// Another turn, after the others had theirs.
    Again,
    /// A turn when the socket is ready, or at this deadline.
    Wait(Option<Instant>),
    /// The end: drop the connection.
    Close,
}
