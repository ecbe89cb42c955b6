//! The floor of what an echo costs beside other connections: smoltcp alone, told which socket a
//! frame is for, with a set for each socket. It finds nothing, keeps no time and ends nothing.

use linecho_smoltcp::{Instant, stack_time};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::Socket;

use super::segments::{PORT, number};
use super::stack::{LINE_BUFFER, Server, interface, socket};
use super::wire::Wire;

pub(super) struct Floor {
    iface: Interface,
    sets: Vec<(SocketSet<'static>, SocketHandle)>,
    line: [u8; LINE_BUFFER],
}

impl Floor {
    pub(super) fn new(connections: usize) -> Self {
        // Sockets lie side by side, as those of a listener do.
        let storage: Vec<_> = (0..connections).map(|_| Default::default()).collect();
        let set = |storage| {
            let mut set = SocketSet::new(storage);
            let mut socket = socket();
            socket.set_nagle_enabled(false);
            socket.listen(PORT).expect("the port is not 0");
            let handle = set.add(socket);
            (set, handle)
        };
        Self {
            iface: interface(),
            sets: storage.leak().chunks_mut(1).map(set).collect(),
            line: [0; LINE_BUFFER],
        }
    }
}

impl Server for Floor {
    fn turn(&mut self, now: Instant, wire: &mut Wire) {
        let now = stack_time(now);
        self.iface.poll_maintenance(now);
        while let Some(number) = wire.next().map(number) {
            let (set, handle) = &mut self.sets[number];
            self.iface.poll_ingress_single(now, wire, set);
            let socket = set.get_mut::<Socket>(*handle);
            if socket.can_recv() {
                let received = socket.recv_slice(&mut self.line).unwrap_or(0);
                // What did not go would be missed: the peer checks what comes back.
                let _ = socket.send_slice(&self.line[..received]);
            }
            self.iface.poll_egress(now, wire, set);
        }
    }
}
