//! The administration interface: health, metrics, and a page that shows them live.
//!
//! It has a thread of its own, and serves until the process ends. It has no authentication.

mod http;

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use linecho_examples::listen_address::{ListenAddress, Place};
use linecho_examples::listeners;
use linecho_examples::log::{Level, Log};
use linecho_std::{Handle, Listener};

use crate::metrics;
use http::Response;

const PAGE: &str = include_str!("page.html");

const TEXT: &str = "text/plain; charset=utf-8";

/// The interface, while it serves.
pub(crate) struct Admin {
    listeners: Vec<Listener>,
    /// The thread stops accepting when this is closed.
    running: UnixStream,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Admin {
    /// Listens, or takes what listens there already out of `inherited`, and starts the thread.
    pub(crate) fn start(
        place: &Place,
        unix_mode: Option<u32>,
        inherited: &mut Vec<Listener>,
        server: Handle,
        log: &Log,
    ) -> io::Result<Self> {
        let address = ListenAddress {
            name: None,
            place: place.clone(),
        };
        let listeners = listeners::listen(&address, "--admin", unix_mode, inherited)?.sockets;
        for listener in &listeners {
            let endpoint = listener.address()?;
            if endpoint.ip().is_some_and(|ip| !ip.is_loopback()) {
                let text =
                    format!("{endpoint} (--admin) is open to others, without authentication");
                log.event(Level::Warning, &text, &[]);
            }
            let details = [("address", endpoint.to_string().into())];
            log.event(Level::Info, "administration", &details);
            rustix::io::ioctl_fionbio(listener, true)?;
        }
        let (running, stop) = UnixStream::pair()?;
        let own = duplicate(&listeners)?;
        let log = log.clone();
        let serve = move || http::serve(&own, &stop, |path| answer(path, &server, &log));
        let thread = thread::Builder::new().name("admin".into()).spawn(serve)?;
        Ok(Self {
            listeners,
            running,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Returns its sockets with descriptors of their own.
    pub(crate) fn duplicate_listeners(&self) -> io::Result<Vec<Listener>> {
        duplicate(&self.listeners)
    }

    /// Accepts no more, since the successor does, and waits until those who have asked have their
    /// answers: none of them says that the server is about to end.
    pub(crate) fn hand_over(&self) {
        // It cannot fail for a connected pair.
        let _ = self.running.shutdown(Shutdown::Both);
        let thread = self.thread.lock().map(|mut it| it.take());
        if let Ok(Some(thread)) = thread {
            // A panic in there has been reported.
            let _ = thread.join();
        }
    }
}

fn duplicate(listeners: &[Listener]) -> io::Result<Vec<Listener>> {
    let duplicate = |it: &Listener| Listener::from_fd(it.as_fd().try_clone_to_owned()?);
    listeners.iter().map(duplicate).collect()
}

fn answer(path: &str, server: &Handle, log: &Log) -> Response {
    let (status, content_type, body) = match path {
        "/" => ("200 OK", "text/html; charset=utf-8", PAGE.into()),
        "/healthz" => ("200 OK", TEXT, "ok\n".into()),
        "/readyz" if server.is_leaving() => {
            ("503 Service Unavailable", TEXT, "about to end\n".into())
        }
        "/readyz" => ("200 OK", TEXT, "ready\n".into()),
        "/metrics" => ("200 OK", metrics::CONTENT_TYPE, metrics::text(server, log)),
        _ => ("404 Not Found", TEXT, "not found\n".into()),
    };
    Response {
        status,
        content_type,
        body,
    }
}
