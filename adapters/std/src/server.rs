//! A server that listens and serves.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use crate::endpoint::Endpoint;
use crate::handle::Handle;
use crate::listener::ListenerInfo;
use crate::report::{Report, Unfinished};
use crate::shared::{Phase, Shared};
use crate::worker::Worker;

/// An echo server that listens, and serves once it [runs](Self::run).
///
/// ```
/// use linecho_std::Server;
/// use std::io::{Read, Write};
/// use std::net::{Shutdown, TcpStream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder().listen(["127.0.0.1:0".parse()?])?;
/// let (address, handle) = (server.addresses()[0], server.handle());
/// let running = std::thread::spawn(|| server.run());
///
/// let mut peer = TcpStream::connect(address)?;
/// peer.write_all(b"a line\nand a rest")?;
/// peer.shutdown(Shutdown::Write)?;
/// let mut echo = String::new();
/// peer.read_to_string(&mut echo)?;
/// assert_eq!(echo, "a line\nand a rest");
///
/// handle.shutdown();
/// let report = running.join().expect("it does not panic")?;
/// assert_eq!(report.totals.counters.lines, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a server serves nobody before it runs"]
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

impl Server {
    pub(crate) fn new(shared: Arc<Shared>, workers: Vec<Worker>) -> Self {
        let endpoints = shared.listeners.iter().map(ListenerInfo::address);
        Self {
            addresses: endpoints.filter_map(Endpoint::socket_addr).collect(),
            shared,
            workers,
        }
    }

    /// Returns the listeners, in the order in which they were given.
    #[must_use]
    pub fn listeners(&self) -> &[ListenerInfo] {
        &self.shared.listeners
    }

    /// Returns the IP addresses that the server listens on, with their real ports, in the order in
    /// which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns a handle that shows what the server does while it runs, and shuts it down.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Serves, with this thread as the first worker, until a [`Handle`] shuts it down.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread for a worker, or waiting for events has
    /// failed for ten seconds.
    pub fn run(self) -> io::Result<Report> {
        let mut workers = self.workers.into_iter();
        let first = workers.next();
        let mut threads = Vec::new();
        let mut results = Vec::new();
        for (worker, number) in workers.zip(1..) {
            let name = format!("worker {number}");
            match thread::Builder::new().name(name).spawn(|| worker.run()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    self.shared.stop();
                    results.push(Err(error));
                    break;
                }
            }
        }
        results.extend(first.map(Worker::run));
        for thread in threads {
            let panicked = |_| Err(io::Error::other("a worker panicked"));
            results.push(thread.join().unwrap_or_else(panicked));
        }

        let mut unfinished = Unfinished::default();
        for result in results {
            unfinished.add(result?);
        }
        Ok(Report {
            hurried: self.shared.phase() == Phase::Stopping,
            totals: Handle(self.shared).totals(),
            unfinished,
        })
    }
}
