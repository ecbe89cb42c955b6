//! Waiting until a server echoes.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::Client;
use super::cause::counted;
use super::connect::ClientBuilder;
use super::error::{Cause, ClientError, ConnectError};
use super::target::Target;

/// The pause after a failed attempt.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest time for one attempt: a server that starts may take a connection and forget it.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A server that echoed a line.
#[derive(Debug)]
#[non_exhaustive]
pub struct Waited {
    /// The connection on which the line came back.
    pub client: Client,
    /// The number of attempts that it took.
    pub attempts: u64,
    /// The time since the first attempt began.
    pub took: Duration,
    /// The round-trip time of the line.
    pub round_trip: Duration,
}

/// A server that did not echo in time.
#[derive(Debug)]
#[non_exhaustive]
pub struct WaitError {
    /// The number of attempts.
    pub attempts: u64,
    /// The time that was waited.
    pub waited: Duration,
    /// The trouble with the last attempt that had time enough.
    pub last: LastError,
}

/// The trouble with an attempt.
#[derive(Debug)]
pub enum LastError {
    /// No connection.
    Connect(ConnectError),
    /// No echo.
    Echo(ClientError),
}

impl WaitError {
    /// The reason of the last attempt in one word.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match &self.last {
            LastError::Connect(error) => error.cause(),
            LastError::Echo(error) => error.cause(),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, .. } = self;
        let waited = Duration::from_millis(self.waited.as_millis().try_into().unwrap_or(u64::MAX));
        write!(
            f,
            "no echo within {waited:?}, in {}; the last one: ",
            counted(*attempts, "attempt")
        )?;
        match &self.last {
            LastError::Connect(error) => write!(f, "{error}"),
            LastError::Echo(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for WaitError {}

impl ClientBuilder {
    /// Connects again and again until one line was echoed and verified, at most for `limit`; zero
    /// means no limit. The name is looked up for each attempt, since it may be new.
    ///
    /// # Errors
    ///
    /// [`WaitError`] with what was wrong last.
    pub fn wait_for_echo(
        &self,
        server: &impl Target,
        limit: Duration,
    ) -> Result<Waited, WaitError> {
        let began = Instant::now();
        let mut attempts = 0;
        let mut earlier = None;
        loop {
            attempts += 1;
            let left = limit.saturating_sub(began.elapsed());
            let attempt = match limit.is_zero() {
                true => ATTEMPT,
                false => whole_millis(left).clamp(Duration::from_millis(1), ATTEMPT),
            };
            let builder = self.clone().timeout(attempt).connect_timeout(attempt);
            let error = match server.connect(&builder) {
                Ok(mut client) => match client.echo(b"linecho wait") {
                    Ok(round_trip) => {
                        client.set_timeout(self.timeout);
                        return Ok(Waited {
                            client,
                            attempts,
                            took: began.elapsed(),
                            round_trip,
                        });
                    }
                    Err(error) => LastError::Echo(error),
                },
                Err(error) => LastError::Connect(error),
            };
            let last = more_telling(earlier, error, attempt);
            let waited = began.elapsed();
            if !limit.is_zero() && waited + PAUSE >= limit {
                return Err(WaitError {
                    attempts,
                    waited,
                    last,
                });
            }
            thread::sleep(PAUSE);
            earlier = Some(last);
        }
    }
}

/// Rounds up to milliseconds, since an error says how long nothing came.
fn whole_millis(time: Duration) -> Duration {
    let millis = time.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(millis.try_into().unwrap_or(u64::MAX))
}

/// Chooses between the errors of two attempts in a row: the later one, unless its attempt had so
/// little time left that it could find out nothing.
fn more_telling(earlier: Option<LastError>, later: LastError, attempt: Duration) -> LastError {
    match earlier {
        Some(earlier) if attempt < PAUSE => earlier,
        _ => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_without_time_does_not_hide_the_error_before() {
        let builder = Client::builder().connect_timeout(Duration::from_secs(60));
        let refused = || {
            let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = nobody.local_addr().unwrap();
            drop(nobody);
            LastError::Connect(builder.connect(address).unwrap_err())
        };
        let unknown = || LastError::Connect(builder.connect("[::1").unwrap_err());
        let is_refused =
            |error| matches!(error, LastError::Connect(error) if error.cause() == Cause::Refused);
        let short = Duration::from_millis(1);
        assert!(is_refused(more_telling(Some(refused()), unknown(), short)));
        assert!(!is_refused(more_telling(Some(refused()), unknown(), PAUSE)));
        assert!(is_refused(more_telling(None, refused(), short)));
    }
}
