//! The record of what happens to connections: the totals, and the program's observer.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::handle::Shared;
use crate::observer::{Observer, SessionEnd};

/// Counts the sessions of one worker and passes events on to the observer.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    worker: usize,
    observer: Option<Arc<dyn Observer>>,
    /// The observer wants the content, too.
    wants_content: bool,
}

impl Recorder {
    pub(crate) fn new(
        shared: Arc<Shared>,
        worker: usize,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            shared,
            worker,
            observer,
            wants_content: false,
        }
    }

    /// Asks the observer whether it wants the content.
    pub(crate) fn start(&mut self) {
        self.wants_content = self.observer.as_ref().is_some_and(|it| it.wants_content());
    }

    /// The observer, if the content is for it.
    #[inline]
    pub(crate) fn content(&self) -> Option<&dyn Observer> {
        self.observer.as_deref().filter(|_| self.wants_content)
    }

    pub(crate) fn opened(&self, peer: SocketAddr) {
        self.shared.workers[self.worker].totals().open();
        if let Some(observer) = &self.observer {
            observer.opened(peer);
        }
    }

    pub(crate) fn closed(&self, peer: SocketAddr, end: &SessionEnd) {
        let mut totals = self.shared.workers[self.worker].totals();
        totals.close(end.reason, &end.counters);
        drop(totals);
        if let Some(observer) = &self.observer {
            observer.closed(peer, end);
        }
    }
}
