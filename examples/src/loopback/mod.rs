//! The parts of `echo-loopback` that are not about smoltcp: what is streamed, and what is printed.

pub mod faults;
pub mod figures;
pub mod lines;
pub mod stream;
pub mod time;
