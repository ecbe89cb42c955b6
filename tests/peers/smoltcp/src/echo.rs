//! A line echo on sockets of smoltcp, as its users write it: all sockets in one set, and a look at
//! each of them after every poll.

use memchr::memrchr;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};

/// Sockets that listen on one port.
pub struct Echo {
    port: u16,
    connections: Vec<Connection>,
}

struct Connection {
    socket: SocketHandle,
    /// The bytes that were received and not yet sent.
    buffer: Vec<u8>,
    filled: usize,
    /// The length of its whole lines.
    complete: usize,
}

impl Echo {
    /// Adds as many sockets to `sockets`, each with two buffers of `socket_buffer` bytes, for lines
    /// of up to `longest_line` bytes.
    pub fn new(
        port: u16,
        count: usize,
        socket_buffer: usize,
        longest_line: usize,
        sockets: &mut SocketSet<'_>,
    ) -> Self {
        let connection = |_| {
            let buffer = || SocketBuffer::new(vec![0; socket_buffer]);
            let mut socket = Socket::new(buffer(), buffer());
            socket.set_nagle_enabled(false);
            socket.listen(port).expect("the port is not 0");
            Connection {
                socket: sockets.add(socket),
                buffer: vec![0; longest_line],
                filled: 0,
                complete: 0,
            }
        };
        let connections = (0..count).map(connection).collect();
        Self { port, connections }
    }

    /// Looks at each socket: to be called after every poll of the interface.
    pub fn serve(&mut self, sockets: &mut SocketSet<'_>) {
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<Socket>(connection.socket);
            if !socket.is_open() {
                (connection.filled, connection.complete) = (0, 0);
                socket.listen(self.port).expect("the port is not 0");
            }
            connection.echo(socket);
        }
    }
}

impl Connection {
    fn echo(&mut self, socket: &mut Socket<'_>) {
        if socket.can_recv() {
            let room = &mut self.buffer[self.filled..];
            let received = socket.recv_slice(room).unwrap_or(0);
            if let Some(newline) = memrchr(b'\n', &room[..received]) {
                self.complete = self.filled + newline + 1;
            }
            self.filled += received;
        }
        let is_full = self.filled == self.buffer.len();
        let is_last = socket.may_send() && !socket.may_recv();
        if self.complete == 0 && (is_full || is_last) {
            self.complete = self.filled;
        }
        if self.complete > 0 && socket.can_send() {
            let sent = socket
                .send_slice(&self.buffer[..self.complete])
                .unwrap_or(0);
            self.buffer.copy_within(sent..self.filled, 0);
            self.filled -= sent;
            self.complete -= sent;
        }
        if is_last && self.filled == 0 {
            socket.close();
        }
    }
}
