//! The load: many connections from one thread, each with a batch of lines in flight. Every byte
//! that comes back is compared with what was sent.
//!
//! A connection sends its whole batch with one write and sends the next one when all of it has come
//! back, as pipelining clients do. So a server that answers line by line shows what that costs it,
//! and how much one read of the server finds does not depend on how fast this side is.

use std::ascii::escape_default;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use super::PATIENCE;
use super::pattern::{LONGEST, Pattern};
use super::server::Server;
use crate::bench::context;

/// A load for a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The number of connections.
    pub connections: usize,
    /// The bytes of a line, its `\n` included.
    pub line_bytes: usize,
    /// The lines of a batch.
    pub in_flight: usize,
}

/// The figures of a server under a load.
pub struct Sample {
    /// Lines that came back.
    pub lines: u64,
    /// The time that it took.
    pub elapsed: Duration,
    /// The time that the server spent on its core meanwhile.
    pub server_cpu: Duration,
    /// Nanoseconds from the write of a line's batch to the read of its last byte.
    pub latency: Histogram<u64>,
}

impl Sample {
    /// Lines that came back in a second.
    #[must_use]
    pub fn lines_per_second(&self) -> f64 {
        self.lines as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that the server spends on a million lines, in seconds.
    #[must_use]
    pub fn cpu_per_million_lines(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.lines as f64 * 1e6
    }

    /// The time in which this percentage of the lines was back, in microseconds.
    #[must_use]
    pub fn latency_us(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e3
    }
}

/// Puts `load` on `server`: for `warm_up` uncounted, then for `measured`.
///
/// # Errors
///
/// When a connection breaks or stands still, or a byte comes back wrong.
pub fn run(
    server: &Server,
    load: Load,
    warm_up: Duration,
    measured: Duration,
) -> io::Result<Sample> {
    let mut clients = Clients::connect(server.address(), load)?;
    clients.drive(warm_up)?;
    clients.latency.reset();
    let (lines, cpu, start) = (clients.lines, server.cpu_time()?, Instant::now());
    clients.drive(measured)?;
    let sample = Sample {
        lines: clients.lines - lines,
        elapsed: start.elapsed(),
        server_cpu: server.cpu_time()? - cpu,
        latency: clients.latency.clone(),
    };
    clients.finish()?;
    Ok(sample)
}

/// The connections of a load.
pub struct Clients {
    connections: Vec<Connection>,
    pattern: Pattern,
    batch_bytes: u64,
    poll: Poll,
    buffer: Vec<u8>,
    lines: u64,
    latency: Histogram<u64>,
}

struct Connection {
    stream: TcpStream,
    /// Positions in the pattern: up to where it came back, was written, and is to be written.
    received: u64,
    sent: u64,
    end: u64,
    batch_start: Instant,
}

impl Clients {
    /// Opens the connections of `load` to `address`.
    ///
    /// # Errors
    ///
    /// When one cannot be opened.
    pub fn connect(address: SocketAddr, load: Load) -> io::Result<Self> {
        let pattern = Pattern::new(load.line_bytes);
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(load.connections);
        for number in 0..load.connections {
            let stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)
                .map_err(context(format_args!("connection {number} to {address}")))?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            prepare(&stream)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), both)?;
            let start = pattern.start(number);
            connections.push(Connection {
                stream,
                received: start,
                sent: start,
                end: start,
                batch_start: Instant::now(),
            });
        }
        Ok(Self {
            connections,
            batch_bytes: (load.in_flight * load.line_bytes) as u64,
            pattern,
            poll,
            buffer: vec![0; LONGEST],
            lines: 0,
            latency: Histogram::new_with_bounds(1, PATIENCE.as_nanos() as u64, 3)
                .map_err(io::Error::other)?,
        })
    }

    /// The number of lines that have come back so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Keeps every connection busy for this long. The last batches stay in flight.
    ///
    /// # Errors
    ///
    /// When a connection breaks or stands still, or a byte comes back wrong.
    pub fn drive(&mut self, time: Duration) -> io::Result<()> {
        let now = Instant::now();
        for connection in &mut self.connections {
            if connection.received == connection.end {
                connection.next_batch(&self.pattern, self.batch_bytes, now)?;
            }
        }
        while now.elapsed() < time {
            self.turn(true)?;
        }
        Ok(())
    }

    /// Waits until all that is in flight has come back.
    ///
    /// # Errors
    ///
    /// As [`drive`](Self::drive).
    pub fn finish(&mut self) -> io::Result<()> {
        while self.connections.iter().any(|c| c.received < c.end) {
            self.turn(false)?;
        }
        Ok(())
    }

    /// Waits for events and serves each of them; `refill`s the connections whose batch is back.
    fn turn(&mut self, refill: bool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        if events.is_empty() {
            return Err(self.standstill());
        }
        for event in &events {
            let number = event.token().0;
            self.serve(number, event.is_readable(), refill)
                .map_err(context(format_args!("connection {number}")))?;
        }
        Ok(())
    }

    fn serve(&mut self, number: usize, readable: bool, refill: bool) -> io::Result<()> {
        let connection = &mut self.connections[number];
        if connection.sent < connection.end {
            connection.send(&self.pattern)?;
        }
        if !readable {
            return Ok(());
        }
        let before = connection.received;
        connection.receive(&self.pattern, &mut self.buffer)?;
        let now = Instant::now();
        let line_bytes = self.pattern.line_bytes() as u64;
        let lines = connection.received / line_bytes - before / line_bytes;
        if lines > 0 {
            let latency = (now - connection.batch_start).as_nanos() as u64;
            self.lines += lines;
            self.latency.saturating_record_n(latency, lines);
        }
        if refill && connection.received == connection.end {
            connection.next_batch(&self.pattern, self.batch_bytes, now)?;
        }
        Ok(())
    }

    fn standstill(&self) -> io::Error {
        let waiting = self.connections.iter().filter(|c| c.received < c.end);
        io::Error::other(format!(
            "nothing came back for {PATIENCE:?} on {} of {} connections",
            waiting.count(),
            self.connections.len()
        ))
    }
}

impl Connection {
    fn next_batch(&mut self, pattern: &Pattern, bytes: u64, now: Instant) -> io::Result<()> {
        self.end += bytes;
        self.batch_start = now;
        self.send(pattern)
    }

    /// Writes what the socket takes of the batch.
    fn send(&mut self, pattern: &Pattern) -> io::Result<()> {
        while self.sent < self.end {
            let length = (self.end - self.sent).min(LONGEST as u64) as usize;
            match self.stream.write(pattern.at(self.sent, length)) {
                Ok(n) => self.sent += n as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and compares all that has arrived. A read that does not fill the buffer has drained
    /// the socket (epoll(7)), so there is no second one to find that out.
    fn receive(&mut self, pattern: &Pattern, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server closed it")),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            check(pattern, self.received, &buffer[..length])?;
            self.received += length as u64;
            if self.received > self.sent {
                return Err(io::Error::other("more came back than was sent"));
            }
            if length < buffer.len() {
                return Ok(());
            }
        }
    }
}

/// Sets what every client socket of a measurement has: no waiting for more to send (Nagle's
/// algorithm), and a close that leaves nothing behind (a reset in place of TIME-WAIT), so that one
/// run does not weigh on the next.
pub(super) fn prepare(stream: &impl std::os::fd::AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))
}

/// Compares what came back at `position` with what was sent there.
pub(crate) fn check(pattern: &Pattern, position: u64, came: &[u8]) -> io::Result<()> {
    let sent = pattern.at(position, came.len());
    if sent == came {
        return Ok(());
    }
    let at = sent.iter().zip(came).take_while(|(a, b)| a == b).count();
    Err(io::Error::other(format!(
        "byte {}: '{}' came back as '{}'",
        position + at as u64,
        escape_default(sent[at]),
        escape_default(came[at])
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_told_with_its_place() {
        let pattern = Pattern::new(8);
        assert!(check(&pattern, 8, pattern.at(8, 16)).is_ok());
        let error = check(&pattern, 0, b"000000a?").unwrap_err();
        assert_eq!(error.to_string(), r"byte 7: '\n' came back as '?'");
    }
}
