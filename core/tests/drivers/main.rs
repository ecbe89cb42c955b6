//! The drivers against scripted transports: what they must do, and what none of them may.

#[cfg(feature = "async")]
mod asynchronous;
mod blocking;
mod polled;
mod scripted;
mod torture;
mod transport;
