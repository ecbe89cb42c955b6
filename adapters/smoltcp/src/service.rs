//! The state that both kinds of listener share: options, line buffers, counts.

use heapless::{Vec, VecView};
use linecho_core::{Instant, Totals};
use smoltcp::socket::tcp;
use smoltcp::wire::IpListenEndpoint;

use crate::event::Event;
use crate::keep_alive::{KeepAlive, ProbeAt};
use crate::options::Options;

/// The service on one port: its options, its free line buffers, its counts.
#[derive(Debug)]
pub(crate) struct Service<Lines: ?Sized> {
    pub(crate) endpoint: IpListenEndpoint,
    pub(crate) options: Options,
    /// New connections are wanted: the listener is not shutting down.
    pub(crate) accepting: bool,
    pub(crate) totals: Totals,
    /// The line buffers that no session holds.
    pub(crate) lines: Lines,
}

/// A [`Service`] as a slot sees it, whatever the number of line buffers.
pub(crate) type ServiceView<'a> = Service<VecView<&'a mut [u8]>>;

impl<'a, const LINES: usize> Service<Vec<&'a mut [u8], LINES>> {
    /// A service that has no line buffers yet.
    pub(crate) fn new(endpoint: IpListenEndpoint, options: Options) -> Self {
        Self {
            endpoint,
            options,
            accepting: true,
            totals: Totals::default(),
            lines: Vec::new(),
        }
    }

    /// Takes at most `LINES` of `lines`.
    pub(crate) fn add_lines<B>(&mut self, lines: impl IntoIterator<Item = &'a mut B>)
    where
        B: AsMut<[u8]> + ?Sized + 'a,
    {
        for line in lines.into_iter().take(LINES) {
            // `take` leaves room.
            let _ = self.lines.push(line.as_mut());
        }
    }
}

impl<Lines: ?Sized> Service<Lines> {
    /// Returns the number of sessions that have begun and not ended.
    pub(crate) fn sessions(&self) -> usize {
        let sessions = self.totals.opened.wrapping_sub(self.totals.closed());
        usize::try_from(sessions).unwrap_or(usize::MAX)
    }
}

/// One turn of a slot, or of all slots of a listener.
pub(crate) struct Turn<'t, 'a> {
    pub(crate) service: &'t mut ServiceView<'a>,
    pub(crate) now: Instant,
    /// No slot listens: half-open and closing ones have less time.
    pub(crate) full: bool,
    /// Sessions wait for a line buffer.
    pub(crate) line_wanted: bool,
    /// The probe to send after the turn, and the number of its slot. There is room for one; other
    /// connections that are due for one get it in the next turn.
    pub(crate) probe: Option<(usize, KeepAlive)>,
    pub(crate) on_event: &'t mut dyn FnMut(Event),
}

impl Turn<'_, '_> {
    /// Returns when to probe the peer, if no byte comes or goes from now on.
    ///
    /// It is later when the peer has something to acknowledge: it will, or a retransmission comes
    /// first. And a peer that probes us after a silence of the same length finds that silence.
    pub(crate) fn next_probe(&self, tcp: &tcp::Socket<'_>) -> ProbeAt {
        let Some(interval) = self.service.options.keep_alive else {
            return ProbeAt::NEVER;
        };
        let at = self.now + interval;
        ProbeAt::not_before(if tcp.send_queue() == 0 {
            at
        } else {
            at + interval
        })
    }

    /// Makes a probe for the slot with this number, if it is time for one.
    pub(crate) fn probe_if_due(
        &mut self,
        number: usize,
        probe_at: &mut ProbeAt,
        tcp: &tcp::Socket<'_>,
    ) {
        if probe_at.instant().is_some_and(|at| at <= self.now) && self.probe.is_none() {
            self.probe = KeepAlive::new(tcp).map(|probe| (number, probe));
            *probe_at = self.next_probe(tcp);
        }
    }
}
