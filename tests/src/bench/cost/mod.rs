//! The cost of the core by itself, without any I/O: in instructions, which are the same in every
//! run, and in time, beside the least that a line echo has to do.

pub mod instructions;
pub mod paths;
pub mod time;
