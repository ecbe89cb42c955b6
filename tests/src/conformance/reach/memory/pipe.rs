//! A connection in memory: a pipe each way. The server's end is told in the words of embedded-io.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use linecho_core::embedded_io::ErrorKind;

/// Both directions and how they ended.
#[derive(Debug)]
pub(super) struct Pipe {
    to_server: VecDeque<u8>,
    to_peer: VecDeque<u8>,
    /// The bytes that the server wrote and has not flushed, if its end buffers.
    unflushed: VecDeque<u8>,
    buffers: bool,
    /// Each direction holds so many bytes.
    capacity: usize,
    peer_closed: bool,
    /// The peer reads no more, either.
    peer_gone: bool,
    server_closed: bool,
    broken: bool,
    /// The peer did something since the server last looked.
    touched: bool,
    /// Chance: how much a call moves, and which are interrupted.
    rng: fastrand::Rng,
    /// Calls that are interrupted now that would wait: readiness was out of date.
    stale: bool,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(capacity: usize, mut rng: fastrand::Rng) -> Self {
        Self {
            to_server: VecDeque::new(),
            to_peer: VecDeque::new(),
            unflushed: VecDeque::new(),
            buffers: rng.bool(),
            capacity,
            peer_closed: false,
            peer_gone: false,
            server_closed: false,
            broken: false,
            touched: true,
            rng,
            stale: false,
            read_waker: None,
            write_waker: None,
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken || self.peer_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = bytes.len().min(self.capacity - self.to_server.len());
        if !self.server_closed {
            self.to_server.extend(&bytes[..n]);
        }
        self.changed();
        Ok(n)
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let n = buffer.len().min(self.to_peer.len());
        if n == 0 {
            return match (self.broken, self.server_closed) {
                (true, _) => Err(io::ErrorKind::ConnectionReset.into()),
                (false, true) => Ok(Some(0)),
                (false, false) => Ok(None),
            };
        }
        self.to_peer.read_exact(&mut buffer[..n])?;
        self.changed();
        Ok(Some(n))
    }

    pub(super) fn half_close(&mut self) {
        self.peer_closed = true;
        self.changed();
    }

    /// The peer closes both sides. As in TCP, that is a reset if it leaves anything unread.
    pub(super) fn peer_closes(&mut self) {
        if self.to_peer.is_empty() {
            self.peer_closed = true;
            self.peer_gone = true;
            self.changed();
        } else {
            self.break_off();
        }
    }

    /// Nothing moves any more, in either direction.
    pub(super) fn break_off(&mut self) {
        self.broken = true;
        self.to_server.clear();
        self.to_peer.clear();
        self.unflushed.clear();
        self.changed();
    }

    /// The server closes: what it flushed still arrives, what it has not read is read to the end.
    pub(super) fn server_closes(&mut self) {
        self.unflushed.clear();
        self.server_closed = true;
        self.to_server.clear();
    }

    pub(super) fn can_read(&self) -> bool {
        self.broken || self.peer_closed || !self.to_server.is_empty()
    }

    pub(super) fn can_write(&self) -> bool {
        self.broken || self.room() > 0
    }

    /// The number of bytes that the server can still write.
    fn room(&self) -> usize {
        self.capacity - self.to_peer.len() - self.unflushed.len()
    }

    /// True if the peer did something since this was last asked.
    pub(super) fn was_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    fn changed(&mut self) {
        self.touched = true;
        self.read_waker.take().into_iter().for_each(Waker::wake);
        self.write_waker.take().into_iter().for_each(Waker::wake);
    }

    /// `None`: would wait.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> Option<Result<usize, ErrorKind>> {
        assert!(!buffer.is_empty(), "a driver reads into an empty slice");
        if self.broken {
            return Some(Err(ErrorKind::ConnectionReset));
        }
        if self.interrupted() {
            return Some(Err(ErrorKind::Interrupted));
        }
        let there = buffer.len().min(self.to_server.len());
        if there == 0 {
            return self.peer_closed.then_some(Ok(0));
        }
        let n = self.rng.usize(1..=there);
        let read = self.to_server.read_exact(&mut buffer[..n]);
        Some(read.map(|()| n).map_err(|_| ErrorKind::Other))
    }

    /// `None`: would wait.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> Option<Result<usize, ErrorKind>> {
        assert!(!bytes.is_empty(), "a driver writes nothing");
        if self.peer_gone {
            self.break_off();
        }
        if self.broken {
            return Some(Err(ErrorKind::ConnectionReset));
        }
        if self.interrupted() {
            return Some(Err(ErrorKind::Interrupted));
        }
        let room = bytes.len().min(self.room());
        if room == 0 {
            return None;
        }
        let n = self.rng.usize(1..=room);
        self.unflushed.extend(&bytes[..n]);
        // As buffered writers do, it makes room when it has none left.
        if !self.buffers || self.room() == 0 {
            self.to_peer.append(&mut self.unflushed);
        }
        Some(Ok(n))
    }

    pub(super) fn flush(&mut self) -> Result<(), ErrorKind> {
        if self.broken {
            return Err(ErrorKind::ConnectionReset);
        }
        if self.interrupted() {
            return Err(ErrorKind::Interrupted);
        }
        self.to_peer.append(&mut self.unflushed);
        Ok(())
    }

    pub(super) fn poll_read(
        &mut self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ErrorKind>> {
        let result = self.try_read(buffer);
        if result.is_none() {
            self.read_waker = Some(context.waker().clone());
        }
        result.map_or(Poll::Pending, Poll::Ready)
    }

    pub(super) fn poll_write(
        &mut self,
        context: &Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, ErrorKind>> {
        let result = self.try_write(bytes);
        if result.is_none() {
            self.write_waker = Some(context.waker().clone());
        }
        result.map_or(Poll::Pending, Poll::Ready)
    }

    fn interrupted(&mut self) -> bool {
        std::mem::take(&mut self.stale) || self.rng.u8(..) < 10
    }

    /// Now and then readiness is promised that is out of date: the call that follows is
    /// interrupted.
    pub(super) fn stale_readiness(&mut self) -> bool {
        self.stale = self.rng.u8(..) < 10;
        self.stale
    }
}

/// A pipe that both ends hold.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Pipe>>);

impl Shared {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self(Arc::new(Mutex::new(pipe)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
