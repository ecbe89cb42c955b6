//! The comparison with other line echoes: which ones, under which loads, and the bounds that the project holds.

pub mod bounds;
pub mod programs;
pub mod report;
pub mod sockets;
pub mod workloads;
