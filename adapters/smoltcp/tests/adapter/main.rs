//! The listeners, the client and the socket on stacks in memory, in virtual time.

#[macro_use]
mod kit;

mod account;
mod client;
mod fin;
mod forged;
mod hashed;
mod ipv6;
mod keep_alive;
mod lifecycle;
mod lines;
mod link;
mod mld;
mod neighbour;
mod output;
mod renewal;
mod resolution;
mod reuse;
mod shutdown;
mod socket;
mod vanish;
