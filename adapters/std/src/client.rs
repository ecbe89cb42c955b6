//! A client that blocks: one connection, every byte that comes back checked.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use linecho_core::polled::{self, ProbeTurn};
use linecho_core::{Probe, ProbeError};
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use crate::client_error::{ClientError, ConnectError};
use crate::socket::{LONGEST_SLEEP, Ready, Socket, interest};
use crate::tee::Tee;

/// Lines in flight at most. More would not make a filter faster: it is the bytes that count.
const WINDOW: usize = 1024;
/// Bytes in flight, and bytes read at a time.
pub(crate) const BUFFER: usize = 64 * 1024;
/// The longest line that a filter keeps whole. Of a longer one it keeps the last part in flight, and
/// relies on the server to give long lines back in pieces.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Reads in a turn before the input is looked after.
const BUDGET: usize = 4 * BUFFER;

const SOCKET: Token = Token(0);

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
    pub(crate) stream: TcpStream,
    ready: Ready,
    pub(crate) poll: Poll,
    events: Events,
    pub(crate) probe: Probe<Box<[u8]>, WINDOW>,
    scratch: Box<[u8]>,
    began: Instant,
    timeout: Duration,
    /// When a byte last went either way, or the server was first waited for.
    pub(crate) heard: Instant,
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

    /// Queues lines and the beginning of the next, as much as there is room for.
    pub(crate) fn queue(&mut self, bytes: &mut &[u8]) {
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
    pub(crate) fn room(&mut self) -> usize {
        let capacity = self.probe.capacity();
        let is_full = self.probe.is_within_line() && self.probe.room() == 0;
        if is_full && capacity < LONGEST_LINE {
            let larger = vec![0; capacity * 2].into_boxed_slice();
            // It holds what the smaller one held.
            let _ = self.probe.replace_storage(larger);
        }
        self.probe.room()
    }

    pub(crate) fn turn(
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
        let mut tee = Tee::new(socket, copy);
        let result = polled::exchange(
            &mut self.probe,
            &mut tee,
            &mut self.scratch,
            now,
            BUDGET,
            on_line,
        );
        let (failed, output_failed) = (tee.failed, tee.output_failed);
        // Afterwards, so that the time that the output took does not count.
        if tee.moved {
            self.heard = Instant::now();
        }
        if let Some(error) = output_failed {
            return Err(ClientError::Output(error));
        }
        match (result, failed) {
            (Ok(_) | Err(ProbeError::Io(_) | ProbeError::Missing { .. }), Some(error)) => {
                Err(self.failed(error))
            }
            (result, _) => result.map_err(ClientError::Probe),
        }
    }

    /// The connection failed, or what we need to wait for it.
    pub(crate) fn failed(&self, error: io::Error) -> ClientError {
        let place = self.probe.place();
        ClientError::Io { place, error }
    }

    /// Waits until the socket or the input may have more; not longer than the timeout.
    pub(crate) fn wait(&mut self) -> Result<(), ClientError> {
        let left = self.timeout.saturating_sub(self.heard.elapsed());
        self.poll(Some(left))?;
        // We may have been stopped (Ctrl-Z) while the server was not.
        if left.is_zero() && self.events.is_empty() {
            return Err(ClientError::TimedOut {
                place: self.probe.place(),
                waited: self.timeout,
            });
        }
        Ok(())
    }

    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        let timeout = timeout.map(|it| it.min(LONGEST_SLEEP));
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(self.failed(error));
            }
        }
        for event in &self.events {
            if event.token() == SOCKET {
                self.ready.note(event);
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
    let began = Instant::now();
    let mut failures = Vec::new();
    for (i, address) in addresses.iter().enumerate() {
        let left = timeout.saturating_sub(began.elapsed());
        let share = left / u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
        match std::net::TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push((*address, error)),
        }
    }
    Err(ConnectError::all(failures))
}
