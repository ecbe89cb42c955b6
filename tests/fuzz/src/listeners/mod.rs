//! Frames into both listeners of linecho-smoltcp, while an honest connection goes on.
//!
//! Whatever comes, nothing panics or spins, and no slot is lost: in the end all are free, and a
//! newcomer is served. As long as nobody who knows the numbers of the honest connection has spoken
//! in the honest peer's name, or has given it another hardware address, its echo is exact as well.

mod client;
mod hostile;
mod play;
mod port;
mod world;

use core::time::Duration;

use arbitrary::Unstructured;
use linecho_devices::testing::{Host, tcp_socket};
use linecho_smoltcp::smoltcp::iface::SocketStorage;
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{IpAddress, IpCidr, Ipv6Address};
use linecho_smoltcp::{
    Config, Event, HashedListener, HashedSlot, Instant, Listener, LongLines, Options, Totals, Wake,
};

use play::play;
use port::Port;
use world::World;

const PORT: u16 = 7;
const SLOTS: usize = 3;
/// The longest line, and the length of each ring of a socket, in bytes.
const LINE: usize = 64;
const RING: usize = 256;
const MTU: usize = 600;

/// The number of the server's host: see [`hardware`], [`ipv4`] and [`ipv6`].
const SERVER: u8 = 1;
/// The number of the honest peer's host.
const HONEST: u8 = 2;

fn hardware(host: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, host]
}

fn ipv4(host: u8) -> [u8; 4] {
    [10, 0, 0, host]
}

fn ipv6(host: u8) -> [u8; 16] {
    Ipv6Address::new(0xfdaa, 0, 0, 0, 0, 0, 0, host.into()).octets()
}

/// Makes a host on the link.
fn host(number: u8) -> (Host, Port) {
    let mut device = Port::default();
    let [a, b, c, d] = ipv4(number);
    let addresses = [
        IpCidr::new(IpAddress::v4(a, b, c, d), 24),
        IpCidr::new(Ipv6Address::from(ipv6(number)).into(), 64),
    ];
    let host = Host::new(&mut device, addresses, number.into(), StackInstant::ZERO);
    (host, device)
}

/// The common interface of both kinds of listener.
trait Server {
    /// It keeps the hardware address of each peer.
    const KEEPS_ADDRESSES: bool;

    fn poll(
        &mut self,
        now: Instant,
        host: &mut Host,
        device: &mut Port,
        on_event: &mut dyn FnMut(Event),
    ) -> Wake;
    fn busy(&self) -> usize;
    fn sessions(&self) -> usize;
    fn totals(&self) -> &Totals;
}

macro_rules! server {
    ($listener:ident, $keeps_addresses:literal) => {
        impl<const N: usize> Server for $listener<'_, N> {
            const KEEPS_ADDRESSES: bool = $keeps_addresses;

            fn poll(
                &mut self,
                now: Instant,
                host: &mut Host,
                device: &mut Port,
                on_event: &mut dyn FnMut(Event),
            ) -> Wake {
                $listener::poll(
                    self,
                    now,
                    &mut host.iface,
                    device,
                    &mut host.sockets,
                    on_event,
                )
            }

            fn busy(&self) -> usize {
                $listener::busy(self)
            }

            fn sessions(&self) -> usize {
                $listener::sessions(self)
            }

            fn totals(&self) -> &Totals {
                $listener::totals(self)
            }
        }
    };
}

server!(Listener, false);
server!(HashedListener, true);

/// The shape of a run, from the first byte of an input.
#[derive(Clone, Copy)]
struct Shape(u8);

impl Shape {
    /// The honest peer speaks IPv6.
    fn is_ipv6(self) -> bool {
        self.0 & 1 != 0
    }

    /// Hostile peers know the numbers of the honest connection.
    fn knows(self) -> bool {
        self.0 & 2 != 0
    }

    /// So many hostile connections are open before the honest one.
    fn before(self) -> u8 {
        (self.0 >> 2 & 3) % 3
    }

    fn options(self) -> Options {
        let policies = [LongLines::Flush, LongLines::Discard, LongLines::Close];
        let policy = policies[usize::from(self.0 >> 4 & 3) % 3];
        let session = Config::new().long_lines(policy);
        let stalled = (self.0 & 0x40 != 0).then_some(Duration::from_secs(1));
        Options {
            session: session.write_timeout(stalled),
            // A probe may be late by a second, and after data by another interval.
            dead_peer_timeout: Some(Duration::from_secs(6)),
            keep_alive: Some(Duration::from_secs(2)),
            handshake_timeout: Duration::from_secs(1),
            close_timeout: Duration::from_secs(1),
            ..Options::DEFAULT
        }
    }
}

/// Plays frames and time that follow from `input` to a `Listener`.
pub fn listener(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let shape = Shape(input.arbitrary().unwrap_or_default());
    let (mut host, device) = host(SERVER);
    let mut lines = [[0; LINE]; SLOTS];
    let sockets = (0..SLOTS).map(|_| tcp_socket(RING, RING));
    let listener = Listener::<SLOTS>::new(
        PORT,
        shape.options(),
        &mut host.sockets,
        sockets,
        lines.iter_mut(),
    );
    let listener = listener.expect("a port");
    play(World::new(listener, host, device, shape), &mut input);
}

/// Plays frames and time that follow from `input` to a `HashedListener`.
pub fn hashed_listener(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let shape = Shape(input.arbitrary().unwrap_or_default());
    let (host, device) = host(SERVER);
    let mut lines = [[0; LINE]; SLOTS];
    let mut slots: [HashedSlot<'_>; SLOTS] = Default::default();
    let mut storage = [const { SocketStorage::EMPTY }; SLOTS];
    let listener = HashedListener::<SLOTS>::new(
        PORT,
        shape.options(),
        0x1234_5678,
        &mut slots,
        &mut storage,
        (0..SLOTS).map(|_| tcp_socket(RING, RING)),
        lines.iter_mut(),
    );
    let listener = listener.expect("a port");
    play(World::new(listener, host, device, shape), &mut input);
}
