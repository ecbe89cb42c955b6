//! Under construction.

pub mod compare;
pub mod firmware;
pub mod measure;
