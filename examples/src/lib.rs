//! Options, addresses and the log, as the programs of linecho share them. The programs are in
//! `src/bin`: read those first.

pub mod address;
pub mod command_line;
pub mod explained;
pub mod listen_address;
pub mod listeners;
pub mod log;
#[cfg(unix)]
pub mod open_files;
pub mod options;
pub mod outlet;
pub mod server_log;
#[cfg(unix)]
pub mod signals;
pub mod words;
