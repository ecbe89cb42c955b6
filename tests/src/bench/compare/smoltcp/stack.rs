//! What each server that has many connections runs on.

use linecho_smoltcp::{Instant, stack_time};
use smoltcp::iface::{Config, Interface};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::segments::SERVER;
use super::wire::Wire;

pub(super) const SOCKET_BUFFER: usize = 512;
pub(super) const LINE_BUFFER: usize = 256;

/// A server on a stack of its own.
pub(super) trait Server {
    /// Turns until it has nothing to do but to wait.
    fn turn(&mut self, now: Instant, wire: &mut Wire);
}

pub(super) fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; SOCKET_BUFFER]);
    Socket::new(buffer(), buffer())
}

pub(super) fn interface() -> Interface {
    let config = Config::new(HardwareAddress::Ip);
    let mut iface = Interface::new(config, &mut Wire::default(), stack_time(Instant::ZERO));
    iface.update_ip_addrs(|addresses| {
        // There is room for more than one.
        let _ = addresses.push(IpCidr::new(SERVER.into(), 8));
    });
    iface
}
