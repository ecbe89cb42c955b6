//! The record of what happens to connections: the totals, and the program's observer.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use linecho_core::Counters;

use crate::connection_info::ConnectionInfo;
use crate::identity::Identity;
use crate::listener::ListenerInfo;
use crate::observer::{Observer, Refusal, SessionEnd};
use crate::peer::Peer;
use crate::proxy_header::ProxyHeader;
use crate::shared::Shared;

/// Counts the sessions of one worker and passes events on to the observer.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    worker: usize,
    observer: Option<Arc<dyn Observer>>,
    /// The name by which the server identifies itself, if it does.
    name: Option<Arc<str>>,
    /// The observer wants the content, too.
    wants_content: bool,
}

impl Recorder {
    pub(crate) fn new(
        shared: Arc<Shared>,
        worker: usize,
        observer: Option<Arc<dyn Observer>>,
        name: Option<Arc<str>>,
    ) -> Self {
        Self {
            shared,
            worker,
            observer,
            name,
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

    pub(crate) fn listener(&self, index: u16) -> &ListenerInfo {
        &self.shared.listeners[usize::from(index)]
    }

    /// Makes the greeting for a connection, which began with this PROXY header if with any. `None`
    /// if the server does not identify itself.
    pub(crate) fn greeting(
        &self,
        connection: &ConnectionInfo<'_>,
        header: Option<&ProxyHeader>,
    ) -> Option<Vec<u8>> {
        let name = self.name.as_ref()?;
        Some(Identity::of(name, connection, header).to_line())
    }

    /// Counts one more connection of this peer.
    ///
    /// # Errors
    ///
    /// When it has as many as it may.
    pub(crate) fn admit(&self, peer: Peer) -> Result<(), Refusal> {
        match &self.shared.peer_limit {
            Some(limit) if !limit.admit(peer) => Err(Refusal::PeerLimit(limit.most())),
            _ => Ok(()),
        }
    }

    /// Counts one connection less of this peer.
    pub(crate) fn release(&self, peer: Peer) {
        if let Some(limit) = &self.shared.peer_limit {
            limit.release(peer);
        }
    }

    pub(crate) fn opened(&self, connection: &ConnectionInfo<'_>) {
        self.shared.workers[self.worker].totals().open();
        if let Some(observer) = &self.observer {
            observer.opened(connection);
        }
    }

    pub(crate) fn refused(&self, connection: &ConnectionInfo<'_>, refusal: &Refusal) {
        let counters = &self.shared.accept_counters;
        let counter = match refusal {
            Refusal::PeerLimit(_) => &counters.over_peer_limit,
            Refusal::ProxyHeader(_) => &counters.without_proxy_header,
        };
        counter.fetch_add(1, SeqCst);
        if let Some(observer) = &self.observer {
            observer.refused(connection, refusal);
        }
    }

    /// Counts what a session did between these two of its counters.
    #[inline]
    pub(crate) fn count(&self, before: &Counters, after: &Counters) {
        self.shared.workers[self.worker].count(before, after);
    }

    pub(crate) fn closed(&self, connection: &ConnectionInfo<'_>, end: &SessionEnd) {
        let mut totals = self.shared.workers[self.worker].totals();
        totals.close(end.reason, &end.counters);
        drop(totals);
        if let Some(observer) = &self.observer {
            observer.closed(connection, end);
        }
    }
}
