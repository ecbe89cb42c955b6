//! Torture of the drivers: every conversation is run once for each call to the transport, with just
//! that call failing in each way that a call can fail. Nothing may come back that was not sent, and
//! every session ends, for the reason that the failure gives.

use core::fmt::Debug;
use std::collections::BTreeMap;

use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Instant, Reason, Session, blocking};

/// More calls than any conversation here takes.
const MOST_CALLS: usize = 2000;

/// The pieces in which a peer sends, before it shuts down its sending side. The buffer holds 8
/// bytes.
const CONVERSATIONS: [&[&[u8]]; 6] = [
    &[],
    &[b"one\ntwo\n"],
    &[b"a", b"\n", b"bc", b"d\ne", b"\n\n"],
    &[b"0123456\n7"],
    &[b"longer than the buffer\nx", b"y\nz"],
    &[b"tail"],
];

const KINDS: [ErrorKind; 18] = [
    ErrorKind::Other,
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::BrokenPipe,
    ErrorKind::AlreadyExists,
    ErrorKind::InvalidInput,
    ErrorKind::InvalidData,
    ErrorKind::TimedOut,
    ErrorKind::Interrupted,
    ErrorKind::Unsupported,
    ErrorKind::OutOfMemory,
    ErrorKind::WriteZero,
];

/// A way in which a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Error(ErrorKind),
    /// `Ok(0)`, or `Ok(false)` of a question for readiness.
    Nothing,
    /// One byte, though more could be moved.
    Short,
}

fn faults() -> impl Iterator<Item = Fault> {
    let errors = KINDS.into_iter().map(Fault::Error);
    errors.chain([Fault::Nothing, Fault::Short])
}

/// A call of the embedded-io traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Read,
    Write,
    Flush,
    ReadReady,
    WriteReady,
}

/// A transport of which one call fails.
struct Tortured {
    /// The bytes to come, in pieces.
    pieces: Vec<Vec<u8>>,
    /// The bytes that were read.
    taken: Vec<u8>,
    /// The bytes that were written.
    output: Vec<u8>,
    calls: usize,
    /// The call that fails, by its number.
    fails: (usize, Fault),
    /// The kind of call that has failed.
    failed: Option<Call>,
}

impl Tortured {
    fn new(pieces: &[&[u8]], fails: (usize, Fault)) -> Self {
        Self {
            pieces: pieces.iter().rev().map(|piece| piece.to_vec()).collect(),
            taken: Vec::new(),
            output: Vec::new(),
            calls: 0,
            fails,
            failed: None,
        }
    }

    /// Counts a call, and returns its fault, if it is to fail.
    fn call(&mut self, call: Call) -> Result<Option<Fault>, ErrorKind> {
        let (number, fault) = self.fails;
        let fails = number == self.calls;
        self.calls += 1;
        assert!(
            self.calls < MOST_CALLS,
            "the driver does not come to an end"
        );
        if !fails {
            return Ok(None);
        }
        self.failed = Some(call);
        match fault {
            Fault::Error(kind) => Err(kind),
            fault => Ok(Some(fault)),
        }
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let most = match self.call(Call::Read)? {
            Some(Fault::Nothing) => return Ok(0),
            Some(_) => 1,
            None => buffer.len(),
        };
        let Some(piece) = self.pieces.last_mut() else {
            return Ok(0);
        };
        let n = piece.len().min(most);
        buffer[..n].copy_from_slice(&piece[..n]);
        self.taken.extend(piece.drain(..n));
        if piece.is_empty() {
            self.pieces.pop();
        }
        Ok(n)
    }

    /// Takes at most five bytes a call.
    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let most = match self.call(Call::Write)? {
            Some(Fault::Nothing) => return Ok(0),
            Some(_) => 1,
            None => 5,
        };
        let n = bytes.len().min(most);
        self.output.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn ask(&mut self, call: Call) -> Result<bool, ErrorKind> {
        Ok(self.call(call)? != Some(Fault::Nothing))
    }
}

impl ErrorType for Tortured {
    type Error = ErrorKind;
}

impl Read for Tortured {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.try_read(buffer)
    }
}

impl Write for Tortured {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.try_write(bytes)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.call(Call::Flush).map(drop)
    }
}

impl ReadReady for Tortured {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.ask(Call::ReadReady)
    }
}

impl WriteReady for Tortured {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.ask(Call::WriteReady)
    }
}

#[cfg(feature = "async")]
mod asynchronous {
    use core::future::pending;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use embedded_io_async::{Read, Write};
    use linecho_core::asynchronous;

    use super::*;

    impl Read for Tortured {
        async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
            self.try_read(buffer)
        }
    }

    impl Write for Tortured {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            self.try_write(bytes)
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            self.call(Call::Flush).map(drop)
        }
    }

    #[test]
    fn the_async_driver() {
        torture(|session, io| {
            let mut serving = pin!(asynchronous::serve(
                session,
                io,
                || Instant::ZERO,
                |_| pending::<()>(),
            ));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..MOST_CALLS {
                if let Poll::Ready(reason) = serving.as_mut().poll(&mut context) {
                    return reason;
                }
            }
            panic!("it is never ready");
        });
    }
}

#[test]
fn the_blocking_driver() {
    torture(blocking::serve);
}

#[test]
fn the_polled_driver() {
    torture(|session, io| {
        for _ in 0..MOST_CALLS {
            if let Turn::Ended(reason) = polled::serve(session, io, Instant::ZERO, 64) {
                return reason;
            }
        }
        panic!("it does not come to an end");
    });
}

/// Runs all conversations with all faults through `serve`, and prints the pairs that it survived.
fn torture(serve: impl Fn(&mut Session<[u8; 8]>, &mut Tortured) -> Reason) {
    let mut survived = BTreeMap::<(Call, String), usize>::new();
    for pieces in CONVERSATIONS {
        let run = |fails| {
            let mut io = Tortured::new(pieces, fails);
            let mut session = Session::new([0; 8], Config::new(), Instant::ZERO);
            let reason = serve(&mut session, &mut io);
            (io, reason)
        };
        let sent = pieces.concat();
        let (whole, reason) = run((usize::MAX, Fault::Nothing));
        assert_eq!((&whole.output, reason), (&sent, Reason::PeerClosed));
        for number in 0..whole.calls {
            for fault in faults() {
                let (io, reason) = run((number, fault));
                let call = io.failed.expect("the call is made again");
                let at = format!("{pieces:?}: {call:?} {number} with {fault:?}: {reason}");
                judge(&sent, &io, call, fault, reason, &at);
                *survived.entry((call, format!("{fault:?}"))).or_default() += 1;
            }
        }
    }
    for ((call, fault), times) in &survived {
        println!("{call:?} with {fault}: survived {times} times");
    }
    assert!(survived.len() >= 3 * faults().count(), "{}", survived.len());
}

/// Checks what came back, and the reason of the end.
fn judge(sent: &[u8], io: &Tortured, call: Call, fault: Fault, reason: Reason, at: impl Debug) {
    assert!(sent.starts_with(&io.output), "{at:?}: {:?}", io.output);
    let is_question = matches!(call, Call::ReadReady | Call::WriteReady);
    match (call, fault) {
        // The end of input, though more would have come.
        (Call::Read, Fault::Nothing) => {
            assert_eq!(
                (&io.output, reason),
                (&io.taken, Reason::PeerClosed),
                "{at:?}"
            );
        }
        // A writer that takes nothing has failed, unless it may be asked again.
        (Call::Write, Fault::Nothing) if reason != Reason::PeerClosed => {
            assert_eq!(reason, Reason::Failed(ErrorKind::WriteZero), "{at:?}");
        }
        // An interrupted call is made again. A question for readiness has no reason to be
        // interrupted.
        (_, Fault::Error(kind)) if kind != ErrorKind::Interrupted || is_question => {
            assert_eq!(reason, Reason::from(kind), "{at:?}");
            // What was complete before a read failed still goes back.
            let lines = io.taken.iter().rposition(|&byte| byte == b'\n');
            let due = lines.map_or(0, |last| last + 1);
            if matches!(call, Call::Read | Call::ReadReady) {
                assert!(io.output.len() >= due, "{at:?}: {:?}", io.output);
            }
        }
        _ => assert_eq!(
            (io.output.as_slice(), reason),
            (sent, Reason::PeerClosed),
            "{at:?}"
        ),
    }
}
