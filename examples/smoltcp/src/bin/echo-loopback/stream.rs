//! One client that streams lines.

use std::time::Duration;

use linecho_smoltcp::smoltcp::iface::{Interface, SocketHandle, SocketSet};
use linecho_smoltcp::smoltcp::socket::tcp::{ConnectError, Socket};
use linecho_smoltcp::smoltcp::wire::IpEndpoint;
use linecho_smoltcp::{Client, ClientTurn, Instant, ProbeError};

use crate::lines::Lines;

/// The most lines that can be in flight.
pub(crate) const MAX_WINDOW: usize = 1024;

/// The end of what each client sends. A line echo returns it when the client has closed its side.
pub(crate) const REST: &[u8] = b"a rest without a newline";

/// A client on a socket of its own: keeps a number of lines in flight until all have come back.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: SocketHandle,
    client: Client<Box<[u8]>, MAX_WINDOW>,
    lines: Lines,
    plan: Plan,
    queued: u64,
    is_closed: bool,
}

/// The lines that a client streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Number of lines.
    pub(crate) lines: u64,
    /// Their length in bytes, the newline included.
    pub(crate) length: usize,
    /// Number of lines that may be in flight, at most [`MAX_WINDOW`].
    pub(crate) window: usize,
    /// Another seed gives other lines.
    pub(crate) seed: u64,
}

impl Plan {
    /// Returns the number of bytes that go there and back.
    #[must_use]
    pub(crate) const fn bytes(&self) -> u64 {
        self.lines * self.length as u64 + REST.len() as u64
    }

    /// The length of the storage for what is in flight: twice that, so that lines which have come
    /// back make room before all others have.
    #[must_use]
    pub(crate) const fn storage(&self) -> usize {
        2 * self.window * self.length + REST.len()
    }
}

impl Stream {
    /// Starts to connect `socket`, which is in `sockets`, from the port `local` to `server`.
    ///
    /// # Errors
    ///
    /// When there is no way to the server.
    pub(crate) fn connect(
        plan: Plan,
        iface: &mut Interface,
        sockets: &mut SocketSet<'_>,
        socket: SocketHandle,
        server: IpEndpoint,
        local: u16,
    ) -> Result<Self, ConnectError> {
        let storage = vec![0; plan.storage()].into_boxed_slice();
        let tcp = sockets.get_mut::<Socket<'_>>(socket);
        Ok(Self {
            socket,
            client: Client::connect(storage, tcp, iface.context(), server, local)?,
            lines: Lines::new(plan.length, plan.seed),
            plan,
            queued: 0,
            is_closed: false,
        })
    }

    /// Sends, and checks what has come back. Calls `on_line` with the round-trip time of each line.
    ///
    /// # Errors
    ///
    /// When something else came back than was sent, or the connection broke.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        sockets: &mut SocketSet<'_>,
        mut on_line: impl FnMut(Duration),
    ) -> Result<(), ProbeError> {
        if self.is_closed {
            return Ok(());
        }
        self.queue();
        loop {
            let tcp = sockets.get_mut::<Socket<'_>>(self.socket);
            let turn = self.client.turn(now, tcp, &mut on_line)?;
            if turn == ClientTurn::Closed {
                self.is_closed = true;
            }
            // What has come back makes room for more.
            if !self.queue() {
                return Ok(());
            }
        }
    }

    /// Queues what the window has room for, and in the end the rest. Returns `true` if it queued
    /// something.
    fn queue(&mut self) -> bool {
        let before = self.queued;
        let probe = self.client.probe();
        while self.queued <= self.plan.lines
            && self.queued - probe.lines() < self.plan.window as u64
        {
            let queued = if self.queued == self.plan.lines {
                probe.queue(REST)
            } else if probe.room() < self.plan.length {
                break;
            } else {
                let line = probe.queue(self.lines.next_line());
                line.and_then(|()| probe.queue(b"\n"))
            };
            if queued.is_err() {
                break;
            }
            self.queued += 1;
        }
        if self.queued > self.plan.lines {
            self.client.finish();
        }
        self.queued > before
    }

    /// Returns the number of bytes that have come back.
    pub(crate) fn bytes(&mut self) -> u64 {
        self.client.probe().bytes()
    }

    /// Returns the number of lines that have come back.
    pub(crate) fn lines(&mut self) -> u64 {
        self.client.probe().lines()
    }

    /// Returns `true` if everything has come back, and both sides have closed.
    #[must_use]
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }
}
