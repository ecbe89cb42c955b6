//! A client that blocks: one connection, every byte that comes back checked.

pub(crate) mod backends;
pub(crate) mod beginning;
pub(crate) mod cause;
pub(crate) mod connect;
pub(crate) mod error;
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
mod unix;
pub(crate) mod wait;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use embedded_io::{ErrorKind, Read as _, ReadReady as _};
use linecho_core::polled::{self, ProbeTurn};
use linecho_core::{Probe, ProbeError};
use mio::net::TcpStream;
use mio::{Events, Poll, Token};
use socket2::SockRef;

use crate::Identity;
use crate::endpoint::Endpoint;
use crate::socket::{LONGEST_SLEEP, Ready, Socket, interest};
use crate::tcp_info::TcpInfo;
use beginning::Beginning;
use connect::ClientBuilder;
use error::{ClientError, ConnectError, Ended};
use input::Input;
use local_fault::LocalFault;
use mismatch::{KEPT, Mismatch};
use silence::Silence;
use suspect::Suspect;
use tee::{Received, Tee};

/// Lines in flight at most. More would not make a filter faster: it is the bytes that count.
const WINDOW: usize = 1024;
/// Bytes in flight, and bytes read at a time.
const BUFFER: usize = 64 * 1024;
/// The longest line that a filter keeps whole. Of a longer one it keeps the last part in flight,
/// and relies on the server to give long lines back in pieces.
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

/// The next thing that a client can do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Go on: there is more to do now.
    Again,
    /// Wait for the connection.
    Wait,
    /// Everything that was queued has come back.
    Answered,
    /// Everything that was queued has come back, and the server has closed.
    Ended,
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

    /// Ends the wait for the rest of a greeting. What has come of it is wrong then.
    fn end_beginning(&mut self) -> Result<(), ClientError> {
        if !self.beginning.is_open() {
            return Ok(());
        }
        self.beginning.give_up();
        self.turn(&mut io::sink(), |_| ()).map(|_| ())
    }

    /// Queues lines and the beginning of the next, as much as there is room for.
    fn queue(&mut self, bytes: &mut &[u8]) {
        while !bytes.is_empty() && self.make_room() > 0 {
            let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
            let (piece, rest) = bytes.split_at(line.min(self.probe.room()));
            if self.probe.queue(piece).is_err() {
                break;
            }
            *bytes = rest;
        }
    }

    /// Returns how many bytes can be queued. When one unfinished line fills the storage, its end
    /// must be sent before any of it can be expected back, and the storage grows.
    fn make_room(&mut self) -> usize {
        let capacity = self.probe.capacity();
        let is_full = self.probe.is_within_line() && self.probe.room() == 0;
        if is_full && capacity < LONGEST_LINE {
            let larger = vec![0; capacity * 2].into_boxed_slice();
            // It holds what the smaller one held.
            let _ = self.probe.replace_storage(larger);
        }
        self.probe.room()
    }

    /// True if everything has been sent, and all of it that is due has come back.
    fn is_answered(&self) -> bool {
        self.probe.output().is_empty() && (self.probe.is_done() || self.probe.is_within_line())
    }

    /// Sends what is queued and checks what came, also when nothing was to come.
    fn turn(
        &mut self,
        copy: &mut impl Write,
        on_line: impl FnMut(Duration),
    ) -> Result<Step, ClientError> {
        let now = self.began.elapsed().as_micros();
        let now = linecho_core::Instant::from_micros(u64::try_from(now).unwrap_or(u64::MAX));
        let socket = Socket {
            stream: &self.stream,
            ready: &mut self.ready,
        };
        let mut tee = Tee::new(socket, &mut self.beginning, copy, &mut self.received);
        let mut result = polled::exchange(
            &mut self.probe,
            &mut tee,
            &mut self.scratch,
            now,
            BUDGET,
            on_line,
        );
        if result == Ok(ProbeTurn::Done) {
            let listened = listen(&mut self.probe, &mut tee, &mut self.scratch, now);
            result = listened.map(|()| ProbeTurn::Done);
        }
        let (failed, output_failed) = (tee.failed, tee.output_failed);
        // Afterwards, so that the time that the output took does not count.
        if tee.moved {
            self.heard = Instant::now();
        }
        if let Some(error) = output_failed {
            return Err(self.output_failed(error));
        }
        match (result, failed) {
            (Err(ProbeError::Mismatch { .. } | ProbeError::Unsent { .. }), _) => {
                Err(self.mismatch())
            }
            // To write to a server that has closed is what failed: it had ended before.
            (Err(ProbeError::Missing { .. }), Some(error))
                if error.kind() != io::ErrorKind::BrokenPipe =>
            {
                Err(self.failed(error))
            }
            (Err(ProbeError::Missing { .. }), _) => Err(self.ended()),
            (_, Some(error)) => Err(self.failed(error)),
            (Err(error), None) => Err(self.failed(io::Error::other(error.to_string()))),
            (Ok(ProbeTurn::Again), None) => Ok(Step::Again),
            (Ok(ProbeTurn::Wait { .. }), None) => Ok(Step::Wait),
            (Ok(ProbeTurn::Done), None) if self.received.ended => Ok(Step::Ended),
            (Ok(ProbeTurn::Done), None) => Ok(Step::Answered),
        }
    }

    /// Waits until the socket or the input may have more; not longer than the timeout.
    fn wait(&mut self) -> Result<(), ClientError> {
        if self.timeout.is_zero() {
            return self.poll(None);
        }
        let waited = self.heard.elapsed();
        // In the rest a peer repeats at least once what was not acknowledged: it doubles its waits.
        let first = (self.timeout / 3).saturating_sub(waited);
        if !first.is_zero() {
            self.segments_at_first = None;
            return self.poll(Some(first));
        }
        if self.segments_at_first.is_none() {
            self.segments_at_first = self.received_segments();
        }
        let left = self.timeout.saturating_sub(waited);
        self.poll(Some(left))?;
        // We may have been stopped (Ctrl-Z) while the server was not.
        if left.is_zero() && self.events.is_empty() {
            if self.beginning.is_open() {
                // The next turn finds that it is not what was due.
                self.beginning.give_up();
                return Ok(());
            }
            return Err(ClientError::TimedOut(Box::new(self.silence())));
        }
        Ok(())
    }

    fn received_segments(&self) -> Option<u32> {
        self.tcp_info().and_then(|it| it.received_segments)
    }

    fn silence(&self) -> Silence {
        let (before, now) = (self.segments_at_first, self.received_segments());
        let own = self.local_addr().ok();
        Silence {
            place: self.probe.position(),
            waited: self.timeout,
            returned: self.probe.bytes(),
            half_closed: self.half_closed,
            tcp: self.tcp_info(),
            segments_meanwhile: before
                .zip(now)
                .map(|(before, now)| now.wrapping_sub(before)),
            local_fault: own.and_then(|own| LocalFault::of(own.ip())),
            // TCP tries on after such an error, and only tells of it when it is asked.
            reported: self.stream.take_error().ok().flatten(),
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
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

    /// The connection failed, or what we need to wait for it.
    fn failed(&self, error: io::Error) -> ClientError {
        let place = self.probe.position();
        ClientError::Io { place, error }
    }

    fn output_failed(&self, error: io::Error) -> ClientError {
        let place = self.probe.position();
        ClientError::Output { place, error }
    }

    fn ended(&self) -> ClientError {
        let missing = match self.probe.end_of_input() {
            Err(ProbeError::Missing { bytes, .. }) => bytes,
            _ => 0,
        };
        ClientError::Ended(Ended {
            place: self.probe.position(),
            returned: self.probe.bytes(),
            missing,
            half_closed: self.half_closed,
            silence: self.heard.elapsed(),
        })
    }

    /// Shows both sides from the beginning of the line, if that is near.
    fn mismatch(&self) -> ClientError {
        let last_read = self.received.last_read;
        let wrong = self.received.total.saturating_sub(self.probe.bytes());
        let wrong = usize::try_from(wrong).unwrap_or(last_read).min(last_read);
        let (right, wrong) = self.scratch[..last_read].split_at(last_read - wrong);
        let mut before = self.received.before.clone();
        before.extend_from_slice(right);
        let line = memchr::memrchr(b'\n', &before).map_or(0, |newline| newline + 1);
        let begun = &before[line.max(before.len().saturating_sub(KEPT / 4))..];
        let due = self.probe.expected();
        let last = match begun.is_empty() {
            true => {
                &before[memchr::memrchr(b'\n', &before[..line.saturating_sub(1)])
                    .map_or(0, |newline| newline + 1)..]
            }
            false => begun,
        };
        let from_here = |bytes: &[u8]| {
            let mut whole = begun.to_vec();
            whole.extend_from_slice(&bytes[..bytes.len().min(KEPT - begun.len())]);
            whole
        };
        ClientError::Mismatch(Box::new(Mismatch {
            place: self.probe.position(),
            expected: match due.is_empty() && begun.is_empty() {
                true => Vec::new(),
                false => from_here(first_line(due)),
            },
            came: from_here(wrong),
            common: begun.len(),
            suspect: Suspect::find(last, due, wrong),
        }))
    }
}

/// The bytes up to the end of the first line.
fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1)]
}

/// Looks whether something came though everything has come back: the end, or bytes too many.
fn listen<W: Write>(
    probe: &mut Probe<Box<[u8]>, WINDOW>,
    tee: &mut Tee<'_, W>,
    scratch: &mut [u8],
    now: linecho_core::Instant,
) -> Result<(), ProbeError> {
    while !tee.has_ended() && tee.read_ready().map_err(ProbeError::Io)? {
        match tee.read(scratch) {
            Ok(0) | Err(ErrorKind::Interrupted) => return Ok(()),
            Ok(n) => probe.check(&scratch[..n], now, &mut |_| ())?,
            Err(kind) => return Err(ProbeError::Io(kind)),
        }
    }
    Ok(())
}
