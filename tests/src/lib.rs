//! The conformance scenarios of linecho, and its measuring tools.

pub mod compare;
pub mod conformance;
pub mod cost;
pub mod firmware;
pub mod foreign;
pub mod measure;
pub mod reach;
pub mod scenarios;
pub mod soak;
