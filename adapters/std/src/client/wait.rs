//! Waiting until a server echoes.

use std::fmt;
use std::net::ToSocketAddrs;
use std::thread;
use std::time::{Duration, Instant};

use super::Client;
use super::connect::ClientBuilder;
use super::error::{Cause, ClientError, ConnectError};

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
    /// The trouble with the last attempt.
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
            "no echo within {waited:?}, in {attempts} attempts; the last one: "
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
        server: &(impl ToSocketAddrs + Clone + Send + 'static),
        limit: Duration,
    ) -> Result<Waited, WaitError> {
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let left = limit.saturating_sub(began.elapsed());
            let attempt = match limit.is_zero() {
                true => ATTEMPT,
                false => left.clamp(Duration::from_millis(1), ATTEMPT),
            };
            let builder = self.clone().timeout(attempt).connect_timeout(attempt);
            let last = match builder.connect(server.clone()) {
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
            let waited = began.elapsed();
            if !limit.is_zero() && waited + PAUSE >= limit {
                return Err(WaitError {
                    attempts,
                    waited,
                    last,
                });
            }
            thread::sleep(PAUSE);
        }
    }
}
