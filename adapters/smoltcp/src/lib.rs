#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod ack;
mod arrival;
mod client;
mod connection;
mod event;
#[cfg(feature = "guard")]
mod half_open;
mod hashed;
mod inject;
mod keep_alive;
mod lifecycle;
mod listener;
#[cfg_attr(
    not(all(feature = "medium-ethernet", feature = "proto-ipv6")),
    path = "no_mld.rs"
)]
mod mld;
#[cfg(feature = "medium-ethernet")]
mod neighbour;
mod options;
#[cfg(feature = "medium-ethernet")]
mod resolution;
mod segment;
mod service;
mod slot;
mod socket;
mod time;
mod turn;

#[cfg(test)]
extern crate std;

pub use client::{Client, ClientTurn};
pub use event::Event;
pub use hashed::{HashedListener, HashedSlot};
pub use listener::Listener;
pub use options::Options;
pub use socket::{Socket, SocketError};
pub use time::{from_stack_time, stack_time};
pub use turn::{Wake, egress, ingress};

pub use linecho_core::{
    self, Config, Counters, Instant, LongLines, Probe, ProbeError, Reason, Totals,
};
pub use smoltcp;
