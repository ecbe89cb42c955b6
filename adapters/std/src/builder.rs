//! The set-up of a server.

use std::io;
use std::iter;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linecho_core::Config;
use mio::{Interest, Poll, Waker};
use socket2::SockRef;

use crate::acceptor::Acceptor;
use crate::handle::Shared;
use crate::listen::{listen, set_options};
use crate::observer::Observer;
use crate::recorder::Recorder;
use crate::server::Server;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::worker::{Source, WAKE, Worker, listener_token};

/// Configures a [`Server`].
#[derive(Clone, Default)]
#[must_use]
pub struct Builder {
    settings: Settings,
    observer: Option<Arc<dyn Observer>>,
}

impl Server {
    /// Begins the configuration of a server, with defaults everywhere.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Sets the policy and the deadlines of each session. Default: [`Config::new`].
    pub fn session(mut self, config: Config) -> Self {
        self.settings.session = config;
        self
    }

    /// Sets the longest line that goes back in one piece, in bytes with its `\n`: the size of a
    /// line buffer, from 1 byte to 4 GiB. A connection has a buffer only while it holds bytes. The
    /// size of a buffer is also the most that one read takes. Default: 64 KiB.
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.settings.max_line = bytes.clamp(1, u32::MAX as usize);
        self
    }

    /// Limits the connections that are open at the same time. More wait in the kernel's queue until
    /// one closes. Default: as many as there are file descriptors.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections;
        self
    }

    /// Sets the number of event loops, each on a thread of its own. 0, the default, means one per
    /// core that the process may use.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers;
        self
    }

    /// Limits how long a shutdown waits for peers to take their echo. Default: 5 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.settings.drain_timeout = timeout;
        self
    }

    /// Sets the observer, which learns what happens on the server. Default: none.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Makes a server that listens on all these addresses. Port 0 becomes a free port.
    ///
    /// # Errors
    ///
    /// [`StartError::NoListener`] without an address, [`StartError::Listen`] with the first address
    /// that it cannot listen on, and the errors of [`on`](Self::on).
    pub fn listen(
        self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Server, StartError> {
        let listeners: Result<Vec<_>, _> = addresses.into_iter().map(listen).collect();
        self.on(listeners?)
    }

    /// Makes a server on sockets that listen already: made by [`listen`], or inherited from a
    /// parent process. It sets them to non-blocking.
    ///
    /// # Errors
    ///
    /// [`StartError::NoListener`] without a socket; [`StartError::NotListening`] for a socket that
    /// is not in the state LISTEN (on macOS and Windows, where a socket does not tell, accepting
    /// fails later instead); [`StartError::Socket`] and [`StartError::EventLoop`] when the system
    /// is out of descriptors or memory.
    pub fn on(
        self,
        listeners: impl IntoIterator<Item = TcpListener>,
    ) -> Result<Server, StartError> {
        let listeners: Result<Vec<_>, _> = listeners.into_iter().map(prepare).collect();
        let mut listeners = listeners?;
        if listeners.is_empty() {
            return Err(StartError::NoListener);
        }
        let addresses = listeners.iter().map(|(_, address)| *address).collect();

        let workers = match self.settings.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let (polls, wakers) = event_loops(workers).map_err(StartError::EventLoop)?;
        for (index, (socket, _)) in listeners.iter_mut().enumerate() {
            polls[0]
                .registry()
                .register(socket, listener_token(index), Interest::READABLE)
                .map_err(StartError::Socket)?;
        }

        let shared = Arc::new(Shared::new(wakers));
        let (outlets, inboxes): (Vec<_>, Vec<_>) = (1..workers).map(|_| mpsc::channel()).unzip();
        let acceptor = Acceptor::new(
            shared.clone(),
            self.observer.clone(),
            self.settings.max_connections,
            listeners,
            outlets,
        );
        let sources =
            iter::once(Source::Acceptor(acceptor)).chain(inboxes.into_iter().map(Source::Inbox));
        let worker = |(index, (poll, source))| {
            let recorder = Recorder::new(shared.clone(), index, self.observer.clone());
            Worker::new(index, shared.clone(), recorder, self.settings, poll, source)
        };
        let workers = polls
            .into_iter()
            .zip(sources)
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

/// Makes a socket ready for the event loop, and finds its address.
fn prepare(listener: TcpListener) -> Result<(mio::net::TcpListener, SocketAddr), StartError> {
    let address = listener.local_addr().map_err(StartError::Socket)?;
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    if !SockRef::from(&listener)
        .is_listener()
        .map_err(StartError::Socket)?
    {
        return Err(StartError::NotListening(address));
    }
    listener.set_nonblocking(true).map_err(StartError::Socket)?;
    set_options(&SockRef::from(&listener));
    Ok((mio::net::TcpListener::from_std(listener), address))
}

/// Makes the polls of so many workers, and what wakes them.
fn event_loops(workers: usize) -> io::Result<(Vec<Poll>, Vec<Waker>)> {
    let mut polls = Vec::new();
    let mut wakers = Vec::new();
    for _ in 0..workers {
        let poll = Poll::new()?;
        wakers.push(Waker::new(poll.registry(), WAKE)?);
        polls.push(poll);
    }
    Ok((polls, wakers))
}
