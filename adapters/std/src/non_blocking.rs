//! Sockets of std for the polled driver of the core.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

/// A non-blocking socket as a transport for [`linecho_core::polled`], in a loop of your own.
///
/// It takes itself for ready until a call would have blocked: that call reports
/// [`ErrorKind::Interrupted`], and the next question of the same kind gets the answer no, once. So
/// a turn ends there, and the next one tries again. Between the turns, wait with whatever your loop
/// waits with, on [`get_ref`](Self::get_ref).
///
/// ```
/// use linecho_core::polled::{self, Turn};
/// use linecho_core::{Config, Instant, Session};
/// use linecho_std::NonBlocking;
/// use std::io::{Read, Write};
/// use std::net::{Shutdown, TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut peer = TcpStream::connect(listener.local_addr()?)?;
/// peer.write_all(b"a line\n")?;
/// peer.shutdown(Shutdown::Write)?;
///
/// let mut socket = NonBlocking::new(listener.accept()?.0)?;
/// let mut session = Session::new([0; 64], Config::new(), Instant::ZERO);
/// while !matches!(polled::serve(&mut session, &mut socket, Instant::ZERO, 64), Turn::Ended(_)) {}
/// drop(socket);
///
/// let mut echo = String::new();
/// peer.read_to_string(&mut echo)?;
/// assert_eq!(echo, "a line\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct NonBlocking {
    stream: TcpStream,
    is_readable: bool,
    is_writable: bool,
}

impl NonBlocking {
    /// Makes the socket non-blocking.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::set_nonblocking`].
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            is_readable: true,
            is_writable: true,
        })
    }

    /// Returns the socket.
    #[must_use]
    pub const fn get_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl ErrorType for NonBlocking {
    type Error = ErrorKind;
}

impl Read for NonBlocking {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let result = self.stream.read(buffer);
        result.map_err(|error| kind(&error, &mut self.is_readable))
    }
}

impl ReadReady for NonBlocking {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(std::mem::replace(&mut self.is_readable, true))
    }
}

impl Write for NonBlocking {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let result = self.stream.write(bytes);
        result.map_err(|error| kind(&error, &mut self.is_writable))
    }

    /// Does nothing: a socket holds nothing back.
    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl WriteReady for NonBlocking {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(std::mem::replace(&mut self.is_writable, true))
    }
}

fn kind(error: &io::Error, is_ready: &mut bool) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            *is_ready = false;
            ErrorKind::Interrupted
        }
        kind => kind.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_call_that_would_block_makes_it_unready_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut socket = NonBlocking::new(listener.accept().unwrap().0).unwrap();
        for _ in 0..2 {
            assert_eq!(socket.read_ready(), Ok(true));
            assert_eq!(socket.read(&mut [0]), Err(ErrorKind::Interrupted));
            assert_eq!(socket.read_ready(), Ok(false));
        }
        while socket.write(&[0; 65_536]).is_ok() {}
        assert_eq!(socket.write_ready(), Ok(false));
        assert_eq!(socket.write_ready(), Ok(true));
        drop(peer);
    }
}
