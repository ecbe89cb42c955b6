//! The cost of the core alone, without any I/O: in instructions, which are the same in every run,
//! and in time, compared with the least that a line echo has to do: to copy and to search. And the
//! instructions of the listeners.

pub mod instructions;
mod listeners;
pub mod paths;
pub mod time;
