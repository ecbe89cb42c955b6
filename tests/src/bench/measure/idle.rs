//! Connections that do nothing, and the memory that a server has for each of them.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;

use super::PATIENCE;
use super::load::{check, prepare};
use super::pattern::Pattern;
use super::server::Server;
use crate::bench::context;

/// The line that goes over the connections.
const LINE_BYTES: usize = 64;

/// Connections to a server of which the memory before they came is known.
pub struct Idle<'server> {
    server: &'server Server,
    streams: Vec<TcpStream>,
    pattern: Pattern,
    resident_before: u64,
    open_files: usize,
}

impl<'server> Idle<'server> {
    /// Opens `connections` connections to `server`, which must have no other.
    ///
    /// One connection with a line comes and goes before, so that what a server allocates once does
    /// not count.
    ///
    /// # Errors
    ///
    /// When a connection cannot be opened or breaks, or the server does not accept them all.
    pub fn open(server: &'server Server, connections: usize) -> io::Result<Self> {
        let files_before = server.open_files()?;
        let mut idle = Self {
            server,
            streams: Vec::new(),
            pattern: Pattern::new(LINE_BYTES),
            resident_before: 0,
            open_files: files_before,
        };
        idle.connect(1)?;
        idle.echo_line()?;
        idle.streams.clear();
        server.settled(files_before)?;

        idle.resident_before = server.resident_bytes()?;
        idle.open_files += connections;
        idle.connect(connections)?;
        server.settled(idle.open_files)?;
        Ok(idle)
    }

    /// Has a line echoed over each connection.
    ///
    /// # Errors
    ///
    /// When a connection breaks or stands still, or a byte comes back wrong.
    pub fn echo_line(&mut self) -> io::Result<()> {
        self.send(0..LINE_BYTES)?;
        self.receive()
    }

    /// Begins a line over each connection: the server has to keep this many bytes of it.
    ///
    /// # Errors
    ///
    /// When a connection breaks.
    pub fn begin_line(&mut self, bytes: usize) -> io::Result<()> {
        self.send(0..bytes)
    }

    /// Sends the rest of a line of which this many bytes are sent. The whole line has to come back.
    ///
    /// # Errors
    ///
    /// When a connection breaks or stands still, or a byte comes back wrong.
    pub fn finish_line(&mut self, bytes: usize) -> io::Result<()> {
        self.send(bytes..LINE_BYTES)?;
        self.receive()
    }

    fn send(&mut self, part: Range<usize>) -> io::Result<()> {
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let line = self.pattern.at(self.pattern.start(number), LINE_BYTES);
            stream
                .write_all(&line[part.clone()])
                .map_err(context(format_args!("connection {number}")))?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; LINE_BYTES];
        for (number, stream) in self.streams.iter_mut().enumerate() {
            stream
                .read_exact(&mut buffer)
                .and_then(|()| check(&self.pattern, self.pattern.start(number), &buffer))
                .map_err(context(format_args!("connection {number}")))?;
        }
        Ok(())
    }

    /// The memory that the server has for each connection, in bytes, once it has read all that was
    /// sent.
    ///
    /// # Errors
    ///
    /// When the server does not come to rest, or closes connections.
    pub fn bytes_per_connection(&self) -> io::Result<f64> {
        self.server.settled(self.open_files)?;
        let grown =
            self.server.resident_bytes()?.cast_signed() - self.resident_before.cast_signed();
        Ok(grown as f64 / self.streams.len() as f64)
    }

    fn connect(&mut self, connections: usize) -> io::Result<()> {
        let address = self.server.address();
        for number in 0..connections {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)
                .map_err(context(format_args!("connection {number} to {address}")))?;
            prepare(&stream)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.streams.push(stream);
        }
        Ok(())
    }
}
