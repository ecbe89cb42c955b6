//! The parts of `echo-tap` that are not about the echo: addresses, what carries the frames, signals, and
//! what is told to people.

pub mod address;
pub mod carrier;
pub mod dhcp;
pub mod guide;
pub mod lifetime;
pub mod signals;
pub mod stdout;
pub mod summary;
