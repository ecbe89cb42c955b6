//! The wing that measures: speed beside other echoes, memory, system calls, instructions.

pub mod compare;
pub mod cost;
pub mod measure;
