//! A client that blocks: one connection, every byte that comes back checked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{ErrorKind, ErrorType, ReadReady, WriteReady};
use linecho_core::polled::{self, ProbeTurn};
use linecho_core::{Probe, ProbeError};
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};

use crate::client_error::{ClientError, ConnectError};
use crate::socket::{Ready, Socket, interest};

/// Lines in flight at most. More would not make a filter faster: it is the bytes that count.
const WINDOW: usize = 1024;
/// Bytes in flight, and bytes read at a time.
const BUFFER: usize = 64 * 1024;
/// The longest line that a filter keeps whole. Of a longer one it keeps the last part in flight, and
/// relies on the server to give long lines back in pieces.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Reads in a turn before the input is looked after.
const BUDGET: usize = 4 * BUFFER;

const SOCKET: Token = Token(0);
const INPUT: Token = Token(1);

/// One connection to an echo server. Calls block until they are done, or until the server has not
/// moved a byte for the [timeout](Self::set_timeout).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// # std::thread::spawn(move || {
/// #     let mut stream = listener.accept().unwrap().0;
/// #     let mut line = [0; 6];
/// #     stream.read_exact(&mut line).unwrap();
/// #     stream.write_all(&line).unwrap();
/// # });
/// use std::time::Duration;
/// use linecho_std::Client;
///
/// let mut client = Client::connect(address, Duration::from_secs(5))?;
/// let round_trip = client.echo(b"hello")?;
/// println!("hello came back after {round_trip:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    ready: Ready,
    poll: Poll,
    events: Events,
    probe: Probe<Box<[u8]>, WINDOW>,
    scratch: Box<[u8]>,
    began: Instant,
    timeout: Duration,
    /// When the server last moved a byte, or was first waited for.
    heard: Instant,
}

type Chunks = Receiver<io::Result<Vec<u8>>>;

/// What a [filter](Client::filter) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Lines that came back, the unterminated rest not counted.
    pub lines: u64,
    /// Bytes that came back.
    pub bytes: u64,
}

impl Client {
    /// Connects to the first address that answers, of all that `server` resolves to. `timeout` is for
    /// all of them together, and becomes the [timeout](Self::set_timeout) of the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] lists each address with what happened there.
    pub fn connect(server: impl ToSocketAddrs, timeout: Duration) -> Result<Self, ConnectError> {
        let addresses: Vec<_> = server
            .to_socket_addrs()
            .map_err(ConnectError::resolve)?
            .collect();
        let stream = connect_any(&addresses, timeout)?;
        Self::over(stream, timeout).map_err(ConnectError::resolve)
    }

    fn over(stream: std::net::TcpStream, timeout: Duration) -> io::Result<Self> {
        // A line is a message, and must not wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let poll = Poll::new()?;
        poll.registry().register(&mut stream, SOCKET, interest())?;
        Ok(Self {
            stream,
            ready: Ready::NEW,
            poll,
            events: Events::with_capacity(8),
            probe: Probe::new(vec![0; BUFFER].into_boxed_slice()),
            scratch: vec![0; BUFFER].into_boxed_slice(),
            began: Instant::now(),
            timeout,
            heard: Instant::now(),
        })
    }

    /// How long the server may go without moving a byte while something is to come back.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The address of the server.
    ///
    /// # Errors
    ///
    /// As of getpeername(2): the connection may be gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Sends `line` and a `\n`, and waits until both have come back: the time that took, from when
    /// the last byte was sent.
    ///
    /// # Errors
    ///
    /// [`ClientError::Input`] if there is a `\n` in the line, and nothing is sent. After any other
    /// error the connection is of no more use.
    pub fn echo(&mut self, line: &[u8]) -> Result<Duration, ClientError> {
        if line.contains(&b'\n') {
            return Err(ClientError::Input(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a line cannot contain a newline",
            )));
        }
        self.heard = Instant::now();
        let mut round_trip = Duration::ZERO;
        let mut bytes = line;
        let mut newline = &b"\n"[..];
        loop {
            self.queue(&mut bytes);
            if bytes.is_empty() {
                self.queue(&mut newline);
            }
            let turn = self.turn(&mut io::sink(), |took| round_trip = took)?;
            match turn {
                ProbeTurn::Done if newline.is_empty() => return Ok(round_trip),
                ProbeTurn::Wait { .. } if newline.is_empty() || self.room() == 0 => self.wait()?,
                _ => {}
            }
        }
    }

    /// A filter: sends all of `input`, writes what comes back to `output` as it came, half-closes at
    /// the end of input, and returns when everything has come back, whether the server then closes or
    /// not. `input` is read in a thread of its own, which ends with the input.
    ///
    /// # Errors
    ///
    /// [`ClientError::Probe`] with the place of the first byte that did not come back right; what came
    /// before it has been written.
    pub fn filter(
        mut self,
        input: impl Read + Send + 'static,
        output: &mut impl Write,
    ) -> Result<Summary, ClientError> {
        let (chunks, _waker) = self.read_in_background(input)?;
        let (mut chunk, mut rest) = (Vec::new(), 0);
        let (mut input_ended, mut half_closed) = (false, false);
        loop {
            // All that is there, or that there is room for: wake-ups may have come together.
            while self.room() > 0 && !input_ended {
                if rest == chunk.len() {
                    match chunks.try_recv() {
                        Ok(next) => (chunk, rest) = (next.map_err(ClientError::Input)?, 0),
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => input_ended = true,
                    }
                }
                let mut bytes = &chunk[rest..];
                self.queue(&mut bytes);
                rest = chunk.len() - bytes.len();
            }
            let turn = self.turn(output, |_| ())?;
            if input_ended && !half_closed && self.probe.output().is_empty() {
                half_closed = true;
                // When that fails the connection is gone, which the next read will say better.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            let all_queued = rest == chunk.len();
            match turn {
                ProbeTurn::Again => {}
                ProbeTurn::Wait { .. } if all_queued || self.room() == 0 => self.wait()?,
                ProbeTurn::Wait { .. } => {}
                ProbeTurn::Done if !all_queued => {}
                ProbeTurn::Done => {
                    output.flush().map_err(ClientError::Output)?;
                    if input_ended {
                        return Ok(Summary {
                            lines: self.probe.lines(),
                            bytes: self.probe.bytes(),
                        });
                    }
                    self.poll(None)?;
                    self.heard = Instant::now();
                }
            }
        }
    }

    /// Chunks of the input, with a wake-up of our poll for each, and one for its end. Keep the waker:
    /// wake-ups that were not noticed yet would go with it.
    fn read_in_background(
        &self,
        mut input: impl Read + Send + 'static,
    ) -> Result<(Chunks, Arc<Waker>), ClientError> {
        let waker = Waker::new(self.poll.registry(), INPUT).map_err(ClientError::Io)?;
        let ours = Arc::new(waker);
        let waker = Arc::clone(&ours);
        // Two chunks: one is sent while the next is read.
        let (sender, receiver) = sync_channel(2);
        thread::spawn(move || {
            loop {
                let mut chunk = vec![0; BUFFER];
                let result = match input.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = result.is_err();
                if sender.send(result).is_err() || waker.wake().is_err() || failed {
                    break;
                }
            }
            drop(sender);
            // It fails only when nobody waits any more.
            let _ = waker.wake();
        });
        Ok((receiver, ours))
    }

    /// Queues lines and the beginning of the next, as much as there is room for.
    fn queue(&mut self, bytes: &mut &[u8]) {
        while !bytes.is_empty() && self.room() > 0 {
            let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
            let (piece, rest) = bytes.split_at(line.min(self.room()));
            if self.probe.queue(piece).is_err() {
                break;
            }
            *bytes = rest;
        }
    }

    /// How many bytes can be queued. When one unfinished line fills the storage, its end must be sent
    /// before any of it can be expected back, and the storage grows.
    fn room(&mut self) -> usize {
        let capacity = self.probe.capacity();
        if self.probe.is_full_of_one_line() && capacity < LONGEST_LINE {
            let larger = vec![0; capacity * 2].into_boxed_slice();
            // It holds what the smaller one held.
            let _ = self.probe.replace_storage(larger);
        }
        self.probe.room()
    }

    fn turn(
        &mut self,
        copy: &mut impl Write,
        on_line: impl FnMut(Duration),
    ) -> Result<ProbeTurn, ClientError> {
        let now = self.began.elapsed().as_micros();
        let now = linecho_core::Instant::from_micros(u64::try_from(now).unwrap_or(u64::MAX));
        let socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        let mut tee = Tee {
            socket,
            copy,
            failed: None,
        };
        polled::exchange(
            &mut self.probe,
            &mut tee,
            &mut self.scratch,
            now,
            BUDGET,
            on_line,
        )
        .map_err(|error| match (error, tee.failed) {
            (ProbeError::Io(_), Some(failed)) => failed,
            (error, _) => ClientError::Probe(error),
        })
    }

    /// Waits until the socket or the input may have more; not longer than the timeout.
    fn wait(&mut self) -> Result<(), ClientError> {
        let left = self.timeout.saturating_sub(self.heard.elapsed());
        if left.is_zero() {
            return Err(ClientError::TimedOut {
                place: self.probe.place(),
                waited: self.timeout,
            });
        }
        self.poll(Some(left))
    }

    fn poll(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        loop {
            match self.poll.poll(&mut self.events, timeout) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ClientError::Io(error)),
            }
        }
        for event in &self.events {
            if event.token() == SOCKET {
                self.ready.note(event);
                self.heard = Instant::now();
            }
        }
        Ok(())
    }
}

/// Tries each address in turn, each with its share of the time that is left.
fn connect_any(
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<std::net::TcpStream, ConnectError> {
    let deadline = Instant::now() + timeout;
    let mut failures = Vec::new();
    for (i, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
        match std::net::TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push((*address, error)),
        }
    }
    Err(ConnectError::all(failures))
}

/// A socket that writes a copy of what was read from it, and keeps the error that a probe has no
/// place for.
struct Tee<'a, W> {
    socket: Socket<'a>,
    copy: &'a mut W,
    failed: Option<ClientError>,
}

impl<W> Tee<'_, W> {
    fn keep(&mut self, error: io::Error) -> ErrorKind {
        let kind = error.kind().into();
        self.failed = Some(ClientError::Io(error));
        kind
    }
}

impl<W> ErrorType for Tee<'_, W> {
    type Error = ErrorKind;
}

impl<W: Write> embedded_io::Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let n = embedded_io::Read::read(&mut self.socket, buffer).map_err(|e| self.keep(e))?;
        self.copy.write_all(&buffer[..n]).map_err(|error| {
            let kind = embedded_io::Error::kind(&error);
            self.failed = Some(ClientError::Output(error));
            kind
        })?;
        Ok(n)
    }
}

impl<W> embedded_io::Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        embedded_io::Write::write(&mut self.socket, bytes).map_err(|e| self.keep(e))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl<W> ReadReady for Tee<'_, W> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.read_ready().map_err(|e| self.keep(e))
    }
}

impl<W> WriteReady for Tee<'_, W> {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.socket.write_ready().map_err(|e| self.keep(e))
    }
}
