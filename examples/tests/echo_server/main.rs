//! The program echo-server: arguments, environment, exit codes, signals, logs.
#![cfg(unix)]

mod descriptors;
mod identify;
mod kit;
mod log;
mod options;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod spin;
mod stop;
mod takeover;
