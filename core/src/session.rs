//! The server half of one connection.

use embedded_io::ErrorKind;

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
/// | fails to read                             | [`read_failed`](Self::read_failed)       |
/// | fails to write                            | [`end`](Self::end) with [`Reason::from`] the error's kind |
/// | is at the end of its turn, or at the deadline | [`tick`](Self::tick)                 |
/// | stops when the session has ended          | [`ended`](Self::ended)                   |
///
/// A driver over a transport that buffers what is written flushes it before it waits.
///
/// `S` is the storage of the line buffer: an array, a `&mut [u8]`, a `Box<[u8]>`. Its length is the
/// longest line, `\n` included, that goes back in one piece (at most 4 GiB are used). A session
/// with empty storage takes no input; see [`replace_storage`](Self::replace_storage).
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
    counters: Counters,
    /// The time at which a byte last went back or output began to wait: both deadlines count from
    /// it.
    since: Instant,
    // The fields of a `Config`, which by itself has space that nothing else can use.
    long_lines: LongLines,
    idle_ms: u32,
    write_ms: u32,
    /// Set when `since` is to become the time of the next tick.
    progressed: bool,
    /// Set when a driver of this crate has written and not flushed since: the transport may hold
    /// output back.
    unflushed: bool,
    long_line: LongLine,
    shutting_down: bool,
    /// Set once no more input is taken. The session has ended when its output is gone, too.
    reason: Option<Reason>,
    /// Bytes looked at for a `\n`, ever: tests prove by it that work is linear.
    #[cfg(test)]
    scanned: u64,
}

/// The default budget of a turn: enough that more would not save calls in bulk.
const BYTES_PER_TURN: usize = 128 * 1024;
/// The same in lengths of the buffer.
const BUFFERS_PER_TURN: usize = 16;

/// The line that is coming in: an ordinary one, or one whose beginning did not fit and has been
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LongLine {
    None,
    /// Its rest goes back, too.
    Flushing,
    /// Its rest is dropped.
    Dropping,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Session<S> {
    /// Begins a session at `now`, with `storage` as its line buffer.
    #[must_use]
    pub const fn new(storage: S, config: Config, now: Instant) -> Self {
        Self {
            buffer: Buffer::new(storage),
            counters: Counters {
                bytes_in: 0,
                bytes_out: 0,
                lines: 0,
                overlong: 0,
            },
            since: now,
            long_lines: config.long_lines,
            idle_ms: config.idle_ms,
            write_ms: config.write_ms,
            progressed: false,
            unflushed: false,
            long_line: LongLine::None,
            shutting_down: false,
            reason: None,
            #[cfg(test)]
            scanned: 0,
        }
    }

    /// Returns the space for the next input. Empty when the session takes none: while its buffer is
    /// full (TCP then slows the peer down), or for good after the end of input. Do not read into it
    /// then: a read into an empty slice looks like the end of input.
    #[must_use]
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

    /// Takes in the first `n` bytes of [`input`](Self::input). More than fit there count as those
    /// that fit; while the session takes no input, that is none.
    // In line it takes a sixth off a short line, but flash on controllers.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn received(&mut self, n: usize) {
        if self.reason.is_some() {
            return;
        }
        let had_output = self.buffer.has_front();
        let fresh = self.buffer.fill(n);
        let taken = fresh.len();
        self.counters.bytes_in = self.counters.bytes_in.wrapping_add(taken as u64);
        #[cfg(test)]
        {
            self.scanned += taken as u64;
        }
        match newlines(fresh) {
            Some((lines, rest)) => self.complete(lines, rest),
            None if self.long_line == LongLine::Dropping => self.buffer.clear(),
            None if self.buffer.is_full_of_back() => self.line_does_not_fit(),
            None => {}
        }
        if !had_output && self.buffer.has_front() {
            self.progressed = true;
        }
    }

    /// Completes lines: `lines` newlines came, and `rest` bytes after the last begin the next line.
    fn complete(&mut self, mut lines: u64, rest: usize) {
        if self.long_line == LongLine::Dropping {
            // Nothing waits in front of a line that is being dropped, so its end can go right away.
            // It is looked for once a long line, so a plain search will do, and spares flash.
            let newline = self.buffer.back().iter().position(|&byte| byte == b'\n');
            self.buffer.pass(newline.map_or(0, |newline| newline + 1));
            self.buffer.consume(usize::MAX);
            lines = lines.wrapping_sub(1);
        }
        self.long_line = LongLine::None;
        self.counters.lines = self.counters.lines.wrapping_add(lines);
        self.buffer.pass_all_but(rest);
    }

    /// Applies the policy to an unfinished line that fills the whole buffer: nothing waits in front
    /// of it.
    // Out of line, like all that happens at most once a line or a session: it spares flash.
    #[cold]
    #[inline(never)]
    fn line_does_not_fit(&mut self) {
        if self.long_line == LongLine::None {
            self.counters.overlong = self.counters.overlong.wrapping_add(1);
        }
        match self.long_lines {
            LongLines::Flush => {
                self.long_line = LongLine::Flushing;
                return self.buffer.pass_all_but(0);
            }
            LongLines::Discard => self.long_line = LongLine::Dropping,
            LongLines::Close => self.reason = Some(Reason::LineTooLong),
        }
        self.buffer.clear();
    }

    /// Ends the input, since the peer shut down its sending side: the unterminated rest becomes
    /// output, too, and the session ends when all of it has gone.
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

    /// Ends the input, since reading failed. The unfinished line is lost; what is ready still goes
    /// back, then the session ends with [`Reason::Failed`]. A reset by the peer ends it at once.
    #[cold]
    #[inline(never)]
    pub fn read_failed(&mut self, kind: ErrorKind) {
        let reason = Reason::from(kind);
        if reason == Reason::Reset {
            self.end(reason);
        } else if self.reason.is_none() {
            self.buffer.clear_back();
            self.reason = Some(reason);
        }
    }

    /// Returns what is ready to go back.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.buffer.front()
    }

    /// Lets go of the first `n` bytes of [`output`](Self::output), which went back. More than there
    /// are count as all.
    pub fn sent(&mut self, n: usize) {
        let n = self.buffer.consume(n);
        self.counters.bytes_out = self.counters.bytes_out.wrapping_add(n as u64);
        self.progressed |= n > 0;
    }

    /// Lets go of the first `n` bytes of output, at least one, which went to a transport that may
    /// hold them back.
    pub(crate) fn written(&mut self, n: usize) {
        self.sent(n);
        self.unflushed = true;
    }

    /// Returns true if the transport may hold back something that was written.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Notes that the transport holds nothing back.
    pub(crate) fn flushed(&mut self) {
        self.unflushed = false;
        self.progressed = true;
    }

    /// Returns true while something is on its way to the peer.
    pub(crate) fn is_writing(&self) -> bool {
        self.buffer.has_front() || self.unflushed
    }

    /// Advances the clock to `now` and returns the next deadline. Call it once per turn and when
    /// that deadline is due. Progress since the last tick moves the deadline; when it has passed
    /// without any, the session ends.
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

    /// Starts the deadlines anew at `now`. For a driver that has kept the session waiting, such as
    /// for storage to lend it: the time until now does not count against the peer.
    pub fn restart_deadlines(&mut self, now: Instant) {
        self.since = now;
    }

    /// Returns the next deadline as the last [`tick`](Self::tick) did; I/O since then may have
    /// moved it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next_deadline().map(|(deadline, _)| deadline)
    }

    /// Returns the deadline, and the reason for which the session ends if it passes.
    fn next_deadline(&self) -> Option<(Instant, Reason)> {
        let writing = self.is_writing();
        let (millis, reason) = if writing && self.write_ms <= self.idle_ms {
            (self.write_ms, Reason::WriteStalled)
        } else {
            (self.idle_ms, Reason::Idle)
        };
        let has_ended = !writing && self.reason.is_some();
        if millis == Config::NEVER || has_ended {
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

    /// Returns true if the session was asked to finish.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// Ends the session at once. What it [holds](Self::held) is lost. A session that has ended
    /// keeps its reason, and so does one that was to end because [reading
    /// failed](Self::read_failed).
    #[cold]
    #[inline(never)]
    pub fn end(&mut self, reason: Reason) {
        if self.ended().is_some() {
            return;
        }
        self.buffer.clear();
        self.unflushed = false;
        if !matches!(self.reason, Some(Reason::Failed(_))) {
            self.reason = Some(reason);
        }
    }

    /// Returns the reason for which the session ended, once it has. Close the connection then: in
    /// order if the reason [is orderly](Reason::is_orderly), else at once.
    #[must_use]
    pub fn ended(&self) -> Option<Reason> {
        if self.is_writing() { None } else { self.reason }
    }

    /// Returns the number of bytes that the session holds: output, and the unfinished line.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.held()
    }

    /// Returns the length of its storage in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the most bytes that a driver should read in one turn, so that no connection holds up
    /// the others: 128 KiB, and of a small buffer no more than 16 times its length, since each
    /// filling costs two calls.
    #[must_use]
    pub fn turn_budget(&self) -> usize {
        self.capacity()
            .saturating_mul(BUFFERS_PER_TURN)
            .min(BYTES_PER_TURN)
    }

    /// Returns the counters of what the session has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Exchanges the storage, so that connections that hold nothing can share it: a session that
    /// waits for its next line needs none. Lend it storage before it is to take input, and take it
    /// back, by giving it empty storage, when it [holds](Self::held) nothing.
    ///
    /// # Errors
    ///
    /// Bytes that are held move along. If they do not fit, or an unfinished line would leave no
    /// room for its next byte, the session keeps its storage, and the new one comes back.
    ///
    /// ```
    /// use linecho_core::{Config, Instant, Session};
    ///
    /// let mut pool = vec![0; 64].into_boxed_slice();
    /// let mut session = Session::new(Box::default(), Config::new(), Instant::ZERO);
    /// assert!(session.input().is_empty(), "no storage, no input");
    /// session.replace_storage(pool).unwrap();
    /// assert_eq!(session.input().len(), 64);
    /// pool = session.replace_storage(Box::default()).unwrap();
    /// assert_eq!(pool.len(), 64);
    /// ```
    pub fn replace_storage(&mut self, storage: S) -> Result<S, S> {
        let room = usize::from(self.buffer.has_back_only());
        self.buffer.replace(storage, room)
    }
}

#[cfg(test)]
mod state_space;
#[cfg(test)]
mod tests;
