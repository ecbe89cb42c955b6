//! The firmware of `examples/firmware` with a plain line echo in place of linecho's listener: what
//! is left is what smoltcp, the board's driver and the log take.
#![no_std]
#![no_main]
#![allow(dead_code, reason = "the firmware's files have more than this uses")]

#[path = "../../../../examples/firmware/src/board/mod.rs"]
mod board;
#[path = "../../../../examples/firmware/src/config.rs"]
mod config;
#[path = "../../../../examples/firmware/src/console.rs"]
mod console;
#[path = "../../../../examples/firmware/src/copy.rs"]
mod copy;
#[path = "../../../../examples/firmware/src/divide.rs"]
mod divide;
mod echo;
#[path = "../../../../examples/firmware/src/failure.rs"]
mod failure;
#[path = "../../../../examples/firmware/src/network.rs"]
mod network;
#[path = "../../../../examples/firmware/src/processor.rs"]
mod processor;

use config::{LINE_BYTES, RX_BYTES, SLOTS, TX_BYTES};
use echo::Connection;
use heapless::Vec;
use linecho_smoltcp::smoltcp::iface::{Interface, SocketSet, SocketStorage};
use linecho_smoltcp::smoltcp::socket::tcp::{Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::time::Duration;
use linecho_smoltcp::{Wake, stack_time};
use static_cell::{ConstStaticCell, StaticCell};

static ETHERNET: ConstStaticCell<board::Ethernet> = ConstStaticCell::new(board::Ethernet::new());

#[repr(align(4))]
struct Aligned<T>(T);

#[cortex_m_rt::entry]
fn main() -> ! {
    processor::start();
    board::start();
    let device = ETHERNET.take();
    let interface = interface(device);
    let mut sockets = socket_set();
    let connections = connections(&mut sockets);
    network::announce(device, processor::now());
    log!("READY board=", board::NAME);
    loop {
        let now = processor::now();
        interface.poll(stack_time(now), device, &mut sockets);
        for (number, connection) in connections.iter_mut().enumerate() {
            connection.serve(number, &mut sockets);
        }
        let wake = match interface.poll_delay(stack_time(now), &sockets) {
            None => Wake::Frame,
            Some(Duration::ZERO) => Wake::Again,
            Some(delay) => Wake::At(now + delay.into()),
        };
        processor::sleep(wake, || device.frame_waits());
    }
}

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
fn connections(sockets: &mut SocketSet<'static>) -> &'static mut [Connection] {
    static RINGS: ConstStaticCell<Aligned<[([u8; RX_BYTES], [u8; TX_BYTES]); SLOTS]>> =
        ConstStaticCell::new(Aligned([([0; _], [0; _]); _]));
    static LINES: ConstStaticCell<Aligned<[[u8; LINE_BYTES]; SLOTS]>> =
        ConstStaticCell::new(Aligned([[0; _]; _]));
    static CONNECTIONS: ConstStaticCell<Vec<Connection, SLOTS>> = ConstStaticCell::new(Vec::new());
    let connections = CONNECTIONS.take();
    for ((rx, tx), line) in RINGS.take().0.iter_mut().zip(&mut LINES.take().0) {
        let socket = Socket::new(
            SocketBuffer::new(&mut rx[..]),
            SocketBuffer::new(&mut tx[..]),
        );
        // There is room for all of them.
        let _ = connections.push(Connection::new(socket, line, sockets));
    }
    connections
}
