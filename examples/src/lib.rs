//! What the programs of linecho share. They are in `src/bin`: read those first.

pub mod address;
pub mod listeners;
pub mod log;
mod server_log;
