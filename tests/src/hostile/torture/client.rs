//! A client that checks each byte, and knows when its connection has ended.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest wait for one read.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Client {
    stream: TcpStream,
    sent: Vec<u8>,
    received: usize,
    has_finished: bool,
    /// The server has closed or reset the connection.
    has_ended: bool,
}

impl Client {
    pub(super) fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self {
            stream,
            sent: Vec::new(),
            received: 0,
            has_finished: false,
            has_ended: false,
        })
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Ok(()) => self.sent.extend_from_slice(bytes),
            Err(_) => self.has_ended = true,
        }
    }

    /// Half-closes.
    pub(super) fn finish(&mut self) {
        self.has_finished = true;
        self.has_ended |= self.stream.shutdown(Shutdown::Write).is_err();
    }

    /// Waits until all that was sent has come back, and after a half-close the end; or for an end
    /// that comes too early. `nudge` is called whenever nothing comes.
    ///
    /// # Errors
    ///
    /// When another byte comes, or neither all nor an end.
    pub(super) fn hear(&mut self, patience: Duration, nudge: impl Fn(&mut Self)) -> io::Result<()> {
        let until = Instant::now() + patience;
        while !self.has_ended && (self.received < self.sent.len() || self.has_finished) {
            if Instant::now() >= until {
                let (received, sent) = (self.received, self.sent.len());
                let text = format!("a client got {received} of {sent} bytes, and no end");
                return Err(io::Error::new(ErrorKind::TimedOut, text));
            }
            if !self.read()? {
                nudge(self);
            }
        }
        Ok(())
    }

    /// Waits for the server to end the connection.
    ///
    /// # Errors
    ///
    /// When another byte comes, or no end.
    pub(super) fn hear_end(&mut self, patience: Duration) -> io::Result<()> {
        self.has_finished = true;
        self.hear(patience, |_| {})
    }

    /// Returns `true` if all that was sent has come back.
    pub(super) fn has_all(&self) -> bool {
        self.received == self.sent.len()
    }

    /// Returns `true` if the connection has ended before all had come back, or before it was to.
    pub(super) fn was_cut_off(&self) -> bool {
        self.has_ended && !(self.has_finished && self.has_all())
    }

    /// Returns `true` unless nothing comes.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.has_ended = true,
            Ok(n) => {
                let expected = self.sent.get(self.received..self.received + n);
                if expected != Some(&bytes[..n]) {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "another byte came back than was sent",
                    ));
                }
                self.received += n;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.has_ended = true,
        }
        Ok(true)
    }
}
