//! Wrappers that tell the drivers what is special about a transport.
//!
//! | the transport                                            | the wrapper                          |
//! |----------------------------------------------------------|--------------------------------------|
//! | has a reader and a writer of different types: embassy-sync pipes, the halves of a UART, stdin and stdout | [`Join`] |
//! | has a `flush` that waits for more than sending, or blocks where nothing may | [`NoFlush`] |
//! | reads `Ok(0)` though more may come: an empty packet of embassy-usb | [`Interpret`]              |
//! | reports its end as an error: embedded-tls                | [`Interpret`]                        |
//! | has errors whose [`kind`](Error::kind) says too little: a timeout of a std socket is `Other` | [`Interpret`] |

use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

#[cfg(feature = "async")]
mod asynchronous;

/// Joins a reader and a writer into one transport.
///
/// ```
/// use linecho_core::transport::Join;
/// use linecho_core::{Config, Instant, Reason, Session, blocking};
///
/// let mut session = Session::new([0; 64], Config::new(), Instant::ZERO);
/// let mut input = &b"hello\n"[..];
/// let mut output = [0; 6];
/// let reason = blocking::serve(&mut session, &mut Join::new(&mut input, &mut output[..]));
/// assert_eq!(reason, Reason::PeerClosed);
/// assert_eq!(&output, b"hello\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Join<R, W> {
    /// The half that is read from.
    pub reader: R,
    /// The half that is written to.
    pub writer: W,
}

impl<R, W> Join<R, W> {
    /// Joins both halves.
    pub const fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }
}

/// Keeps the kinds of errors only: those of the halves may be of different types.
impl<R, W> ErrorType for Join<R, W> {
    type Error = ErrorKind;
}

impl<R: Read, W> Read for Join<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        kind(self.reader.read(buffer))
    }
}

impl<R: ReadReady, W> ReadReady for Join<R, W> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        kind(self.reader.read_ready())
    }
}

impl<R, W: Write> Write for Join<R, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        kind(self.writer.write(bytes))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        kind(self.writer.flush())
    }
}

impl<R, W: WriteReady> WriteReady for Join<R, W> {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        kind(self.writer.write_ready())
    }
}

/// Reduces an error to its kind, which is all that a driver decides by.
pub(crate) fn kind<T, E: Error>(result: Result<T, E>) -> Result<T, ErrorKind> {
    result.map_err(|error| error.kind())
}

/// Keeps a driver from flushing a transport.
///
/// For transports that hold nothing back and whose `flush` does more than send (embassy-net's waits
/// for the peer's acknowledgement), and for those whose `flush` blocks in a loop that must not.
/// Over any other one that buffers what is written, line and answer may wait for each other for
/// ever, unless the caller flushes it.
#[derive(Clone, Copy, Debug)]
pub struct NoFlush<T>(
    /// The transport.
    pub T,
);

impl<T: ErrorType> ErrorType for NoFlush<T> {
    type Error = T::Error;
}

impl<T: Read> Read for NoFlush<T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        self.0.read(buffer)
    }
}

impl<T: ReadReady> ReadReady for NoFlush<T> {
    fn read_ready(&mut self) -> Result<bool, T::Error> {
        self.0.read_ready()
    }
}

impl<T: Write> Write for NoFlush<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        self.0.write(bytes)
    }

    /// Does nothing.
    fn flush(&mut self) -> Result<(), T::Error> {
        Ok(())
    }
}

impl<T: WriteReady> WriteReady for NoFlush<T> {
    fn write_ready(&mut self) -> Result<bool, T::Error> {
        self.0.write_ready()
    }
}

/// Lets the caller say what the results of a transport mean.
///
/// `F` is given the result of each read and the error of each other call, and returns what the
/// driver is to see:
///
/// | it returns                      | that is                                                     |
/// |---------------------------------|-------------------------------------------------------------|
/// | `Ok(n)`                         | `n` bytes were read; `Ok(0)` is the end of input            |
/// | `Err(ErrorKind::Interrupted)`   | nothing happened: the call is made again                    |
/// | any other error                 | the end of the session, with the [`Reason`] of that kind     |
///
/// An error of another call than a read may be interpreted as `Ok(0)`, too: nothing was written, or
/// there was nothing to flush.
///
/// [`Reason`]: crate::Reason
///
/// An empty packet is not the end:
///
/// ```
/// # use linecho_core::embedded_io::{Error, ErrorKind, Read, Write};
/// use linecho_core::transport::Interpret;
/// # use linecho_core::{Config, Instant, Reason, Session, blocking};
///
/// # fn usb_serial<U: Read + Write>(usb: &mut U) -> Reason {
/// let mut session = Session::new([0; 64], Config::new(), Instant::ZERO);
/// let mut usb = Interpret::new(usb, |result| match result {
///     Ok(0) => Err(ErrorKind::Interrupted),
///     result => result.map_err(|error| error.kind()),
/// });
/// blocking::serve(&mut session, &mut usb)
/// # }
/// ```
///
/// A timeout of a std socket, set with `set_read_timeout`, is a timeout:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io;
/// use std::net::{TcpListener, TcpStream};
/// use std::time::Duration;
///
/// use embedded_io_adapters::std::FromStd;
/// use linecho_core::embedded_io::ErrorKind;
/// use linecho_core::transport::Interpret;
/// use linecho_core::{Config, Instant, Reason, Session, blocking};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let peer = TcpStream::connect(listener.local_addr()?)?;
/// let (stream, _) = listener.accept()?;
/// stream.set_read_timeout(Some(Duration::from_millis(10)))?;
///
/// let mut socket = Interpret::new(FromStd::new(stream), |result: io::Result<usize>| {
///     result.map_err(|error| match error.kind() {
///         io::ErrorKind::WouldBlock => ErrorKind::TimedOut,
///         kind => kind.into(),
///     })
/// });
/// let mut session = Session::new([0; 64], Config::new(), Instant::ZERO);
/// let reason = blocking::serve(&mut session, &mut socket);
/// assert_eq!(reason, Reason::Failed(ErrorKind::TimedOut));
/// # drop(peer);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Interpret<T, F> {
    io: T,
    interpret: F,
}

impl<T, F> Interpret<T, F>
where
    T: ErrorType,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    /// Wraps a transport whose results are those that `interpret` returns.
    pub const fn new(io: T, interpret: F) -> Self {
        Self { io, interpret }
    }

    /// Interprets the result of another call than a read: `done` if the error is none.
    fn done_or<R>(&mut self, result: Result<R, T::Error>, done: R) -> Result<R, ErrorKind> {
        match result {
            Ok(result) => Ok(result),
            Err(error) => (self.interpret)(Err(error)).map(|_| done),
        }
    }
}

impl<T, F> ErrorType for Interpret<T, F> {
    type Error = ErrorKind;
}

impl<T, F> Read for Interpret<T, F>
where
    T: Read,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        (self.interpret)(self.io.read(buffer))
    }
}

impl<T, F> ReadReady for Interpret<T, F>
where
    T: ReadReady,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    /// Asks the transport. An error that is none means that a read will tell.
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let ready = self.io.read_ready();
        self.done_or(ready, true)
    }
}

impl<T, F> Write for Interpret<T, F>
where
    T: Write,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let written = self.io.write(bytes);
        self.done_or(written, 0)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        let flushed = self.io.flush();
        self.done_or(flushed, ())
    }
}

impl<T, F> WriteReady for Interpret<T, F>
where
    T: WriteReady,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        let ready = self.io.write_ready();
        self.done_or(ready, true)
    }
}
