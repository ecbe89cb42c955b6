//! The server over real sockets, for what the scenarios that all adapters share do not ask.

mod closing;
#[cfg(unix)]
mod handover;
mod identify;
mod limits;
mod listeners;
mod proxy;
mod running;
mod shutdown;
mod starting;
