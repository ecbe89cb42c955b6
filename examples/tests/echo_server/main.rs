//! The program echo-server: arguments, environment, exit codes, signals, logs.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod administration;
mod descriptors;
mod identify;
mod kit;
mod log;
mod options;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod spin;
#[cfg(target_os = "linux")]
mod stdio;
mod stop;
mod takeover;
