//! The server: how it is set up, and how it runs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linecho_core::{Config, Totals};
use mio::{Interest, Poll, Waker};
use slab::Slab;
use socket2::SockRef;

use crate::acceptor::Acceptor;
use crate::handle::{Handle, Shared};
use crate::listen::{ListenError, listen, set_options};
use crate::observer::Observer;
use crate::pool::Pool;
use crate::sweep::Sweep;
use crate::worker::{WAKE, Worker, listener_token};

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
pub struct Server {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

/// Connections that a worker has room for from the start. Memory for so many comes from the system page
/// by page as it is touched, and grows where it is; less would be moved again and again on its way up, and
/// leave holes behind that are as large as all connections together.
const ROOM_FROM_THE_START: usize = 4096;

/// How a [`Server`] is to be.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    session: Config,
    max_line: usize,
    max_connections: usize,
    workers: usize,
    drain_timeout: Duration,
    observer: Option<Arc<dyn Observer>>,
}

/// What became of a server that was shut down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What it has done.
    pub totals: Totals,
    /// What it had to cut.
    pub cut: Cut,
}

/// What was not done by the end of the drain timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Connections that were reset, since not all that was taken in had gone back.
    pub connections: usize,
    /// Bytes that their sessions still held. What the kernel had yet to deliver is lost with them,
    /// and is not known here: it counts as gone back.
    pub bytes: u64,
}

impl Builder {
    /// The policy and the deadlines of each session. Default: [`Config::new`].
    pub fn session(mut self, config: Config) -> Self {
        self.session = config;
        self
    }

    /// The longest line that goes back in one piece, in bytes with its `\n`: the size of a line buffer.
    /// A connection has one only while it holds bytes; a smaller one also makes reads smaller.
    /// Default: 64 KiB. At least 1, at most 4 GiB.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.max_line = bytes.clamp(1, u32::MAX as usize);
        self
    }

    /// How many connections may be open. More wait to be accepted, in the kernel's queue. Default: as
    /// many as there are file descriptors.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How many event loops serve, each on a thread of its own. Default, and meant by 0: one per core
    /// that the process may use.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// How long a shutdown waits for peers to take what is theirs. Default: 5 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Who is told what happens. Default: nobody.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// A server that listens on all these addresses. Port 0 becomes a free port.
    ///
    /// # Errors
    ///
    /// When it cannot listen on one of them, or [`serve`](Self::serve) fails.
    pub fn listen(
        self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Server, ListenError> {
        let mut last = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut listeners = Vec::new();
        for address in addresses {
            last = address;
            listeners.push(listen(address)?);
        }
        let failed = |source| ListenError {
            address: last,
            source,
        };
        self.serve(listeners).map_err(failed)
    }

    /// A server on sockets that listen already, made by [`listen`] or come from elsewhere.
    ///
    /// # Errors
    ///
    /// When the system has no more file descriptors or memory, or a socket does not listen.
    pub fn serve(self, listeners: impl IntoIterator<Item = TcpListener>) -> io::Result<Server> {
        let count = match self.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let polls = (0..count)
            .map(|_| Poll::new())
            .collect::<io::Result<Vec<_>>>()?;
        let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKE));
        let shared = Arc::new(Shared::new(wakers.collect::<io::Result<Vec<_>>>()?));

        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            set_options(&SockRef::from(&listener))?;
            let address = listener.local_addr()?;
            let mut listener = mio::net::TcpListener::from_std(listener);
            let token = listener_token(sockets.len());
            polls[0]
                .registry()
                .register(&mut listener, token, Interest::READABLE)?;
            addresses.push(address);
            sockets.push((listener, address));
        }

        let (outlets, inboxes): (Vec<_>, Vec<_>) = (1..count).map(|_| mpsc::channel()).unzip();
        let acceptor = Acceptor::new(
            shared.clone(),
            self.observer.clone(),
            self.max_connections,
            sockets,
            outlets,
        );
        let mut acceptor = Some(acceptor);
        let inboxes = std::iter::once(None).chain(inboxes.into_iter().map(Some));
        let worker = |(index, (poll, inbox))| Worker {
            index,
            shared: shared.clone(),
            observer: self.observer.clone(),
            config: self.session,
            drain_timeout: self.drain_timeout,
            poll,
            pool: Pool::new(self.max_line),
            connections: Slab::with_capacity(ROOM_FROM_THE_START),
            queue: Vec::new(),
            sweep: Sweep::new(),
            acceptor: acceptor.take(),
            inbox,
            drain: None,
            cut: Cut::default(),
        };
        let workers = polls
            .into_iter()
            .zip(inboxes)
            .enumerate()
            .map(worker)
            .collect();
        Ok(Server {
            addresses,
            shared,
            workers,
        })
    }
}

impl Server {
    /// A server with the defaults, to be changed.
    pub fn builder() -> Builder {
        Builder {
            session: Config::new(),
            max_line: 64 * 1024,
            max_connections: usize::MAX,
            workers: 0,
            drain_timeout: Duration::from_secs(5),
            observer: None,
        }
    }

    /// The addresses that it listens on, with their real ports, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle, to shut it down and to see what it does while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Serves, with this thread as the first worker, until a [`Handle`] shuts it down.
    ///
    /// # Errors
    ///
    /// When a worker cannot be started, or the system fails it while it runs.
    pub fn run(self) -> io::Result<Report> {
        let mut workers = self.workers.into_iter();
        let first = workers.next();
        let mut threads = Vec::new();
        let mut results = Vec::new();
        for worker in workers {
            let name = format!("worker {}", worker.index);
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

        let mut report = Report {
            totals: Handle(self.shared).totals(),
            cut: Cut::default(),
        };
        for cut in results {
            let cut = cut?;
            report.cut.connections += cut.connections;
            report.cut.bytes += cut.bytes;
        }
        Ok(report)
    }
}
