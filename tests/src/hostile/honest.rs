//! Honest clients: each sends a line whenever one is due, and verifies what comes back.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The number of clients of a server.
pub(super) const CLIENTS: usize = 6;
/// The time between two lines of a client.
const INTERVAL: Duration = Duration::from_millis(20);
/// The longest that an echo, or a connection, may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest line, in bytes. A few are so long.
const LONGEST: usize = 8000;

/// What clients have seen.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Lines that came back.
    pub lines: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Lines that were sent again, since a server that was stopped closed before it had taken them.
    pub again: u64,
    /// What was lost, in words.
    pub lost: Vec<String>,
    /// Microseconds from when a line was due to the end of its echo.
    times: Histogram<u64>,
}

impl Figures {
    fn new() -> Self {
        Self {
            lines: 0,
            bytes: 0,
            again: 0,
            lost: vec![],
            times: Histogram::new(3).expect("three digits are allowed"),
        }
    }

    /// Returns the median of the time from when a line was due to the end of its echo.
    #[must_use]
    pub fn p50(&self) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(0.5))
    }

    /// Returns the 99th percentile of that time.
    #[must_use]
    pub fn p99(&self) -> Duration {
        Duration::from_micros(self.times.value_at_quantile(0.99))
    }
}

/// The clients of a server.
pub(super) struct Honest {
    /// The server is being restarted: it may close connections, in order, and times do not count.
    pub(super) restarting: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    figures: Arc<Mutex<Figures>>,
    /// Times at which a client had its echo from a server that had not been restarted before.
    reconnected: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    restarts: AtomicU64,
}

impl Honest {
    pub(super) fn start(address: SocketAddr, seed: u64) -> Self {
        let mut honest = Self {
            restarting: Arc::default(),
            stop: Arc::default(),
            figures: Arc::new(Mutex::new(Figures::new())),
            reconnected: Arc::default(),
            threads: vec![],
            restarts: AtomicU64::new(0),
        };
        for number in 0..CLIENTS {
            let mut client = Client {
                address,
                random: fastrand::Rng::with_seed(seed + number as u64),
                stream: None,
                restarting: Arc::clone(&honest.restarting),
                stop: Arc::clone(&honest.stop),
                figures: Arc::clone(&honest.figures),
                reconnected: Arc::clone(&honest.reconnected),
            };
            let first = INTERVAL * number as u32 / CLIENTS as u32;
            let thread = thread::spawn(move || client.run(Instant::now() + first));
            honest.threads.push(thread);
        }
        honest
    }

    /// Returns the numbers of lines and of losses so far.
    pub(super) fn so_far(&self) -> (u64, usize) {
        let figures = lock(&self.figures);
        (figures.lines, figures.lost.len())
    }

    /// Waits until all clients are served by the server that was started last.
    pub(super) fn settle(&self, limit: Duration) -> io::Result<()> {
        const PAUSE: Duration = Duration::from_millis(10);
        let wanted = (self.restarts.fetch_add(1, SeqCst) + 1) * CLIENTS as u64;
        let until = Instant::now() + limit;
        while self.reconnected.load(SeqCst) < wanted {
            if Instant::now() > until {
                return Err(io::Error::other(
                    "honest clients are not served after a restart",
                ));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Figures {
        self.stop.store(true, SeqCst);
        for thread in self.threads {
            if thread.join().is_err() {
                lock(&self.figures).lost.push("a client panicked".into());
            }
        }
        lock(&self.figures).clone()
    }
}

fn lock(figures: &Mutex<Figures>) -> std::sync::MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Client {
    address: SocketAddr,
    random: fastrand::Rng,
    stream: Option<TcpStream>,
    restarting: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    figures: Arc<Mutex<Figures>>,
    reconnected: Arc<AtomicU64>,
}

impl Client {
    fn run(&mut self, mut due: Instant) {
        let mut after_restart = false;
        while !self.stop.load(SeqCst) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let line = self.line();
            let mut restarted = self.restarting.load(SeqCst);
            match self.ask(&line) {
                Ok(()) => {}
                // The server has closed in order, before it took all of the line.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.may_end() => {
                    self.stream = None;
                    after_restart = true;
                    lock(&self.figures).again += 1;
                    continue;
                }
                Err(error) if self.stream.is_none() && self.may_end() => {
                    // Between the old server and the new one there is none.
                    if Instant::now() > due + 2 * PATIENCE {
                        self.lose(&error);
                        due = Instant::now();
                    }
                    thread::sleep(INTERVAL);
                    continue;
                }
                Err(error) => {
                    self.lose(&error);
                    self.stream = None;
                    due = Instant::now() + INTERVAL;
                    continue;
                }
            }
            restarted |= self.restarting.load(SeqCst);
            let now = Instant::now();
            let mut figures = lock(&self.figures);
            figures.lines += 1;
            figures.bytes += line.len() as u64;
            if !restarted {
                let micros = (now - due).as_micros() as u64;
                // It holds any time there is.
                let _ = figures.times.record(micros.max(1));
            }
            drop(figures);
            if std::mem::take(&mut after_restart) {
                self.reconnected.fetch_add(1, SeqCst);
            }
            due += INTERVAL;
            if restarted {
                due = due.max(now);
            }
        }
    }

    fn may_end(&self) -> bool {
        self.restarting.load(SeqCst)
    }

    fn lose(&self, error: &io::Error) {
        let mut figures = lock(&self.figures);
        let line = figures.lines;
        figures
            .lost
            .push(format!("after {line} lines of all clients: {error}"));
    }

    fn line(&mut self) -> Vec<u8> {
        let most = if self.random.u8(..50) == 0 {
            LONGEST
        } else {
            200
        };
        let len = self.random.usize(..most);
        let mut line: Vec<u8> = (0..len).map(|_| self.random.u8(..)).collect();
        line.retain(|&byte| byte != b'\n');
        line.push(b'\n');
        line
    }

    /// Sends a line, and compares what comes back.
    fn ask(&mut self, line: &[u8]) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else {
            return Err(ErrorKind::NotConnected.into());
        };
        stream.write_all(line)?;
        let mut echo = vec![0; line.len()];
        stream.read_exact(&mut echo)?;
        if echo != line {
            return Err(io::Error::other("another line came back"));
        }
        Ok(())
    }
}
