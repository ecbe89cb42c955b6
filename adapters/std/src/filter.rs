//! A client as a filter: its input goes out, what comes back goes to its output.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Instant;

use linecho_core::polled::ProbeTurn;
use mio::{Registry, Token, Waker};

use crate::client::{BUFFER, Client};
use crate::client_error::ClientError;

const INPUT: Token = Token(1);

/// What a [filter](Client::filter) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Lines that came back, the unterminated rest not counted.
    pub lines: u64,
    /// Bytes that came back.
    pub bytes: u64,
}

impl Client {
    /// A filter: sends all of `input`, writes what comes back to `output` as it came, half-closes at
    /// the end of input, and returns when everything has come back, whether the server then closes or
    /// not. `input` is read in a thread of its own, which ends with the input.
    ///
    /// # Errors
    ///
    /// [`ClientError`] with the place of the first byte that did not come back right; what came before
    /// it has been written.
    pub fn filter(
        mut self,
        input: impl Read + Send + 'static,
        output: &mut impl Write,
    ) -> Result<Summary, ClientError> {
        let mut input = Input::read(input, self.poll.registry()).map_err(|e| self.failed(e))?;
        let mut half_closed = false;
        loop {
            let all_queued = self.queue_input(&mut input)?;
            let turn = self.turn(output, |_| ())?;
            if input.ended && !half_closed && self.probe.output().is_empty() {
                half_closed = true;
                // When that fails the connection is gone, which the next read will say better.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            match turn {
                ProbeTurn::Done if input.ended => {
                    output.flush().map_err(ClientError::Output)?;
                    return Ok(Summary {
                        lines: self.probe.lines(),
                        bytes: self.probe.bytes(),
                    });
                }
                ProbeTurn::Again => {}
                // The server owes nothing before more has been sent.
                _ if all_queued && !input.ended && self.is_answered() => {
                    output.flush().map_err(ClientError::Output)?;
                    self.poll(None)?;
                    self.heard = Instant::now();
                }
                ProbeTurn::Wait { .. } if all_queued || self.room() == 0 => self.wait()?,
                ProbeTurn::Wait { .. } | ProbeTurn::Done => {}
            }
        }
    }

    /// Queues what has come in, as much as there is room for. Whether that was all.
    fn queue_input(&mut self, input: &mut Input) -> Result<bool, ClientError> {
        while self.room() > 0 {
            let mut bytes = input.bytes().map_err(ClientError::Input)?;
            if bytes.is_empty() {
                return Ok(true);
            }
            let before = bytes.len();
            self.queue(&mut bytes);
            input.queued += before - bytes.len();
        }
        Ok(false)
    }

    /// Whether everything has been sent, and all of it that is due has come back.
    fn is_answered(&self) -> bool {
        self.probe.output().is_empty() && (self.probe.is_done() || self.probe.is_within_line())
    }
}

/// What a thread reads, in chunks. For each of them and for the end there is a wake-up; several may come
/// together.
struct Input {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    /// How much of the chunk has been queued.
    queued: usize,
    ended: bool,
    /// Wake-ups that were not noticed yet would go with it.
    _waker: Arc<Waker>,
}

impl Input {
    fn read(mut input: impl Read + Send + 'static, registry: &Registry) -> io::Result<Self> {
        let waker = Arc::new(Waker::new(registry, INPUT)?);
        let ours = Arc::clone(&waker);
        // Two chunks: one is sent while the next is read.
        let (sender, chunks) = sync_channel(2);
        thread::spawn(move || {
            loop {
                let mut chunk = vec![0; BUFFER];
                let result = match input.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        chunk.truncate(n);
                        Ok(chunk)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = result.is_err();
                if sender.send(result).is_err() || waker.wake().is_err() || failed {
                    break;
                }
            }
            drop(sender);
            // It fails only when nobody waits any more.
            let _ = waker.wake();
        });
        Ok(Self {
            chunks,
            chunk: Vec::new(),
            queued: 0,
            ended: false,
            _waker: ours,
        })
    }

    /// What has come in and is yet to be queued; nothing if no more is there now.
    fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.queued == self.chunk.len() && !self.ended {
            match self.chunks.try_recv() {
                Ok(next) => (self.chunk, self.queued) = (next?, 0),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.ended = true,
            }
        }
        Ok(&self.chunk[self.queued..])
    }
}
