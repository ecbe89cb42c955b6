//! The server half of one connection.

use crate::buffer::Buffer;
use crate::newlines::newlines;
use crate::{Config, Counters, Instant, LongLines, Reason};

/// The server half of one connection: takes bytes in, and gives every complete line back.
///
/// A session does no I/O and reads no clock. A driver ([`polled`](crate::polled),
/// [`blocking`](crate::blocking) or your own) moves the bytes:
///
/// | the driver                                | calls                                    |
/// |-------------------------------------------|------------------------------------------|
/// | writes what is ready to go back           | [`output`](Self::output), [`sent`](Self::sent) |
/// | reads, while the session takes input      | [`input`](Self::input), [`received`](Self::received) |
/// | finds the end of input                    | [`end_of_input`](Self::end_of_input)     |
/// | fails to read or write                    | [`end`](Self::end) with [`Reason::Reset`] |
/// | has done its turn, or the deadline came   | [`tick`](Self::tick), then [`deadline`](Self::deadline) |
/// | stops when it says why it ended           | [`ended`](Self::ended)                   |
///
/// `S` is the storage of the line buffer: an array, a `&mut [u8]`, a `Box<[u8]>`. Its length is the
/// longest line, `\n` included, that goes back in one piece (at most 4 GiB are used). A session with
/// empty storage takes no input; see [`replace_storage`](Self::replace_storage).
///
/// ```
/// use linecho_core::{Config, Instant, Reason, Session};
///
/// let mut session = Session::new([0; 64], Config::new(), Instant::ZERO);
/// let chunk = b"one\ntw";
/// session.input()[..chunk.len()].copy_from_slice(chunk);
/// session.received(chunk.len());
/// assert_eq!(session.output(), b"one\n");
/// session.sent(4);
/// session.end_of_input();
/// assert_eq!(session.output(), b"tw");
/// session.sent(2);
/// assert_eq!(session.ended(), Some(Reason::PeerClosed));
/// ```
#[derive(Clone, Debug)]
pub struct Session<S> {
    // Front: ready to go back. Back: the unfinished line, which holds no `\n`.
    buffer: Buffer<S>,
    config: Config,
    counters: Counters,
    /// When a byte last went back, or output last began to wait: both deadlines count from here.
    since: Instant,
    /// Set when `since` is to become the time of the next tick.
    progressed: bool,
    long_line: LongLine,
    shutting_down: bool,
    /// Set once no more input is taken. The session has ended when its output is gone, too.
    reason: Option<Reason>,
    /// Bytes looked at for a `\n`, ever: tests prove by it that work is linear.
    #[cfg(test)]
    scanned: u64,
}

/// Whether the session is inside a line whose beginning did not fit and has been counted, and what
/// becomes of its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LongLine {
    None,
    Flushing,
    Dropping,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Session<S> {
    /// A session that begins `now`, with `storage` as its line buffer.
    pub const fn new(storage: S, config: Config, now: Instant) -> Self {
        Self {
            buffer: Buffer::new(storage),
            config,
            counters: Counters {
                bytes_in: 0,
                bytes_out: 0,
                lines: 0,
                overlong: 0,
            },
            since: now,
            progressed: false,
            long_line: LongLine::None,
            shutting_down: false,
            reason: None,
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// Where the next input goes. Empty when the session takes none: while its buffer is full (TCP
    /// then slows the peer down), or for good after the end of input. Do not read into it then: a
    /// read into an empty slice looks like the end of input.
    pub fn input(&mut self) -> &mut [u8] {
        if self.reason.is_some() {
            return &mut [];
        }
        // Only an unfinished line is ever moved, and only when nothing before it waits. It then
        // begins at 0, where nothing is gone, and never moves again: at most one move per byte,
        // whatever the chopping.
        if !self.buffer.has_front() && self.buffer.free_len() < self.buffer.gone() {
            self.buffer.move_to_front();
        }
        self.buffer.free()
    }

    /// `n` bytes were put at the beginning of [`input`](Self::input). More than fit there count as
    /// those that fit.
    pub fn received(&mut self, n: usize) {
        let had_output = self.buffer.has_front();
        let fresh = self.buffer.fill(n);
        let taken = fresh.len();
        self.counters.bytes_in = self.counters.bytes_in.wrapping_add(taken as u64);
        #[cfg(test)]
        {
            self.scanned += taken as u64;
        }
        match newlines(fresh) {
            Some((last, lines)) => {
                self.complete(lines, taken.wrapping_sub(last).wrapping_sub(1));
            }
            None if self.long_line == LongLine::Dropping => self.buffer.clear(),
            None if self.buffer.is_full_of_back() => self.line_does_not_fit(),
            None => {}
        }
        if !had_output && self.buffer.has_front() {
            self.progressed = true;
        }
    }

    /// `lines` newlines came; `rest` bytes after the last one begin the next line.
    fn complete(&mut self, mut lines: u64, rest: usize) {
        if self.long_line == LongLine::Dropping {
            // Nothing waits in front of a line that is being dropped, so its end can go right away.
            // It is looked for once a long line, so a plain search will do, and spares flash.
            let newline = self.buffer.back().iter().position(|&byte| byte == b'\n');
            let end = newline.map_or(0, |newline| newline + 1);
            self.buffer.pass(end);
            self.buffer.consume(end);
            lines = lines.wrapping_sub(1);
        }
        self.long_line = LongLine::None;
        self.counters.lines = self.counters.lines.wrapping_add(lines);
        self.buffer.pass_all_but(rest);
    }

    /// An unfinished line fills the whole buffer: nothing waits in front of it.
    // Out of line, like all that happens at most once a line or a session: it spares flash.
    #[cold]
    #[inline(never)]
    fn line_does_not_fit(&mut self) {
        if self.long_line == LongLine::None {
            self.counters.overlong = self.counters.overlong.wrapping_add(1);
        }
        match self.config.long_lines {
            LongLines::Flush => {
                self.long_line = LongLine::Flushing;
                return self.buffer.pass_all_but(0);
            }
            LongLines::Discard => self.long_line = LongLine::Dropping,
            LongLines::Close => self.reason = Some(Reason::LineTooLong),
        }
        self.buffer.clear();
    }

    /// The peer shut down its sending side: the unterminated rest becomes output, too, and the
    /// session ends when all of it has gone.
    ///
    /// After [`shutdown`](Self::shutdown), a driver also calls this when nothing more has arrived.
    #[cold]
    #[inline(never)]
    pub fn end_of_input(&mut self) {
        if self.reason.is_none() {
            self.reason = Some(if self.shutting_down {
                Reason::Shutdown
            } else {
                Reason::PeerClosed
            });
            self.progressed |= !self.buffer.has_front();
            self.buffer.pass_all_but(0);
        }
    }

    /// What is ready to go back.
    pub fn output(&self) -> &[u8] {
        self.buffer.front()
    }

    /// The first `n` bytes of [`output`](Self::output) went back. More than there are count as all.
    pub fn sent(&mut self, n: usize) {
        let n = self.buffer.consume(n);
        self.counters.bytes_out = self.counters.bytes_out.wrapping_add(n as u64);
        self.progressed |= n > 0;
    }

    /// Tells the session the time, once a turn and when its [`deadline`](Self::deadline) comes, which
    /// it says again. Progress since the last tick moves the deadline; when it has passed without any,
    /// the session ends.
    pub fn tick(&mut self, now: Instant) -> Option<Instant> {
        if self.progressed {
            self.progressed = false;
            self.since = now;
        }
        let (deadline, reason) = self.next_deadline()?;
        if deadline > now {
            return Some(deadline);
        }
        self.end(reason);
        None
    }

    /// When the session next wants a [`tick`](Self::tick), whatever else happens, as of the last one.
    pub fn deadline(&self) -> Option<Instant> {
        self.next_deadline().map(|(deadline, _)| deadline)
    }

    /// The deadline, and how the session ends if it passes.
    fn next_deadline(&self) -> Option<(Instant, Reason)> {
        let (idle, write) = (self.config.idle_ms, self.config.write_ms);
        let write_first = idle == 0 || write <= idle;
        let (millis, reason) = if write > 0 && write_first && self.buffer.has_front() {
            (write, Reason::WriteStalled)
        } else {
            (idle, Reason::Idle)
        };
        if millis == 0 || self.ended().is_some() {
            return None;
        }
        Some((self.since.plus_millis(millis), reason))
    }

    /// Asks the session to finish. What has arrived is still taken in; when a driver finds that
    /// nothing more has, it calls [`end_of_input`](Self::end_of_input), all that is held goes back,
    /// and the session ends with [`Reason::Shutdown`].
    pub fn shutdown(&mut self) {
        self.shutting_down = true;
    }

    /// Whether the session was asked to finish.
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// Ends the session at once. What it [holds](Self::held) is lost. A session that has ended
    /// keeps the reason that it has.
    #[cold]
    #[inline(never)]
    pub fn end(&mut self, reason: Reason) {
        if self.ended().is_none() {
            self.buffer.clear();
            self.reason = Some(reason);
        }
    }

    /// Why the session ended, once it has. Close the connection then: for [`Reason::PeerClosed`],
    /// [`Reason::LineTooLong`] and [`Reason::Shutdown`] in order, so that the peer receives all that
    /// was sent; the other reasons leave nothing to wait for.
    pub fn ended(&self) -> Option<Reason> {
        if self.buffer.has_front() {
            None
        } else {
            self.reason
        }
    }

    /// How many bytes the session holds: output, and the unfinished line.
    pub fn held(&self) -> usize {
        self.buffer.held()
    }

    /// The length of its storage in bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// What the session has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Exchanges the storage, so that connections that hold nothing can share it: a session that
    /// waits for its next line needs none. Lend it storage before it is to take input, and take it
    /// back, by giving it empty storage, when it [holds](Self::held) nothing.
    ///
    /// # Errors
    ///
    /// Bytes that are held move along. If they do not fit, the session keeps its storage, and the
    /// new one comes back.
    ///
    /// ```
    /// # use linecho_core::{Config, Instant, Session};
    /// let mut pool = vec![0; 64].into_boxed_slice();
    /// let mut session = Session::new(Box::default(), Config::new(), Instant::ZERO);
    /// assert!(session.input().is_empty(), "no storage, no input");
    /// session.replace_storage(pool).unwrap();
    /// assert_eq!(session.input().len(), 64);
    /// pool = session.replace_storage(Box::default()).unwrap();
    /// # drop(pool);
    /// ```
    pub fn replace_storage(&mut self, storage: S) -> Result<S, S> {
        self.buffer.replace(storage)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
