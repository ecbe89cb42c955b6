//! A client that blocks: one connection, every byte that comes back checked.

pub(crate) mod backends;
pub(crate) mod beginning;
pub(crate) mod cause;
pub(crate) mod connect;
pub(crate) mod error;
mod failure;
pub(crate) mod filter;
pub(crate) mod input;
pub(crate) mod local_fault;
pub(crate) mod mismatch;
pub(crate) mod ping;
pub(crate) mod proxy;
pub(crate) mod silence;
pub(crate) mod suspect;
pub(crate) mod target;
mod tee;
mod turn;
mod unix;
pub(crate) mod wait;

use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use linecho_core::Probe;
use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use socket2::SockRef;

use crate::Identity;
use crate::endpoint::Endpoint;
use crate::socket::{Ready, interest};
use crate::tcp_info::TcpInfo;
use beginning::Beginning;
use connect::ClientBuilder;
use error::{ClientError, ConnectError};
use input::Input;
use tee::Received;
use turn::Step;

/// Lines in flight at most. More would not make a filter faster: it is the bytes that count.
const WINDOW: usize = 1024;
/// Bytes in flight, and bytes read at a time.
const BUFFER: usize = 64 * 1024;

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
    stream: TcpStream,
    ready: Ready,
    poll: Poll,
    events: Events,
    probe: Probe<Box<[u8]>, WINDOW>,
    scratch: Box<[u8]>,
    beginning: Beginning,
    received: Received,
    half_closed: bool,
    began: Instant,
    timeout: Duration,
    linger: Duration,
    /// The time at which a byte last went either way, or the server was first waited for.
    heard: Instant,
    /// The segments that had come from the server when a third of the timeout had passed since.
    segments_at_first: Option<u32>,
}

impl Client {
    /// Returns a builder with the default options.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Connects to the first address that answers, of all that `server` resolves to. `timeout` is
    /// for the look-up and all addresses together, and becomes the [timeout](Self::set_timeout) of
    /// the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with each address that was tried and what happened there. A connection to
    /// itself, which TCP can make when nobody listens on a port of the ephemeral range, is refused.
    pub fn connect(
        server: impl ToSocketAddrs + Send + 'static,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Self::builder().timeout(timeout).connect(server)
    }

    fn over(stream: std::net::TcpStream, timeout: Duration, linger: Duration) -> io::Result<Self> {
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
            beginning: Beginning::default(),
            received: Received::default(),
            half_closed: false,
            began: Instant::now(),
            timeout,
            linger,
            heard: Instant::now(),
            segments_at_first: None,
        })
    }

    /// Limits the time in which the server moves no byte while something is to come back; zero
    /// means no limit.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// The address of the server, also on a UNIX socket.
    ///
    /// # Errors
    ///
    /// As of getpeername(2): the connection may be gone.
    pub fn peer(&self) -> io::Result<Endpoint> {
        target::peer(self.stream.peer_addr(), &SockRef::from(&self.stream))
    }

    /// The address of the server.
    ///
    /// # Errors
    ///
    /// As of getpeername(2): the connection may be gone. A UNIX socket has no such address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Our own address of the connection.
    ///
    /// # Errors
    ///
    /// As of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// The kernel's figures about the connection, where it has them (Linux).
    #[must_use]
    pub fn tcp_info(&self) -> Option<TcpInfo> {
        TcpInfo::of(&self.stream)
    }

    /// Returns the identity of the server, if it has greeted us with one (`echo-server
    /// --identify`). A greeting comes before the first line is back; nothing waits for it.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.beginning.identity()
    }

    /// Starts to read `reader` in a thread, for [`next_line`](Self::next_line). A client has one
    /// input in its life.
    ///
    /// # Errors
    ///
    /// When there can be no thread, or there was an input before.
    pub fn input(&mut self, reader: impl Read + Send + 'static) -> io::Result<Input> {
        Input::start(reader, self.poll.registry())
    }

    /// Waits for the next line of `input`, which it returns without its `\n`, or for its end. The
    /// connection is watched meanwhile.
    ///
    /// # Errors
    ///
    /// [`ClientError`] as soon as the server closes, resets the connection, or sends what nobody
    /// asked for.
    pub fn next_line(&mut self, input: &mut Input) -> Result<Option<Vec<u8>>, ClientError> {
        let mut line = Vec::new();
        loop {
            match self.turn(&mut io::sink(), |_| ())? {
                Step::Ended => return Err(self.ended()),
                Step::Again => continue,
                Step::Answered | Step::Wait => {}
            }
            loop {
                let bytes = input.bytes().map_err(ClientError::Input)?;
                if bytes.is_empty() {
                    break;
                }
                let newline = memchr::memchr(b'\n', bytes);
                line.extend_from_slice(&bytes[..newline.unwrap_or(bytes.len())]);
                let used = newline.map_or(bytes.len(), |newline| newline + 1);
                input.consume(used);
                if newline.is_some() {
                    return Ok(Some(line));
                }
            }
            if input.has_ended() {
                return Ok((!line.is_empty()).then_some(line));
            }
            self.poll(None)?;
        }
    }

    /// Queues `line` and a `\n` to be sent by the next [`watch`](Self::watch) or
    /// [`finish`](Self::finish), as one of several lines in flight. Returns whether there was room,
    /// and queues nothing if there was not.
    pub fn post(&mut self, line: &[u8]) -> bool {
        let whole = [line, b"\n"].concat();
        self.probe.queue(&whole).is_ok()
    }

    /// Watches the connection for `time`, and calls `on_line` with the round-trip time of each line
    /// that comes back.
    ///
    /// # Errors
    ///
    /// As of [`next_line`](Self::next_line), or when what comes back is wrong.
    pub fn watch(
        &mut self,
        time: Duration,
        mut on_line: impl FnMut(Duration),
    ) -> Result<(), ClientError> {
        let began = Instant::now();
        loop {
            match self.turn(&mut io::sink(), &mut on_line)? {
                Step::Ended => return Err(self.ended()),
                Step::Again => continue,
                Step::Answered | Step::Wait => {}
            }
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.poll(Some(left))?;
        }
    }

    /// Watches the connection until everything has come back, at most for `time`, and returns
    /// whether it has.
    ///
    /// # Errors
    ///
    /// As of [`watch`](Self::watch).
    pub fn finish(
        &mut self,
        time: Duration,
        mut on_line: impl FnMut(Duration),
    ) -> Result<bool, ClientError> {
        let began = Instant::now();
        loop {
            match self.turn(&mut io::sink(), &mut on_line)? {
                Step::Answered | Step::Ended => return Ok(true),
                Step::Again => continue,
                Step::Wait => {}
            }
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.poll(Some(left))?;
        }
    }

    /// Sends `line` and a `\n`, waits until both have come back, and returns the time from when the
    /// last byte was sent.
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
            let step = self.turn(&mut io::sink(), |took| round_trip = took)?;
            match step {
                Step::Answered | Step::Ended if newline.is_empty() => return Ok(round_trip),
                Step::Ended => return Err(self.ended()),
                Step::Wait if newline.is_empty() || self.make_room() == 0 => self.wait()?,
                _ => {}
            }
        }
    }
}
