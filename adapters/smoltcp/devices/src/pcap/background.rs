//! A writer whose destination may be slow, or absent.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that wait at most until they are written.
const CAPACITY: usize = 4 << 20;

/// The time that dropping a [`Background`] gives its destination.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The time until a non-blocking destination that was full is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes on a thread of its own: neither opening nor writing the destination holds up the caller.
///
/// What is written waits in memory, up to 4 MiB. Beyond that, [`write`](Write::write) takes nothing
/// and fails with [`WouldBlock`](ErrorKind::WouldBlock): a [`Pcap`](super::Pcap) drops and counts
/// the frame. An error of the destination is returned by the next write or flush.
///
/// ```no_run
/// use linecho_devices::{Pcap, pcap::Background};
/// use smoltcp::phy::Medium;
///
/// // A named pipe may wait for its reader for ever.
/// let file = Background::create("/tmp/wireshark.fifo".as_ref())?;
/// let pcap = Pcap::new(file, Medium::Ethernet);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Dropping it waits at most one second until everything is written;
/// [`finish`](Self::finish) waits longer, and returns the error.
#[derive(Debug)]
pub struct Background {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that the thread has not taken yet.
    waiting: Vec<u8>,
    /// The thread is writing, or opening.
    is_busy: bool,
    /// A named pipe is open at its other end, too. Anything else is always open.
    has_reader: bool,
    /// Nothing will be added.
    is_ended: bool,
    error: Option<io::Error>,
    /// The error was returned, or the destination is closed.
    is_broken: bool,
}

impl Background {
    /// Creates or empties the file at `path`. A named pipe there is opened on the thread, which
    /// waits for its reader.
    ///
    /// # Errors
    ///
    /// Those of [`File::create`]. For a named pipe they come with the first write.
    pub fn create(path: &Path) -> io::Result<Self> {
        if is_fifo(path) {
            let path = path.to_owned();
            return Self::start(false, move || OpenOptions::new().write(true).open(path));
        }
        let file = File::create(path)?;
        Self::start(true, || Ok(file))
    }

    /// Writes to `destination`.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn new(destination: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(true, || Ok(destination))
    }

    fn start<W: Write>(
        has_reader: bool,
        open: impl FnOnce() -> io::Result<W> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                is_busy: true,
                has_reader,
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("capture".into())
            .spawn(move || of_thread.run(open))?;
        Ok(Self { shared })
    }

    /// Waits until everything is written, but no longer than `limit`, and ends the thread. For a
    /// named pipe that nobody reads it does not wait.
    ///
    /// # Errors
    ///
    /// That of the destination, or [`TimedOut`](ErrorKind::TimedOut).
    pub fn finish(self, limit: Duration) -> io::Result<()> {
        self.shared.end(limit)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.shared.lock().is_ended {
            _ = self.shared.end(LAST_WAIT);
        }
    }
}

/// Takes all of `bytes` or nothing.
impl Write for Background {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        state.check()?;
        if state.waiting.len() + bytes.len() > CAPACITY {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.waiting.extend_from_slice(bytes);
        if state.waiting.len() >= CAPACITY / 2 && !state.is_busy {
            self.shared.changed.notify_all();
        }
        Ok(bytes.len())
    }

    /// Has the thread write what waits, and does not wait for it.
    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.check()?;
        if !state.waiting.is_empty() && !state.is_busy {
            self.shared.changed.notify_all();
        }
        Ok(())
    }
}

impl State {
    fn check(&mut self) -> io::Result<()> {
        if self.is_broken {
            let error = self.error.take();
            return Err(error.unwrap_or_else(|| ErrorKind::BrokenPipe.into()));
        }
        Ok(())
    }
}

impl Shared {
    /// The state is whole after every change, whatever panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn run<W: Write>(&self, open: impl FnOnce() -> io::Result<W>) {
        let result = open().and_then(|destination| self.write_all_to(destination));
        let mut state = self.lock();
        state.is_busy = false;
        state.is_broken = true;
        state.error = result.err();
        state.waiting = Vec::new();
        self.changed.notify_all();
    }

    /// Writes until the end. Two buffers change places, so that nothing is allocated for a frame.
    fn write_all_to(&self, mut destination: impl Write) -> io::Result<()> {
        let mut taken = Vec::new();
        loop {
            let mut state = self.lock();
            state.is_busy = false;
            state.has_reader = true;
            let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_ended;
            let waited = self.changed.wait_while(state, is_idle);
            state = waited.unwrap_or_else(PoisonError::into_inner);
            if state.waiting.is_empty() {
                drop(state);
                return destination.flush();
            }
            mem::swap(&mut state.waiting, &mut taken);
            state.is_busy = true;
            drop(state);
            write_all(&mut destination, &taken)?;
            taken.clear();
        }
    }

    /// Lets the thread end, and waits for that at most `limit`.
    fn end(&self, limit: Duration) -> io::Result<()> {
        let mut state = self.lock();
        state.is_ended = true;
        self.changed.notify_all();
        // For nobody there is nothing to wait for.
        let limit = if state.has_reader {
            limit
        } else {
            Duration::ZERO
        };
        let runs = |state: &mut State| !state.is_broken;
        let waited = self.changed.wait_timeout_while(state, limit, runs);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(ErrorKind::TimedOut.into());
        }
        state.error.take().map_or(Ok(()), Err)
    }
}

/// Writes all of `bytes`, also to a pipe that was left non-blocking by whoever made it.
fn write_all(destination: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match destination.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    path.metadata().is_ok_and(|file| file.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
