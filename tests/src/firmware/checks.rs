//! The checks of a board, by tests and by `firmware --cold-starts`.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::machine::LIMIT;
use super::{Board, Machine, Problem};

/// A connection to a board. Every operation has a limit.
///
/// # Errors
///
/// The system's, with what was tried.
pub fn connect(port: u16) -> Result<TcpStream, Problem> {
    let connect = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(stream)
    };
    connect().map_err(|error: Error| {
        Problem::failed(format!("cannot connect to 127.0.0.1:{port}: {error}"))
    })
}

/// A connection that the board has accepted: a first line has gone to it and back. Tries again
/// while no slot is free, since a slot becomes free a moment after its client has closed.
///
/// # Errors
///
/// [`Problem::Failed`] when no slot becomes free.
pub fn accepted(port: u16) -> Result<TcpStream, Problem> {
    let until = Instant::now() + LIMIT;
    loop {
        let mut stream = connect(port)?;
        match exchange(&mut stream, b"hello\n") {
            Ok(()) => return Ok(stream),
            Err(Refusal::NoSlot) if Instant::now() < until => {
                // The stack gives no sign of a free slot but an answer.
                thread::sleep(Duration::from_millis(20));
            }
            Err(Refusal::NoSlot) => {
                return Err(Problem::failed(format!(
                    "no slot became free within {LIMIT:?}"
                )));
            }
            Err(Refusal::Other(problem)) => return Err(problem),
        }
    }
}

/// True if a new connection is closed or reset at once, as it is when all slots are taken.
///
/// # Errors
///
/// [`Problem::Failed`] when anything else happens.
pub fn is_refused(port: u16) -> Result<bool, Problem> {
    match exchange(&mut connect(port)?, b"hello\n") {
        Ok(()) => Ok(false),
        Err(Refusal::NoSlot) => Ok(true),
        Err(Refusal::Other(problem)) => Err(problem),
    }
}

enum Refusal {
    /// Closed or reset before anything came back.
    NoSlot,
    Other(Problem),
}

fn exchange(stream: &mut TcpStream, line: &[u8]) -> Result<(), Refusal> {
    let mut back = vec![0; line.len()];
    stream
        .write_all(line)
        .and_then(|()| stream.read_exact(&mut back))
        .map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                Refusal::NoSlot
            }
            _ => Refusal::Other(Problem::failed(format!(
                "the first line did not come back: {error}"
            ))),
        })?;
    if back == line {
        Ok(())
    } else {
        Err(Refusal::Other(Problem::failed(format!(
            "sent {line:?}, got {back:?} back"
        ))))
    }
}

/// Sends one line and reads it back.
///
/// # Errors
///
/// [`Problem::Failed`] when other bytes, fewer or none come back.
pub fn round_trip(stream: &mut TcpStream, line: &[u8]) -> Result<(), Problem> {
    exchange(stream, line).map_err(|refusal| match refusal {
        Refusal::NoSlot => Problem::failed("the board closed a connection that was in use"),
        Refusal::Other(problem) => problem,
    })
}

/// Sends `bytes`, shuts down the sending side, and reads to the end: exactly `bytes` must come
/// back. Both directions go on at the same time, as they must with more bytes than the buffers
/// hold.
///
/// # Errors
///
/// [`Problem::Failed`] with the first difference.
pub fn stream_through(mut stream: TcpStream, bytes: &[u8]) -> Result<(), Problem> {
    let failed = |what: &str, error: Error| Problem::failed(format!("{what} failed: {error}"));
    let mut sender = stream
        .try_clone()
        .map_err(|error| failed("cloning a socket", error))?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || {
            sender.write_all(bytes)?;
            sender.shutdown(Shutdown::Write)
        });
        let mut back = Vec::with_capacity(bytes.len());
        stream
            .read_to_end(&mut back)
            .map_err(|error| failed("reading", error))?;
        match sending.join() {
            Ok(sent) => sent.map_err(|error| failed("sending", error))?,
            Err(_) => return Err(Problem::failed("the sending thread panicked")),
        }
        same(bytes, &back)
    })
}

fn same(sent: &[u8], back: &[u8]) -> Result<(), Problem> {
    if sent == back {
        return Ok(());
    }
    let place = sent
        .iter()
        .zip(back)
        .take_while(|(sent, back)| sent == back)
        .count();
    let (sent, back) = (sent.len(), back.len());
    Err(Problem::failed(format!(
        "sent {sent} bytes, got {back} back, the first difference at byte {place}"
    )))
}

/// `bytes` bytes of text in lines of all lengths up to longer than a board's line buffer, different
/// for each `seed`. The last line lacks its newline.
#[must_use]
pub fn text(bytes: usize, seed: u64) -> Vec<u8> {
    const LONGEST: u64 = 400;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = || {
        // xorshift64 (Marsaglia, 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = Vec::with_capacity(bytes + LONGEST as usize);
    while text.len() < bytes {
        let length = random() % LONGEST;
        text.extend((0..length).map(|_| b' ' + (random() % 94) as u8));
        text.push(b'\n');
    }
    text.truncate(bytes);
    if let Some(last) = text.last_mut() {
        *last = b'.';
    }
    text
}

/// `count` connections at once, each with `bytes` bytes of its own.
///
/// # Errors
///
/// The first connection's that failed.
pub fn streams_at_once(port: u16, count: u8, bytes: usize) -> Result<(), Problem> {
    let streams = (0..count)
        .map(|_| accepted(port))
        .collect::<Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        let running: Vec<_> = (1..)
            .zip(streams)
            .map(|(seed, stream)| scope.spawn(move || stream_through(stream, &text(bytes, seed))))
            .collect();
        running.into_iter().try_for_each(|stream| {
            stream
                .join()
                .unwrap_or_else(|_| Err(Problem::failed("a streaming thread panicked")))
        })
    })
}

/// One cold start: boot, 50 round trips on one connection, half-close, then as many connections as
/// `clients` says that stream 100 kB each at the same time, and a stop. Returns how long the board
/// took to be ready.
///
/// # Errors
///
/// [`Problem`] of the first step that failed.
pub fn cold_start(image: &Path, board: Board, clients: u8) -> Result<Duration, Problem> {
    let begin = Instant::now();
    let machine = Machine::boot(image, board, None)?;
    let ready = begin.elapsed();
    let mut stream = accepted(machine.port())?;
    for number in 0..50 {
        round_trip(&mut stream, format!("line {number}\n").as_bytes())?;
    }
    stream_through(stream, b"x\ny")?;
    streams_at_once(machine.port(), clients, 100_000)?;
    machine.stop()?;
    Ok(ready)
}

/// A board's stack, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// The most that was used of it.
    pub used: u64,
    /// Its length.
    pub length: u64,
}

/// The stack that the board used: at its start, and while it served as many streams as it has
/// slots.
///
/// # Errors
///
/// [`Problem::Failed`] when a stream fails, or the board does not say.
pub fn stack(image: &Path, board: Board, slots: u8) -> Result<Stack, Problem> {
    let mut machine = Machine::boot(image, board, None)?;
    streams_at_once(machine.port(), slots, 100_000)?;
    let mut last = String::new();
    for _ in 0..slots {
        last = machine.wait_for("closed")?;
    }
    machine.stop()?;
    // What has been used only ever grows.
    stack_in(&last)
        .ok_or_else(|| Problem::failed(format!("the board does not tell its stack: {last:?}")))
}

/// The stack that a line of the log ends with: `[stack: 1816 of 4096 bytes]`.
fn stack_in(line: &str) -> Option<Stack> {
    let (_, stack) = line.split_once("[stack: ")?;
    let (used, length) = stack.strip_suffix(" bytes]")?.split_once(" of ")?;
    Some(Stack {
        used: used.parse().ok()?,
        length: length.parse().ok()?,
    })
}

/// The share of one processor of the host that QEMU may use for an idle board.
pub const IDLE_LOAD_MAX: f64 = 0.02;

/// The processor time of an idle board.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// The share of one processor of the host.
    pub load: f64,
    /// Over which time.
    pub time: Duration,
}

/// Leaves `clients` open connections idle for `time`, and sends a line through each afterwards.
///
/// # Errors
///
/// [`Problem::Failed`] when a connection does not live on.
pub fn idle(machine: &Machine, clients: u8, time: Duration) -> Result<Idle, Problem> {
    let mut streams = (0..clients)
        .map(|_| accepted(machine.port()))
        .collect::<Result<Vec<_>, _>>()?;
    let (begin, before) = (Instant::now(), machine.cpu_time()?);
    thread::sleep(time);
    let (used, time) = (machine.cpu_time()? - before, begin.elapsed());
    for stream in &mut streams {
        round_trip(stream, b"still there\n")?;
    }
    Ok(Idle {
        load: used.as_secs_f64() / time.as_secs_f64(),
        time,
    })
}
