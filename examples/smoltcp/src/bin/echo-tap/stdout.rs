//! Stdout for a capture, whose reader may pause without going away.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use linecho_devices::{Interest, wait};
use nix::libc::PIPE_BUF;

use crate::signals::Signals;

/// How long the reader is waited for after a signal.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Stdout, which waits for its reader, though not for ever when a signal has come: a write that blocks
/// could be ended by force only.
#[derive(Debug)]
pub(crate) struct Stdout {
    file: File,
    signals: OwnedFd,
}

impl Stdout {
    /// Stdout of this program.
    ///
    /// # Errors
    ///
    /// When it is closed, or the process has no file descriptors left.
    pub(crate) fn new(signals: &Signals) -> io::Result<Self> {
        Self::over(io::stdout().as_fd().try_clone_to_owned()?.into(), signals)
    }

    fn over(file: File, signals: &Signals) -> io::Result<Self> {
        let signals = signals.as_fd().try_clone_to_owned()?;
        Ok(Self { file, signals })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stdout = Interest::read_write(&self.file, true);
        loop {
            let [is_ready, is_signalled] = wait([stdout, Interest::read(&self.signals)], None)?;
            if is_ready {
                // A pipe that poll(2) calls ready has room for so much.
                return self.file.write(&bytes[..bytes.len().min(PIPE_BUF)]);
            }
            if is_signalled && wait([stdout], Some(LAST_WAIT))? == [false] {
                let kind = io::ErrorKind::TimedOut;
                return Err(io::Error::new(
                    kind,
                    "nobody reads it, and it is time to end",
                ));
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_signal_ends_the_wait_for_a_reader_that_has_stopped() {
        // Until they are taken, they count as having come.
        let signals = Signals::handle().expect("there are file descriptors");
        let (mut reader, pipe) = io::pipe().expect("there are file descriptors");
        let pipe = File::from(OwnedFd::from(pipe));
        let mut stdout = Stdout::over(pipe, &signals).expect("there are file descriptors");
        let mut written = 0;
        let error = loop {
            match stdout.write(&[7; 10_000]) {
                Ok(len) => written += len,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(written >= PIPE_BUF, "{written}");

        // The reader may go on.
        let mut bytes = vec![0; written];
        reader.read_exact(&mut bytes).expect("so much was written");
        assert!(bytes.iter().all(|byte| *byte == 7));
        assert!(stdout.write(b"more").is_ok());
    }
}
