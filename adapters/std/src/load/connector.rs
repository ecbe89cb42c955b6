//! Makes connections in threads, with all that a client's builder can do, while others are served.

use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

use super::{Load, Place};
use crate::ConnectError;

/// The number of attempts that go on at the same time.
const THREADS: usize = 8;

/// A connection that is wanted: for which place, and not before when.
struct Job {
    place: usize,
    not_before: Instant,
}

/// An attempt that is over.
pub(super) struct Attempt {
    pub(super) place: usize,
    pub(super) result: Result<TcpStream, ConnectError>,
}

pub(super) struct Connector {
    jobs: Sender<Job>,
    attempts: Receiver<Attempt>,
}

impl Connector {
    /// Starts the threads; they end when this is dropped and their last attempt is over.
    pub(super) fn start(load: &Load, waker: &Arc<Waker>) -> io::Result<Self> {
        let (jobs, wanted) = channel::<Job>();
        let wanted = Arc::new(Mutex::new(wanted));
        let (done, attempts) = channel();
        for _ in 0..THREADS.min(load.connections) {
            let (wanted, done, waker) = (Arc::clone(&wanted), done.clone(), Arc::clone(waker));
            let load = load.clone();
            let work = move || {
                loop {
                    let job = wanted.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Job { place, not_before }) = job else {
                        return;
                    };
                    thread::sleep(not_before.saturating_duration_since(Instant::now()));
                    let result = connect(&load, place);
                    if done.send(Attempt { place, result }).is_err() || waker.wake().is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().name("connect".into()).spawn(work)?;
        }
        Ok(Self { jobs, attempts })
    }

    /// Asks for a connection, not before this time is over.
    pub(super) fn want(&self, place: usize, after: Duration) {
        let not_before = Instant::now() + after;
        // The threads live as long as this.
        let _ = self.jobs.send(Job { place, not_before });
    }

    /// Returns the next attempt that is over.
    pub(super) fn next(&self) -> Option<Attempt> {
        self.attempts.try_recv().ok()
    }
}

fn connect(load: &Load, place: usize) -> Result<TcpStream, ConnectError> {
    match &load.place {
        Place::Unix(path) => load.builder.unix_stream(path),
        Place::Tcp(addresses) => match load.sources.len() {
            0 => load.builder.connect_stream(addresses),
            n => {
                let source = load.sources[place % n];
                load.builder
                    .clone()
                    .source(source)
                    .connect_stream(addresses)
            }
        },
    }
}
