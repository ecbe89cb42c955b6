//! The server's stack, with either of the listeners.

use linecho_devices::testing::{Host, tcp_socket};
use linecho_smoltcp::smoltcp::iface::SocketStorage;
use linecho_smoltcp::smoltcp::phy::Device;
use linecho_smoltcp::smoltcp::socket::tcp::ListenError;
use linecho_smoltcp::{HashedListener, HashedSlot, Instant, Listener, Options, Totals, Wake};

pub(super) const PORT: u16 = 7;

/// Slots of a `Listener`, at most.
const SLOTS: usize = 8;

/// Slots of a `HashedListener`, at most.
const HASHED_SLOTS: usize = 600;

/// The same on a bad link, where each frame is sent several times.
const HASHED_SLOTS_ON_BAD_LINK: usize = 100;

/// The sizes that a seed decides.
pub(super) struct Sizes {
    rings: &'static [usize],
    pub(super) slots: usize,
    pub(super) receive: usize,
    pub(super) send: usize,
    pub(super) line: usize,
}

impl Sizes {
    /// Without the smallest buffers where the link is `bad`; a `HashedListener` with `many` slots.
    pub(super) fn by_chance(
        rng: &mut fastrand::Rng,
        bad: bool,
        hashed: bool,
        many: bool,
        wanted: Option<usize>,
    ) -> Self {
        // From hardly a segment to more than the window without scaling. What a `HashedListener`
        // borrows stays for good, so it is small.
        const RINGS: [usize; 5] = [300, 1500, 2048, 8192, 70_000];
        let rings = &RINGS[usize::from(bad)..if hashed { 3 } else { RINGS.len() }];
        let mut sizes = Self {
            rings,
            slots: 0,
            receive: 0,
            send: 0,
            line: rng.choice([32, 128, 500, 2000]).unwrap_or(128),
        };
        let most = match hashed && many {
            true if bad => HASHED_SLOTS_ON_BAD_LINK,
            true => HASHED_SLOTS,
            false => rng.usize(2..=SLOTS),
        };
        sizes.slots = wanted.map_or(most, |wanted| wanted.min(SLOTS));
        sizes.receive = sizes.ring(rng);
        sizes.send = sizes.ring(rng);
        sizes
    }

    pub(super) fn ring(&self, rng: &mut fastrand::Rng) -> usize {
        self.rings[rng.usize(..self.rings.len())]
    }
}

pub(super) struct Server {
    host: Host,
    listener: Either,
}

enum Either {
    Plain(Box<Listener<'static, SLOTS>>),
    Hashed(Box<HashedListener<'static, HASHED_SLOTS>>),
}

impl Server {
    /// Leaks what the listeners borrow, since it must live as long as they do.
    pub(super) fn new(
        mut host: Host,
        hashed: bool,
        sizes: &Sizes,
        options: Options,
    ) -> Result<Self, ListenError> {
        let Sizes { slots, line, .. } = *sizes;
        let lines = Box::leak(vec![0; line * slots].into_boxed_slice()).chunks_mut(line);
        let sockets = (0..slots).map(|_| tcp_socket(sizes.receive, sizes.send));
        let listener = if hashed {
            let places = (0..slots)
                .map(|_| HashedSlot::default())
                .collect::<Vec<_>>()
                .leak();
            let storage = (0..slots)
                .map(|_| SocketStorage::EMPTY)
                .collect::<Vec<_>>()
                .leak();
            Either::Hashed(Box::new(HashedListener::new(
                PORT, options, 1, places, storage, sockets, lines,
            )?))
        } else {
            Either::Plain(Box::new(Listener::new(
                PORT,
                options,
                &mut host.sockets,
                sockets,
                lines,
            )?))
        };
        Ok(Self { host, listener })
    }

    pub(super) fn turn(&mut self, now: Instant, device: &mut impl Device) -> Wake {
        let Host { iface, sockets, .. } = &mut self.host;
        match &mut self.listener {
            Either::Plain(listener) => listener.poll(now, iface, device, sockets, |_| {}),
            Either::Hashed(listener) => listener.poll(now, iface, device, sockets, |_| {}),
        }
    }

    pub(super) fn totals(&self) -> Totals {
        match &self.listener {
            Either::Plain(listener) => *listener.totals(),
            Either::Hashed(listener) => *listener.totals(),
        }
    }

    pub(super) fn shut_down(&mut self) {
        match &mut self.listener {
            Either::Plain(listener) => listener.shutdown(),
            Either::Hashed(listener) => listener.shutdown(),
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        match &self.listener {
            Either::Plain(listener) => listener.is_drained(),
            Either::Hashed(listener) => listener.is_drained(),
        }
    }
}
