//! The comparison with other line echoes: which ones, under which loads, and the bounds that the
//! project holds.
//!
//! A part of it is a function that measures and gives a [`report::Report`]: [`sockets::run`] is the
//! part on the kernel's TCP.

pub mod bounds;
pub mod figures;
pub mod programs;
pub mod report;
pub mod sockets;
pub mod tables;
pub mod workloads;
