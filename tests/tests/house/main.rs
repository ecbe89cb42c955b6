//! The house rules that a compiler does not check, over all sources and pages of the repository.

mod circles;
mod pages;
mod sources;
mod surface;
mod voice;
