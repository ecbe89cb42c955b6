//! The report of a server that has been shut down.

use linecho_core::Totals;

/// The result of [`Server::run`](crate::Server::run).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Everything that the server did.
    pub totals: Totals,
    /// Work that was cut off when the drain timeout had passed.
    pub unfinished: Unfinished,
    /// Another request ended the drain before its time.
    pub hurried: bool,
}

/// Connections and bytes that a shutdown cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Connections that were reset because their sessions still held bytes.
    pub connections: usize,
    /// Bytes that these sessions held. Bytes that were written but that the kernel had not
    /// delivered are lost, too; they are not known here and count as echoed.
    pub bytes: u64,
}

impl Unfinished {
    /// Adds what another worker cut off.
    pub(crate) fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.bytes += other.bytes;
    }
}
