//! A line echo on sockets of smoltcp, as its users write it without an allocator: a look at each of
//! them after every poll.

use linecho_smoltcp::smoltcp::iface::{SocketHandle, SocketSet};
use linecho_smoltcp::smoltcp::socket::tcp::Socket;
use linecho_smoltcp::smoltcp::wire::IpEndpoint;

use crate::config::{LINE_BYTES, PORT};
use crate::{log, processor};

/// A socket that listens, or has a connection.
pub struct Connection {
    socket: SocketHandle,
    /// The bytes that were received and not yet sent.
    line: &'static mut [u8; LINE_BYTES],
    filled: usize,
    /// The length of its whole lines.
    complete: usize,
    peer: Option<IpEndpoint>,
}

impl Connection {
    /// Adds a socket that listens.
    pub fn new(
        mut socket: Socket<'static>,
        line: &'static mut [u8; LINE_BYTES],
        sockets: &mut SocketSet<'static>,
    ) -> Self {
        socket.set_nagle_enabled(false);
        listen(&mut socket);
        Self {
            socket: sockets.add(socket),
            line,
            filled: 0,
            complete: 0,
            peer: None,
        }
    }

    /// Looks at the socket: to be called after every poll of the interface.
    pub fn serve(&mut self, number: usize, sockets: &mut SocketSet<'_>) {
        let socket = sockets.get_mut::<Socket>(self.socket);
        if !socket.is_open() {
            if let Some(peer) = self.peer.take() {
                let (used, all) = (processor::stack_used(), processor::stack().len());
                log! {
                    number, ": ", peer, " closed [stack: ", used, " of ", all, " bytes]"
                }
            }
            (self.filled, self.complete) = (0, 0);
            listen(socket);
        }
        if self.peer.is_none() && socket.may_send() {
            self.peer = socket.remote_endpoint();
            if let Some(peer) = self.peer {
                log!(number, ": ", peer, " opened");
            }
        }
        self.echo(socket);
    }

    fn echo(&mut self, socket: &mut Socket<'_>) {
        if socket.can_recv() {
            let room = &mut self.line[self.filled..];
            let received = socket.recv_slice(room).unwrap_or(0);
            if let Some(newline) = room[..received].iter().rposition(|&byte| byte == b'\n') {
                self.complete = self.filled + newline + 1;
            }
            self.filled += received;
        }
        let is_full = self.filled == self.line.len();
        let is_last = socket.may_send() && !socket.may_recv();
        if self.complete == 0 && (is_full || is_last) {
            self.complete = self.filled;
        }
        if self.complete > 0 && socket.can_send() {
            let sent = socket.send_slice(&self.line[..self.complete]).unwrap_or(0);
            self.line.copy_within(sent..self.filled, 0);
            self.filled -= sent;
            self.complete -= sent;
        }
        if is_last && self.filled == 0 {
            socket.close();
        }
    }
}

fn listen(socket: &mut Socket<'_>) {
    if socket.listen(PORT).is_err() {
        panic!("there is no port 0");
    }
}
