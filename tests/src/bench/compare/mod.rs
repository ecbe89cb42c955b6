//! The comparison: with other line echoes, and of the core with the least that an echo has to do.
//!
//! A part of it is a function that measures and gives a [`Report`](super::report::Report):
//! [`sockets::run`] is the one on the kernel's TCP, [`crowd::run`] that of thousands of connections
//! and [`spin::run`] that of servers that spin, [`crate::bench::cost::time::run`] the one on the
//! core, and those on smoltcp are in [`smoltcp`].

pub mod bounds;
pub mod client_in_c;
pub mod crowd;
pub mod figures;
pub mod metric;
pub mod programs;
pub mod smoltcp;
pub mod sockets;
pub mod spin;
pub mod tables;
pub mod workloads;

use std::fmt::Display;
use std::io;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use workloads::Workload;

use linecho_trials::everything_is_required;

/// Says that something is left out, and `why`. With `LINECHO_REQUIRE_ALL=1` that is an error.
fn leave_out(what: &str, why: impl Display) -> io::Result<()> {
    let text = format!("{what} is left out: {why}");
    if everything_is_required() {
        return Err(io::Error::other(text));
    }
    eprintln!("{text}");
    Ok(())
}

/// Something that the comparison can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The servers on the kernel's TCP, under this workload.
    Sockets(Workload),
    /// The servers under thousands of connections, ours with two workers.
    Crowd,
    /// The servers that ask for a while before they sleep.
    Spin,
    /// The core without I/O.
    Core,
    /// smoltcp's own loopback device.
    Loopback,
    /// Thousands of connections on smoltcp.
    Flat,
    /// smoltcp behind a TAP device.
    Tap,
}

impl Part {
    /// The workload, if this is one for servers.
    #[must_use]
    pub fn workload(self) -> Option<Workload> {
        match self {
            Self::Sockets(workload) => Some(workload),
            Self::Crowd | Self::Spin | Self::Core | Self::Loopback | Self::Flat | Self::Tap => None,
        }
    }
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Self] {
        use Workload::{
            Bulk, BulkFromC, Burst, Fifty, Memory, One, Pipelined, SystemCalls, Thousand,
        };
        &[
            Self::Sockets(One),
            Self::Sockets(Fifty),
            Self::Sockets(Pipelined),
            Self::Sockets(Bulk),
            Self::Sockets(BulkFromC),
            Self::Sockets(Thousand),
            Self::Sockets(Burst),
            Self::Sockets(Memory),
            Self::Sockets(SystemCalls),
            Self::Crowd,
            Self::Spin,
            Self::Core,
            Self::Loopback,
            Self::Flat,
            Self::Tap,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Sockets(workload) => return workload.to_possible_value(),
            Self::Crowd => (
                "crowd",
                "echo-server with two workers and 19,000 connections, beside the C loop",
            ),
            Self::Spin => (
                "spin",
                "echo-server with --spin, beside a C loop that does and one that does not",
            ),
            Self::Core => ("core", "The core without I/O, beside the floor"),
            Self::Loopback => (
                "loopback",
                "smoltcp over its loopback device, beside a plain echo",
            ),
            Self::Flat => (
                "flat",
                "smoltcp with up to 16,384 other connections, beside a plain echo",
            ),
            Self::Tap => (
                "tap",
                "echo-tap in a network namespace, beside a plain echo",
            ),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
