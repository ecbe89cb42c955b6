//! Hosts on a link in memory, in virtual time, for tests of devices and stacks.
//!
//! ```
//! use core::time::Duration;
//! use linecho_devices::faulty::{Faults, Side};
//! use linecho_devices::testing::{Host, World, tcp_socket};
//! use smoltcp::phy::Medium;
//! use smoltcp::socket::tcp::State;
//! use smoltcp::wire::{IpAddress, IpCidr};
//!
//! let far = Faults { delay: Duration::from_secs(60), ..Faults::NONE };
//! let mut world = World::new(Medium::Ip, 1500, 1, far);
//! let [near_address, far_address] = [1, 2].map(|host| IpAddress::v4(10, 0, 0, host));
//! let mut near = world.host(Side::A, [IpCidr::new(near_address, 24)], 1);
//! let mut far = world.host(Side::B, [IpCidr::new(far_address, 24)], 2);
//! let server = far.sockets.add(tcp_socket(1000, 1000));
//! far.socket(server).listen(7).unwrap();
//! let client = near.sockets.add(tcp_socket(1000, 1000));
//! near.connect(client, (far_address, 7), 50_000);
//!
//! // The minute of each direction passes without waiting.
//! while near.socket(client).state() != State::Established {
//!     world.poll(Side::A, &mut near);
//!     world.poll(Side::B, &mut far);
//!     let deadlines = [near.poll_at(world.now()), far.poll_at(world.now())];
//!     world.pass(deadlines, Duration::from_secs(3600)).unwrap();
//! }
//! assert!(world.now().secs() >= 120);
//! ```

pub mod echo;
mod end;
mod host;
mod segments;
#[cfg(feature = "faulty")]
mod world;

pub use end::{End, Frames};
pub use host::{Host, tcp_socket};
pub use segments::{Found, Vector, segments};
#[cfg(feature = "faulty")]
pub use world::World;
