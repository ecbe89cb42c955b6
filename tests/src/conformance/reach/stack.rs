//! The listener of linecho-smoltcp over a real device, in a thread of its own, for peers with
//! sockets of the kernel.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time;

use linecho_devices::{Interest, Link, wait};
use linecho_smoltcp::smoltcp::iface::{self, Interface, SocketSet};
use linecho_smoltcp::smoltcp::socket::tcp::{Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};
use linecho_smoltcp::{Config, Instant, Listener, Totals, stack_time};
use linecho_trials::Stop;

use super::sockets::{SMALL_BUFFERS, Server};
use super::{Facts, Wanted};

/// The port that it listens on.
pub(super) const PORT: u16 = 7;

/// Its hardware address.
pub(super) const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);

/// Slots of the listener, at most.
const SLOTS: usize = 8;

/// Bytes of a socket's buffer, each way.
const RING: usize = 65_535;

/// The line buffer of a session.
const LINE: usize = 2048;

/// A running stack with a listener.
pub(super) struct Stack {
    shared: Arc<Shared>,
    waker: UnixStream,
    thread: Option<JoinHandle<Result<(), String>>>,
    facts: Facts,
}

struct Shared {
    order: AtomicU8,
    totals: Mutex<Totals>,
}

const SERVE: u8 = 0;
const SHUT_DOWN: u8 = 1;
const STOP: u8 = 2;

impl Stack {
    /// Starts it on `device`, with these addresses and gateway.
    pub(super) fn start(
        device: impl Link + Send + 'static,
        addresses: Vec<IpCidr>,
        gateway: Option<Ipv4Address>,
        wanted: &Wanted,
    ) -> Result<Self, Stop> {
        let failed = |error: io::Error| Stop::Failed(format!("cannot start the stack: {error}"));
        let (waker, woken) = UnixStream::pair().map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let shared = Arc::new(Shared {
            order: AtomicU8::new(SERVE),
            totals: Mutex::default(),
        });
        let session = Config::new()
            .long_lines(wanted.long_lines)
            .idle_timeout(wanted.idle_timeout)
            .write_timeout(wanted.write_timeout);
        let slots = wanted.connections.unwrap_or(SLOTS).min(SLOTS);
        let thread = {
            let shared = Arc::clone(&shared);
            move || serve(device, &addresses, gateway, session, slots, &shared, &woken)
        };
        // The client's and the server's buffers, each way.
        let in_transit = 4 * SMALL_BUFFERS + 2 * RING + LINE;
        Ok(Self {
            shared,
            waker,
            thread: Some(std::thread::spawn(thread)),
            facts: Facts {
                buffer: LINE,
                connections: slots,
                in_transit,
                sees_silent: true,
                bulk: (2 * in_transit).max(2 << 20),
            },
        })
    }

    fn order(&self, order: u8) {
        self.shared.order.fetch_max(order, Ordering::SeqCst);
        // If it is full, the thread has been woken already.
        let _ = (&self.waker).write(&[0]);
    }
}

fn serve(
    mut device: impl Link,
    addresses: &[IpCidr],
    gateway: Option<Ipv4Address>,
    session: Config,
    slots: usize,
    shared: &Shared,
    woken: &UnixStream,
) -> Result<(), String> {
    let began = time::Instant::now();
    let now = || Instant::ZERO + began.elapsed();
    let config = iface::Config::new(MAC.into());
    let mut iface = Interface::new(config, &mut device, stack_time(now()));
    iface.update_ip_addrs(|own| own.extend(addresses.iter().copied()));
    if let Some(gateway) = gateway {
        let route = iface.routes_mut().add_default_ipv4_route(gateway);
        route.map_err(|error| error.to_string())?;
    }
    let mut sockets = SocketSet::new(Vec::new());
    let own = (0..slots).map(|_| {
        Socket::new(
            SocketBuffer::new(vec![0; RING]),
            SocketBuffer::new(vec![0; RING]),
        )
    });
    let mut lines = vec![0; LINE * slots];
    let mut listener =
        Listener::<SLOTS>::new(PORT, session, &mut sockets, own, lines.chunks_mut(LINE))
            .map_err(|error| error.to_string())?;
    loop {
        match shared.order.load(Ordering::SeqCst) {
            SERVE => {}
            SHUT_DOWN => listener.shutdown(),
            _ => return Ok(()),
        }
        let time = now();
        let wake = listener.poll(time, &mut iface, &mut device, &mut sockets, |_| {});
        *shared.totals.lock().unwrap_or_else(PoisonError::into_inner) = *listener.totals();
        if let Some(failure) = device.failure() {
            return Err(failure);
        }
        if listener.is_drained() {
            return Ok(());
        }
        let device_ready = Interest::read_write(&device, device.is_blocked());
        let _ = wait([device_ready, Interest::read(woken)], wake.timeout(now()))
            .map_err(|error| error.to_string())?;
        let _ = (&mut &*woken).read(&mut [0; 64]);
    }
}

impl Server for Stack {
    fn facts(&self) -> Facts {
        self.facts
    }

    fn totals(&mut self) -> Option<Totals> {
        Some(
            *self
                .shared
                .totals
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn shut_down(&mut self) -> Result<(), Stop> {
        self.order(SHUT_DOWN);
        Ok(())
    }

    fn is_down(&mut self) -> Result<bool, Stop> {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(Stop::Failed(format!("the stack ended: {why}"))),
                Err(_) => return Err(Stop::Failed("the stack panicked".into())),
            }
        }
        Ok(self.thread.is_none())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.order(STOP);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
