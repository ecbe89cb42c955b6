//! Code that programs over smoltcp share. They are in `src/bin`: read those first.

pub mod clock;
