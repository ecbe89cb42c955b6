//! The house rules that a compiler does not check, over all sources of the repository.

mod circles;
mod sources;
mod surface;
mod voice;
