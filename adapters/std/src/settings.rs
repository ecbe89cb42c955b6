//! The settings of a server, as its builder collects them.

use std::time::Duration;

use linecho_core::Config;

/// The settings of a server; [`Builder`](crate::Builder) documents them.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) session: Config,
    pub(crate) max_line: usize,
    pub(crate) max_connections: usize,
    /// 0 for one per core.
    pub(crate) workers: usize,
    /// `None` for no limit.
    pub(crate) drain_timeout: Option<Duration>,
    /// `None` for no probes.
    pub(crate) keep_alive: Option<Duration>,
    /// `None` for no limit.
    pub(crate) max_per_peer: Option<u32>,
    /// Zero for none.
    pub(crate) spin: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session: Config::new(),
            max_line: 64 * 1024,
            max_connections: usize::MAX,
            workers: 0,
            drain_timeout: Some(Duration::from_secs(5)),
            keep_alive: Some(Duration::from_secs(60)),
            max_per_peer: None,
            spin: Duration::ZERO,
        }
    }
}
