//! A line echo on bare metal: see README.md.
#![no_std]
#![no_main]

mod board;
mod config;
mod console;
mod failure;
mod processor;
#[cfg(feature = "test-commands")]
mod test_commands;

use config::{RX_BYTES, SLOTS, TX_BYTES};
use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use static_cell::ConstStaticCell;

static ETHERNET: ConstStaticCell<board::Ethernet> = ConstStaticCell::new(board::Ethernet::new());
static BUFFERS: ConstStaticCell<[([u8; RX_BYTES], [u8; TX_BYTES]); SLOTS]> =
    ConstStaticCell::new([([0; _], [0; _]); SLOTS]);
static SOCKETS: ConstStaticCell<heapless::Vec<SocketStorage, SLOTS>> =
    ConstStaticCell::new(heapless::Vec::new());

fn now() -> Instant {
    Instant::from_micros(processor::micros() as i64)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    processor::start();
    board::start();
    let ethernet = ETHERNET.take();
    let mut interface = Interface::new(Config::new(config::MAC_ADDRESS.into()), ethernet, now());
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(config::ADDRESS.into());
    });
    let _ = interface
        .routes_mut()
        .add_default_ipv4_route(config::GATEWAY);
    let storage = SOCKETS.take();
    while storage.push(SocketStorage::EMPTY).is_ok() {}
    let mut sockets = SocketSet::new(&mut storage[..]);
    for (rx, tx) in BUFFERS.take() {
        sockets.add(tcp::Socket::new(
            tcp::SocketBuffer::new(&mut rx[..]),
            tcp::SocketBuffer::new(&mut tx[..]),
        ));
    }
    log!("READY board={} slots={SLOTS}", board::NAME);
    loop {
        #[cfg(feature = "test-commands")]
        test_commands::obey();
        interface.poll(now(), ethernet, &mut sockets);
        for (_, socket) in sockets.iter_mut() {
            let smoltcp::socket::Socket::Tcp(socket) = socket;
            if !socket.is_open() {
                let (size, used) = processor::stack_bytes();
                log!("listen stack={used}/{size}");
                let _ = socket.listen(config::PORT);
            }
            if socket.may_send() && !socket.may_recv() && socket.recv_queue() == 0 {
                socket.close();
            }
            let room = socket.send_capacity() - socket.send_queue();
            if socket.can_send() && socket.can_recv() {
                let mut buffer = [0; 256];
                let n = room.min(256);
                if let Ok(n) = socket.recv_slice(&mut buffer[..n]) {
                    let _ = socket.send_slice(&buffer[..n]);
                }
            }
        }
        let delay = interface
            .poll_delay(now(), &sockets)
            .map_or(1_000_000, |d| d.total_micros().min(1_000_000) as u32);
        processor::sleep(delay, || ethernet.frame_waits());
    }
}
