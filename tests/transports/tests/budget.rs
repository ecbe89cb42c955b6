//! A connection that is always ready, beside another future in the same task.

use std::convert::Infallible;
use std::future::ready;

use linecho_core::embedded_io::ErrorType;
use linecho_core::{Config, Instant, Session, asynchronous};

const LINE: &[u8] = b"a line\n";
const BUFFER: usize = 1024;

/// A transport whose peer always sends and always reads.
#[derive(Default)]
struct AlwaysReady {
    reads: usize,
}

impl ErrorType for AlwaysReady {
    type Error = Infallible;
}

impl embedded_io_async::Read for AlwaysReady {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        self.reads += 1;
        // Without a budget the test would never end.
        if self.reads > 1_000_000 {
            return Ok(0);
        }
        let n = LINE.len().min(buffer.len());
        buffer[..n].copy_from_slice(&LINE[..n]);
        Ok(n)
    }
}

impl embedded_io_async::Write for AlwaysReady {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[tokio::test]
async fn another_future_runs_after_one_budget() {
    let mut session = Session::new([0; BUFFER], Config::new(), Instant::ZERO);
    let budget = session.turn_budget();
    let mut io = AlwaysReady::default();
    let (now, no_sleep) = (|| Instant::ZERO, async |_| unreachable!("no deadlines"));
    tokio::select! {
        biased;
        reason = asynchronous::serve(&mut session, &mut io, now, no_sleep) => {
            panic!("it did not yield before it ended: {reason}")
        }
        () = ready(()) => {}
    }
    assert!(
        io.reads * LINE.len() <= budget,
        "{} reads of {budget} bytes",
        io.reads
    );
}
