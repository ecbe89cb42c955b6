//! The honest peer: a stack of its own, and one connection at a time.

use std::collections::VecDeque;

use linecho_devices::testing::{Host, tcp_socket};
use linecho_smoltcp::smoltcp::iface::{PollIngressSingleResult, PollResult, SocketHandle};
use linecho_smoltcp::smoltcp::socket::tcp::{Socket, State};
use linecho_smoltcp::smoltcp::time::Instant;
use linecho_smoltcp::smoltcp::wire::{IpAddress, Ipv6Address};

use super::port::Port;
use super::{HONEST, PORT, SERVER, host, ipv4, ipv6};

pub(super) struct Client {
    host: Host,
    pub(super) device: Port,
    handle: SocketHandle,
    to_send: VecDeque<u8>,
    sent: Vec<u8>,
    received: usize,
    /// Its stack or its user has something to do.
    pub(super) is_due: bool,
    /// Sends from here next.
    pub(super) port: u16,
}

impl Client {
    pub(super) fn new() -> Self {
        let (mut host, device) = host(HONEST);
        let mut socket = tcp_socket(1024, 1024);
        socket.set_nagle_enabled(false);
        let handle = host.sockets.add(socket);
        Self {
            host,
            device,
            handle,
            to_send: VecDeque::new(),
            sent: vec![],
            received: 0,
            is_due: false,
            port: 50_000,
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.host.socket(self.handle)
    }

    /// Opens a connection from the next port.
    pub(super) fn connect(&mut self, is_ipv6: bool) {
        self.to_send.clear();
        self.sent.clear();
        self.received = 0;
        self.port += 1;
        let [a, b, c, d] = ipv4(SERVER);
        let server = if is_ipv6 {
            Ipv6Address::from(ipv6(SERVER)).into()
        } else {
            IpAddress::v4(a, b, c, d)
        };
        self.is_due = true;
        self.host.connect(self.handle, (server, PORT), self.port);
    }

    pub(super) fn say(&mut self, line: &[u8]) {
        self.to_send.extend(line);
        self.sent.extend_from_slice(line);
        self.is_due = true;
    }

    pub(super) fn abort(&mut self) {
        self.to_send.clear();
        self.socket().abort();
        self.is_due = true;
    }

    pub(super) fn close(&mut self) {
        self.socket().close();
        self.is_due = true;
    }

    pub(super) fn state(&mut self) -> State {
        self.socket().state()
    }

    pub(super) fn is_over(&mut self) -> bool {
        matches!(self.state(), State::Closed | State::TimeWait)
    }

    /// Returns true if all that it has said came back.
    pub(super) fn has_all(&self) -> bool {
        self.received == self.sent.len()
    }

    /// Does all that the stack and its user can do. Checks what comes back if it `is_exact`.
    pub(super) fn turn(&mut self, now: Instant, is_exact: bool) {
        if !self.is_due && !self.device.has_frame() {
            return;
        }
        self.is_due = false;
        let Host { iface, sockets } = &mut self.host;
        iface.poll_maintenance(now);
        while iface.poll_ingress_single(now, &mut self.device, sockets)
            != PollIngressSingleResult::None
        {}
        let socket = sockets.get_mut::<Socket<'_>>(self.handle);
        while socket.can_send() && !self.to_send.is_empty() {
            let (bytes, _) = self.to_send.as_slices();
            let n = socket.send_slice(bytes).unwrap_or(0);
            self.to_send.drain(..n);
        }
        while socket.can_recv() {
            let (sent, received) = (&self.sent[..], self.received);
            let check = |bytes: &mut [u8]| {
                let expected = sent.get(received..received + bytes.len());
                assert!(!is_exact || expected == Some(bytes), "another byte");
                (bytes.len(), bytes.len())
            };
            self.received += socket.recv(check).unwrap_or(0);
        }
        while iface.poll_egress(now, &mut self.device, sockets) != PollResult::None {}
    }

    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.host.poll_at(now)
    }
}
