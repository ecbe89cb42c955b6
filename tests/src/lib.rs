//! Under construction.

pub mod compare;
pub mod measure;
