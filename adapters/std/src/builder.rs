//! The set-up of a server.

use std::io;
use std::iter;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linecho_core::Config;
use mio::{Poll, Waker};

use crate::acceptor::Acceptor;
use crate::listen::{listen, set_options};
use crate::listener::Listener;
use crate::observer::Observer;
use crate::peer_limit::PeerLimit;
use crate::recorder::Recorder;
use crate::server::Server;
use crate::settings::Settings;
use crate::shared::Shared;
#[cfg(unix)]
use crate::shutdown_stream::ShutdownStream;
use crate::spin::Spin;
use crate::start_error::StartError;
use crate::worker::{Source, WAKE, Worker, listener_token};

/// Configures a [`Server`].
#[derive(Default)]
#[must_use]
pub struct Builder {
    settings: Settings,
    observer: Option<Arc<dyn Observer>>,
    identify: Option<Arc<str>>,
    #[cfg(unix)]
    shutdown_on: Vec<(UnixStream, Duration)>,
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

    /// Sets for how long a worker goes on asking for events after the last one before it sleeps. A
    /// line that comes meanwhile goes back without waiting for a thread to wake up, which takes
    /// longer than to echo it; the worker has its core busy for that time. Choose a little more
    /// than the time from an echo to a client's next line, such as 50 µs on one machine.
    ///
    /// Has no effect with more workers than cores that the process may use
    /// ([`thread::available_parallelism`]). Default: zero, which is none.
    pub fn spin(mut self, time: Duration) -> Self {
        self.settings.spin = time;
        self
    }

    /// Limits how long a shutdown waits for peers to take their echo. `None` and zero mean no
    /// limit: only a second [`shutdown`](crate::Handle::shutdown) cuts then. Default: 5 s.
    pub fn drain_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.drain_timeout = not_zero(timeout);
        self
    }

    /// Sets the silence after which the kernel probes a peer (TCP keep-alive), in whole seconds, at
    /// most 32,767. The probes follow one another in a sixth of this time; after six without an
    /// answer the connection ends with [`Reason::Failed`](crate::Reason). So a peer that vanished
    /// is noticed after twice this time. A NAT on the way may forget a silent connection: choose
    /// less than it allows. `None` and zero mean no probes. Default: 60 s.
    pub fn keep_alive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.settings.keep_alive = not_zero(silence);
        self
    }

    /// Limits the connections of one peer that are open at the same time; more are reset. A peer is
    /// an IPv4 or a link-local address, or the network (/64) of any other IPv6 address. UNIX
    /// sockets have no limit. `None` and 0 mean no limit. Default: no limit.
    pub fn max_per_peer(mut self, connections: impl Into<Option<u32>>) -> Self {
        self.settings.max_per_peer = connections.into().filter(|&limit| limit > 0);
        self
    }

    /// Shuts the server down, as [`Handle::shutdown_after`](crate::Handle::shutdown_after) does,
    /// for each byte that comes on this stream. A signal handler may write there
    /// (`signal_hook::low_level::pipe::register` does), and needs no thread of its own to stop the
    /// server. May be called more than once.
    #[cfg(unix)]
    pub fn shutdown_on(mut self, stream: UnixStream, delay: Duration) -> Self {
        self.shutdown_on.push((stream, delay));
        self
    }

    /// Sets the observer, which learns what happens on the server. Default: none.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Has the server identify itself: each connection begins with one line of JSON, an
    /// [`Identity`](crate::Identity), with this name (at most 255 characters of it) and the
    /// addresses that the server sees. The echo follows. This one line is not in the contract of a
    /// line echo; `Client` takes it out. A session's counters do not count it.
    /// Default: no greeting.
    pub fn identify(mut self, name: &str) -> Self {
        self.identify = Some(name.into());
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
    pub fn on<L: Into<Listener>>(
        self,
        listeners: impl IntoIterator<Item = L>,
    ) -> Result<Server, StartError> {
        let settings = self.settings;
        let open = |listener: L| listener.into().open();
        let listeners: Result<Vec<_>, _> = listeners.into_iter().map(open).collect();
        let (mut sockets, infos): (Vec<_>, Vec<_>) = listeners?.into_iter().unzip();
        if sockets.is_empty() {
            return Err(StartError::NoListener);
        }

        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = match settings.workers {
            0 => cores,
            count => count,
        };
        let (polls, wakers) = event_loops(count).map_err(StartError::EventLoop)?;
        for (index, socket) in sockets.iter_mut().enumerate() {
            set_options(&socket.as_sock_ref(), settings.keep_alive);
            socket
                .register(polls[0].registry(), listener_token(index))
                .map_err(StartError::Socket)?;
        }

        let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
        let peer_limit = settings.max_per_peer.map(PeerLimit::new);
        let shared = Arc::new(Shared::new(infos, &sockets, wakers, peer_limit));
        let (outlets, inboxes): (Vec<_>, Vec<_>) = (1..count).map(|_| mpsc::channel()).unzip();
        let observer = self.observer;
        let acceptor = Acceptor::new(shared.clone(), observer.clone(), settings, sockets, outlets);
        let first = iter::once(Source::Acceptor(acceptor));
        let sources = first.chain(inboxes.into_iter().map(Source::Inbox));
        let worker = |(index, (poll, source))| {
            let recorder = Recorder::new(
                shared.clone(),
                index,
                observer.clone(),
                self.identify.clone(),
            );
            let spin = Spin::new(settings.spin, count, cores);
            Worker::new(
                index,
                shared.clone(),
                recorder,
                settings,
                poll,
                spin,
                source,
            )
        };
        #[cfg_attr(not(unix), expect(unused_mut))]
        let mut workers: Vec<Worker> = polls
            .into_iter()
            .zip(sources)
            .enumerate()
            .map(worker)
            .collect();
        #[cfg(unix)]
        for (stream, delay) in self.shutdown_on {
            ShutdownStream::new(stream, delay)
                .and_then(|stream| workers[0].watch(stream))
                .map_err(StartError::EventLoop)?;
        }
        Ok(Server::new(shared, workers))
    }
}

/// Returns a time that is not zero, which means no limit.
fn not_zero(time: impl Into<Option<Duration>>) -> Option<Duration> {
    time.into().filter(|time| !time.is_zero())
}

/// Makes the polls of so many workers, and their wakers.
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
