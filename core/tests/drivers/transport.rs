//! The wrappers that tell a driver what is special about a transport.

use core::fmt;

use crate::scripted::{Scripted, Step, Step::*};
use linecho_core::embedded_io::{Error, ErrorKind, ErrorType, ReadReady, Write, WriteReady};
use linecho_core::transport::{Interpret, Join, NoFlush};
use linecho_core::{Config, Instant, Reason, Session, blocking, polled};

fn session() -> Session<[u8; 16]> {
    Session::new([0; 16], Config::new(), Instant::ZERO)
}

/// The kind of an error, in a type of its own.
#[derive(Debug)]
struct Failure(ErrorKind);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Failure {}

impl Error for Failure {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

/// A half that can only be written to, with another type of errors than the half that is read.
struct Writer(Scripted);

impl ErrorType for Writer {
    type Error = Failure;
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        self.0.write(bytes).map_err(Failure)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Write::flush(&mut self.0).map_err(Failure)
    }
}

impl WriteReady for Writer {
    fn write_ready(&mut self) -> Result<bool, Failure> {
        self.0.write_ready().map_err(Failure)
    }
}

/// Serves over joined halves, blocking and polled.
fn joined(reads: &[Step], writes: &[Step], flushes: &[Step]) -> (Reason, Vec<u8>) {
    let mut blocking_io = Join::new(
        Scripted::blocking(reads, &[]),
        Writer(Scripted::blocking(&[], writes).flushing(flushes)),
    );
    let blocking = blocking::serve(&mut session(), &mut blocking_io);
    let mut polled_io = Join::new(
        Scripted::polled(reads, &[]),
        Writer(Scripted::polled(&[], writes).flushing(flushes)),
    );
    let turn = polled::serve(&mut session(), &mut polled_io, Instant::ZERO, usize::MAX);
    assert_eq!(turn, polled::Turn::Ended(blocking));
    let (blocking_output, output) = (blocking_io.writer.0.output, polled_io.writer.0.output);
    assert_eq!(blocking_output, output);
    (blocking, output)
}

#[test]
fn two_halves_with_errors_of_their_own_are_served() {
    let lines = [Gives(b"one\ntwo"), Zero];
    let both = b"one\ntwo".to_vec();
    assert_eq!(joined(&lines, &[], &[]), (Reason::PeerClosed, both));
    let reset = [Fails(ErrorKind::ConnectionReset)];
    assert_eq!(joined(&reset, &[], &[]), (Reason::Reset, vec![]));
    assert_eq!(joined(&lines, &reset, &[]), (Reason::Reset, vec![]));
    let all = b"one\n".to_vec();
    let failed = [Fails(ErrorKind::TimedOut)];
    let line = [Gives(b"one\n"), Zero];
    let timed_out = Reason::Failed(ErrorKind::TimedOut);
    assert_eq!(joined(&line, &[], &failed), (timed_out, all));
}

#[test]
fn halves_say_themselves_whether_they_are_ready() {
    let mut io = Join::new(
        Scripted::polled(&[Gives(b"one\n")], &[]),
        Writer(Scripted::polled(&[], &[NotReady])),
    );
    let mut session = session();
    for write in [true, false] {
        assert_eq!(
            polled::serve(&mut session, &mut io, Instant::ZERO, 100),
            polled::Turn::Wait {
                read: true,
                write,
                until: None
            }
        );
    }
    let mut io = Join::new(
        Scripted::polled(&[FailsToAsk(ErrorKind::Other)], &[]),
        Writer(Scripted::polled(&[], &[FailsToAsk(ErrorKind::TimedOut)])),
    );
    assert_eq!(io.read_ready(), Err(ErrorKind::Other));
    assert_eq!(io.write_ready(), Err(ErrorKind::TimedOut));
}

/// An empty packet is not the end; `Other` is a timeout; the peer's goodbye is the end.
fn meaning(result: Result<usize, ErrorKind>) -> Result<usize, ErrorKind> {
    match result {
        Ok(0) => Err(ErrorKind::Interrupted),
        Err(ErrorKind::Other) => Err(ErrorKind::TimedOut),
        Err(ErrorKind::NotConnected) => Ok(0),
        result => result,
    }
}

fn interpreted(reads: &[Step], writes: &[Step], flushes: &[Step]) -> (Reason, Vec<u8>) {
    let mut io = Scripted::blocking(reads, writes).flushing(flushes);
    let blocking = blocking::serve(&mut session(), &mut Interpret::new(&mut io, meaning));
    let mut ready = Scripted::polled(reads, writes).flushing(flushes);
    let mut wrapped = Interpret::new(&mut ready, meaning);
    let mut session = session();
    let polled = (0..5).find_map(|_| {
        polled::serve(&mut session, &mut wrapped, Instant::ZERO, 100);
        session.ended()
    });
    assert_eq!(polled, Some(blocking));
    assert_eq!(ready.output, io.output);
    (blocking, io.output)
}

#[test]
fn the_caller_says_what_results_mean() {
    let goodbye = Fails(ErrorKind::NotConnected);
    let packets = [Gives(b"one\n"), Empty, Gives(b"two"), Empty, goodbye];
    let both = b"one\ntwo".to_vec();
    assert_eq!(interpreted(&packets, &[], &[]), (Reason::PeerClosed, both));

    let timed_out = Reason::Failed(ErrorKind::TimedOut);
    let other = [Fails(ErrorKind::Other)];
    let line = [Gives(b"one\n"), goodbye];
    let lost = b"one\n".to_vec();
    assert_eq!(interpreted(&other, &[], &[]), (timed_out, vec![]));
    assert_eq!(interpreted(&line, &other, &[]), (timed_out, vec![]));
    assert_eq!(interpreted(&line, &[], &other), (timed_out, lost));
}

#[test]
fn readiness_is_interpreted_too() {
    let ask = |kind| {
        let mut io = Scripted::polled(&[FailsToAsk(kind)], &[FailsToAsk(kind)]);
        let mut io = Interpret::new(&mut io, meaning);
        (io.read_ready(), io.write_ready())
    };
    let timed_out = Err(ErrorKind::TimedOut);
    assert_eq!(ask(ErrorKind::Other), (timed_out, timed_out));
    assert_eq!(ask(ErrorKind::NotConnected), (Ok(true), Ok(true)));
    let mut io = Scripted::polled(&[], &[Never]);
    let mut io = Interpret::new(&mut io, meaning);
    assert_eq!((io.read_ready(), io.write_ready()), (Ok(false), Ok(false)));
}

#[test]
fn an_error_of_another_call_than_a_read_may_be_none() {
    let goodbye = [Fails(ErrorKind::NotConnected)];
    let mut io = Scripted::blocking(&[], &goodbye).flushing(&goodbye);
    assert_eq!(Interpret::new(&mut io, meaning).write(b"one"), Ok(0));
    assert_eq!(io.write(b"one"), Ok(3));
    assert_eq!(Interpret::new(&mut io, meaning).flush(), Ok(()));
    assert!(io.holds_back());
}

#[test]
fn a_transport_that_is_not_flushed_is_itself_for_all_else() {
    let mut io = NoFlush(Scripted::polled(&[NotReady], &[NotReady]));
    assert_eq!((io.read_ready(), io.write_ready()), (Ok(false), Ok(false)));
    assert_eq!((io.read_ready(), io.write_ready()), (Ok(false), Ok(true)));
    assert_eq!(io.write(b"one"), Ok(3));
    assert_eq!(io.flush(), Ok(()));
    assert!(io.0.holds_back());
}

#[cfg(feature = "async")]
mod asynchronous {
    use super::*;
    use crate::asynchronous::{no_sleep, run};
    use linecho_core::asynchronous::serve;

    impl embedded_io_async::Write for Writer {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
            let written = embedded_io_async::Write::write(&mut self.0, bytes).await;
            written.map_err(Failure)
        }

        async fn flush(&mut self) -> Result<(), Failure> {
            let flushed = embedded_io_async::Write::flush(&mut self.0).await;
            flushed.map_err(Failure)
        }
    }

    fn served<T>(io: &mut T) -> Reason
    where
        T: embedded_io_async::Read + embedded_io_async::Write,
    {
        run(serve(&mut session(), io, || Instant::ZERO, no_sleep))
    }

    #[test]
    fn two_halves_with_errors_of_their_own_are_served() {
        let mut io = Join::new(
            Scripted::blocking(&[NotReady, Gives(b"one\ntwo"), Zero], &[]),
            Writer(Scripted::blocking(&[], &[NotReady])),
        );
        assert_eq!(served(&mut io), Reason::PeerClosed);
        assert_eq!(io.writer.0.output, b"one\ntwo");
        assert!(!io.writer.0.holds_back());
        let kind = ErrorKind::ConnectionReset;
        for (reads, writes, flushes) in [
            (Fails(kind), NotReady, NotReady),
            (Gives(b"\n"), Fails(kind), NotReady),
            (Gives(b"\n"), NotReady, Fails(kind)),
        ] {
            let mut io = Join::new(
                Scripted::blocking(&[reads, Never], &[]),
                Writer(Scripted::blocking(&[], &[writes]).flushing(&[flushes])),
            );
            assert_eq!(served(&mut io), Reason::Reset);
        }
    }

    #[test]
    fn the_caller_says_what_results_mean() {
        let goodbye = Fails(ErrorKind::NotConnected);
        let reads = [Gives(b"one\n"), Empty, Gives(b"two"), Empty, goodbye];
        let mut io = Scripted::blocking(&reads, &[]);
        let reason = served(&mut Interpret::new(&mut io, meaning));
        assert_eq!(
            (reason, &io.output[..]),
            (Reason::PeerClosed, &b"one\ntwo"[..])
        );
        let mut io = Scripted::blocking(&[Gives(b"one\n")], &[Fails(ErrorKind::Other)]);
        let reason = served(&mut Interpret::new(&mut io, meaning));
        assert_eq!(reason, Reason::Failed(ErrorKind::TimedOut));
        let mut io = Scripted::blocking(&[Gives(b"one\n")], &[]);
        io = io.flushing(&[Fails(ErrorKind::Other)]);
        let reason = served(&mut Interpret::new(&mut io, meaning));
        assert_eq!(reason, Reason::Failed(ErrorKind::TimedOut));
    }
}
