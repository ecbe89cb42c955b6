#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod carrier;
mod client;
mod event;
mod hashed;
mod listener;
mod options;
mod question;
mod slot;
mod socket;
mod stack;

#[cfg(test)]
extern crate std;

pub use client::{Client, ClientTurn};
pub use event::Event;
pub use hashed::{HashedListener, HashedSlot};
pub use listener::Listener;
pub use options::Options;
pub use socket::{Error, Socket};
pub use stack::{DEVICE_RETRY, EGRESS_ROUNDS, INGRESS_FRAMES, Wake, egress, ingress, stack_time};

pub use linecho_core::{
    self, Config, Counters, Instant, LongLines, Probe, ProbeError, Reason, Totals,
};
pub use smoltcp;
