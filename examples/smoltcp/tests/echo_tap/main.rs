//! Runs `echo-tap` as people do: in a network namespace of its own against the kernel's TCP, and behind passt.
//!
//! `LINECHO_FULL=1` streams 10 MB instead of 200 kB through each of 16 clients on a link with losses: half a minute
//! in a release build.

#![cfg(target_os = "linux")]

mod dhcp;
mod kernel;
mod kit;
mod life;
mod passt;
