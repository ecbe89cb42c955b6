//! Output that never makes who writes it wait: a thread of its own writes it, from a bounded queue.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The pause before another try on a stream that takes nothing now, but does not block.
const RETRY: Duration = Duration::from_millis(10);

/// A queue to a stream that may block for ever: a pipe that nobody reads, a terminal that is
/// stopped. A thread of its own writes the stream.
///
/// An item that finds no room in the queue is dropped as a whole, and counted.
#[derive(Clone, Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Vec<u8>>,
    /// Bytes in the queue.
    queued: usize,
    dropped: Dropped,
    /// Items that were dropped since the start.
    all_dropped: u64,
    /// The thread is writing what it has taken out of the queue.
    is_writing: bool,
    /// Counts what the thread has written: it changes as long as the stream takes something.
    progress: u64,
    /// The error that has ended it. What comes later is dropped, and not counted.
    error: Option<String>,
}

/// The items that found no room in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The number of items.
    pub items: u64,
    /// The bytes of all of them.
    pub bytes: u64,
}

impl Outlet {
    /// Starts the thread, which opens the stream and writes to it. At most `capacity` bytes wait.
    ///
    /// After items were dropped, the thread writes the text that `gap` returns as soon as it can.
    ///
    /// # Errors
    ///
    /// When the system has no thread left. An error of `open` ends the outlet, see
    /// [`error`](Self::error).
    pub fn start<W: Write>(
        name: &str,
        capacity: usize,
        open: impl FnOnce() -> io::Result<W> + Send + 'static,
        gap: impl Fn(Dropped) -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let outlet = Self {
            shared: Arc::clone(&shared),
            capacity,
        };
        thread::Builder::new()
            .name(name.into())
            .spawn(move || shared.serve(open, gap))?;
        Ok(outlet)
    }

    /// Queues an item, which is written whole or not at all.
    pub fn push(&self, item: Vec<u8>) {
        let mut state = self.shared.lock();
        if state.error.is_some() {
            return;
        }
        if state.queued + item.len() > self.capacity {
            state.dropped.items += 1;
            state.all_dropped += 1;
            state.dropped.bytes += item.len() as u64;
            return;
        }
        state.queued += item.len();
        state.queue.push(item);
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than `limit`, and no longer than `patience`
    /// while the stream takes nothing. Returns `true` if everything is.
    #[must_use]
    pub fn finish(&self, patience: Duration, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.shared.lock();
        let (mut progress, mut since) = (state.progress, Instant::now());
        while state.is_busy() {
            let now = Instant::now();
            // A thread that has not begun to write waits for the processor, not for a reader.
            if state.progress != progress || !state.is_writing {
                (progress, since) = (state.progress, now);
            }
            let left = (since + patience).min(end).saturating_duration_since(now);
            if left.is_zero() {
                return false;
            }
            let changed = self.shared.changed.wait_timeout(state, left);
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.error.is_none()
    }

    /// Returns how many items were dropped since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.lock().all_dropped
    }

    /// Returns the error that has ended the outlet.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.shared.lock().error.clone()
    }
}

impl State {
    const fn is_busy(&self) -> bool {
        let is_waiting = !self.queue.is_empty() || self.dropped.items > 0;
        self.error.is_none() && (is_waiting || self.is_writing)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the stream and writes to it until it fails.
    fn serve<W: Write>(
        &self,
        open: impl FnOnce() -> io::Result<W>,
        gap: impl Fn(Dropped) -> Vec<u8>,
    ) {
        let result = open().and_then(|mut stream| {
            loop {
                let (items, dropped) = self.next();
                for item in items {
                    self.write(&mut stream, &item)?;
                }
                if dropped != Dropped::default() {
                    self.write(&mut stream, &gap(dropped))?;
                }
                retried(|| stream.flush())?;
                self.lock().is_writing = false;
                self.changed.notify_all();
            }
        });
        let result: io::Result<()> = result;
        let mut state = self.lock();
        state.error = result.err().map(|error| error.to_string());
        state.queue = Vec::new();
        self.changed.notify_all();
    }

    /// Waits for items, and takes all.
    fn next(&self) -> (Vec<Vec<u8>>, Dropped) {
        let idle = |state: &mut State| state.queue.is_empty() && state.dropped.items == 0;
        let state = self.changed.wait_while(self.lock(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        self.changed.notify_all();
        state.queued = 0;
        let dropped = std::mem::take(&mut state.dropped);
        (std::mem::take(&mut state.queue), dropped)
    }

    fn write(&self, stream: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match retried(|| stream.write(bytes))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => bytes = &bytes[n..],
            }
            self.lock().progress += 1;
            self.changed.notify_all();
        }
        Ok(())
    }
}

/// Tries again while the stream, which somebody may have made non-blocking, takes nothing.
fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const LIMIT: Duration = Duration::from_secs(30);
    const CAPACITY: usize = 1000;

    /// A stream that takes something only when somebody reads.
    struct Stream(SyncSender<Vec<u8>>);

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.into());
            sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn outlet() -> (Receiver<Vec<u8>>, Outlet) {
        let (sender, reader) = sync_channel(0);
        let gap = |dropped: Dropped| format!("{} items", dropped.items).into();
        let outlet = Outlet::start("test", CAPACITY, || Ok(Stream(sender)), gap).unwrap();
        (reader, outlet)
    }

    #[test]
    fn what_is_pushed_is_written_in_order() {
        let (reader, outlet) = outlet();
        for text in ["one", "two", "three"] {
            outlet.push(text.into());
        }
        for text in ["one", "two", "three"] {
            assert_eq!(reader.recv_timeout(LIMIT).unwrap(), text.as_bytes());
        }
        assert!(outlet.finish(LIMIT, LIMIT));
        assert!(outlet.finish(Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn what_nobody_reads_is_dropped_whole_and_counted() {
        let (reader, outlet) = outlet();
        for _ in 0..2000 {
            outlet.push([b'x'; 100].into());
        }
        assert!(!outlet.finish(Duration::from_millis(1), LIMIT));
        let (mut written, mut dropped) = (0, 0);
        while written + dropped < 2000 {
            let item = reader.recv_timeout(LIMIT).unwrap();
            if item == [b'x'; 100] {
                written += 1;
            } else {
                let gap = String::from_utf8(item).unwrap();
                let items: u64 = gap.strip_suffix(" items").unwrap().parse().unwrap();
                dropped += items;
            }
        }
        assert_eq!(dropped, outlet.dropped());
        // What the thread had taken at first, and the queue.
        assert!((1..=20).contains(&written), "{written}");
        assert!(outlet.finish(LIMIT, LIMIT));
    }

    #[test]
    fn an_error_ends_it() {
        let (reader, outlet) = outlet();
        drop(reader);
        outlet.push(b"lost".into());
        assert!(!outlet.finish(LIMIT, LIMIT));
        assert!(outlet.error().is_some());
        outlet.push(b"lost, too".into());
        assert!(!outlet.finish(LIMIT, LIMIT));
    }
}
