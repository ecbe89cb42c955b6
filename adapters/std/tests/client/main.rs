//! The client against servers that are right, wrong, slow or gone.

mod connect;
mod echo;
mod filter;
mod identity;
mod kit;
