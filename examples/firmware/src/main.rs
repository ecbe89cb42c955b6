//! A line echo on bare metal, on the port and for the number of connections that `config.rs` says.
#![no_std]
#![no_main]

mod board;
mod config;
mod console;
mod copy;
mod divide;
mod failure;
mod network;
mod processor;
#[cfg(feature = "test-commands")]
mod test_commands;

use config::{LINE_BYTES, PORT, RX_BYTES, SLOTS, TX_BYTES};
use heapless::Vec;
use linecho_smoltcp::smoltcp::iface::{Interface, SocketSet, SocketStorage};
use linecho_smoltcp::smoltcp::socket::tcp::{Socket, SocketBuffer};
use linecho_smoltcp::{Config, Listener};
use static_cell::{ConstStaticCell, StaticCell};

#[cortex_m_rt::entry]
fn main() -> ! {
    processor::start();
    board::start();

    let device = ETHERNET.take();
    let interface = interface(device);
    let mut sockets = socket_set();
    let session = config::SESSION;
    #[cfg(feature = "test-commands")]
    let session = test_commands::session(session);
    let listener = listener(&mut sockets, session);
    network::announce(device, processor::now());
    log! {
        "READY board=", board::NAME, " port=", PORT, " slots=", SLOTS, " rx=", RX_BYTES, " tx=",
        TX_BYTES, " line=", LINE_BYTES
    };
    serve(device, interface, &mut sockets, listener)
}

fn serve(
    device: &mut board::Ethernet,
    interface: &mut Interface,
    sockets: &mut SocketSet<'static>,
    listener: &mut Listener<'static, SLOTS>,
) -> ! {
    loop {
        #[cfg(feature = "test-commands")]
        test_commands::obey(listener);
        let now = processor::now();
        let wake = listener.poll(now, interface, device, sockets, |event| {
            log! {
                event, " [stack: ", processor::stack_used(), " of ", processor::stack().len(),
                " bytes]"
            }
        });
        processor::sleep(wake, || device.frame_waits());
    }
}

// What is large lies in statics. They begin as zeros, and so take no flash. They are filled by
// functions of their own, whose part of the stack is free again when `serve` begins.

static ETHERNET: ConstStaticCell<board::Ethernet> = ConstStaticCell::new(board::Ethernet::new());

/// Buffers that begin at a word: copies between them move words that are aligned on both sides.
#[repr(align(4))]
struct Aligned<T>(T);

#[inline(never)]
fn interface(device: &mut board::Ethernet) -> &'static mut Interface {
    static INTERFACE: StaticCell<Interface> = StaticCell::new();
    INTERFACE.init_with(|| network::interface(device, processor::now()))
}

#[inline(never)]
fn socket_set() -> SocketSet<'static> {
    static STORAGE: ConstStaticCell<Vec<SocketStorage, SLOTS>> = ConstStaticCell::new(Vec::new());
    let storage = STORAGE.take();
    while storage.push(SocketStorage::EMPTY).is_ok() {}
    SocketSet::new(&mut storage[..])
}

#[inline(never)]
fn listener(
    set: &mut SocketSet<'static>,
    session: Config,
) -> &'static mut Listener<'static, SLOTS> {
    static RINGS: ConstStaticCell<Aligned<[([u8; RX_BYTES], [u8; TX_BYTES]); SLOTS]>> =
        ConstStaticCell::new(Aligned([([0; _], [0; _]); _]));
    static LINES: ConstStaticCell<Aligned<[[u8; LINE_BYTES]; SLOTS]>> =
        ConstStaticCell::new(Aligned([[0; _]; _]));
    static LISTENER: StaticCell<Listener<SLOTS>> = StaticCell::new();
    let sockets = RINGS.take().0.iter_mut().map(|(rx, tx)| {
        Socket::new(
            SocketBuffer::new(&mut rx[..]),
            SocketBuffer::new(&mut tx[..]),
        )
    });
    let lines = &mut LINES.take().0;
    // In place: a copy of it would take more of the stack than anything later.
    LISTENER.init_with(|| match Listener::new(PORT, session, set, sockets, lines) {
        Ok(listener) => listener,
        Err(_) => panic!("there is no port 0"),
    })
}
