//! The server over real sockets, for what the scenarios that all adapters share do not ask.

mod closing;
#[cfg(unix)]
mod handover;
mod identify;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod listeners;
mod proxy;
mod running;
mod shutdown;
mod starting;
