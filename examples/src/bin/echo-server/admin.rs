//! The administration interface: health, metrics, and a page that shows them live.
//!
//! It has threads of its own, and serves until the process ends. It has no authentication.

use std::io::{self, Cursor};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use linecho_examples::listen_address::{ListenAddress, Place};
use linecho_examples::listeners;
use linecho_examples::log::{Level, Log};
use linecho_std::{Endpoint, Handle};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::metrics;

const PAGE: &str = include_str!("page.html");

/// The interface, before it listens.
pub(crate) struct Admin {
    place: Place,
    unix_mode: Option<u32>,
    server: Handle,
    log: Log,
}

/// The pause between two attempts to listen on an address that another server still has.
const RETRY: Duration = Duration::from_millis(200);

impl Admin {
    pub(crate) fn new(place: Place, unix_mode: Option<u32>, server: Handle, log: Log) -> Self {
        Self {
            place,
            unix_mode,
            server,
            log,
        }
    }

    /// Listens, and starts the threads.
    pub(crate) fn start(&self) -> io::Result<()> {
        let address = ListenAddress {
            name: None,
            place: self.place.clone(),
        };
        for listener in listeners::listen(&address, self.unix_mode)?.sockets {
            let endpoint = listener.address()?;
            if endpoint.ip().is_some_and(|ip| !ip.is_loopback()) {
                let text =
                    format!("{endpoint} (--admin) is open to others, without authentication");
                self.log.event(Level::Warning, &text, &[]);
            }
            let details = [("address", endpoint.to_string().into())];
            self.log.event(Level::Info, "administration", &details);
            let descriptor = OwnedFd::from(listener);
            let socket: tiny_http::Listener = match endpoint {
                Endpoint::Ip(_) => TcpListener::from(descriptor).into(),
                _ => UnixListener::from(descriptor).into(),
            };
            let http = Server::from_listener(socket, None).map_err(io::Error::other)?;
            let (server, log) = (self.server.clone(), self.log.clone());
            let serve = move || {
                for request in http.incoming_requests() {
                    answer(request, &server, &log);
                }
            };
            thread::Builder::new().name("admin".into()).spawn(serve)?;
        }
        Ok(())
    }

    /// Starts a thread that listens as soon as another server no longer does.
    pub(crate) fn start_later(self) -> io::Result<()> {
        let wait = move || {
            loop {
                match self.start() {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(RETRY),
                    Err(error) => {
                        let text = format!("cannot start --admin: {error}");
                        return self.log.event(Level::Warning, &text, &[]);
                    }
                    Ok(()) => return,
                }
            }
        };
        thread::Builder::new().name("admin".into()).spawn(wait)?;
        Ok(())
    }
}

type Body = Response<Cursor<Vec<u8>>>;

fn answer(request: Request, server: &Handle, log: &Log) {
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let response = match (request.method(), path) {
        (Method::Get | Method::Head, "/") => with_type(PAGE, "text/html; charset=utf-8"),
        (Method::Get | Method::Head, "/healthz") => text("ok\n"),
        (Method::Get | Method::Head, "/readyz") => match server.is_leaving() {
            false => text("ready\n"),
            true => text("about to end\n").with_status_code(503),
        },
        (Method::Get | Method::Head, "/metrics") => {
            with_type(&metrics::text(server, log), metrics::CONTENT_TYPE)
        }
        (Method::Get | Method::Head, _) => text("not found\n").with_status_code(404),
        _ => text("only GET and HEAD\n").with_status_code(405),
    };
    // A client that does not wait for its answer has none.
    let _ = request.respond(response);
}

fn text(text: &str) -> Body {
    with_type(text, "text/plain; charset=utf-8")
}

fn with_type(text: &str, content_type: &str) -> Body {
    let headers = [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        ),
    ];
    headers
        .into_iter()
        .fold(
            Response::from_string(text),
            |response, (name, value)| match Header::from_bytes(name, value) {
                Ok(header) => response.with_header(header),
                Err(()) => response,
            },
        )
}
