//! An HTTP server for a handful of clients, of which none may hold up another.
//!
//! One thread serves all, a request for each connection. A client has [`LIMIT`] for all of it, and
//! when there are [`MOST_CLIENTS`], the next one takes the place of the one that has been there
//! longest: clients that open connections and do nothing cost neither threads nor descriptors, and
//! do not keep out others.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use linecho_std::Listener;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The most clients at a time.
pub(crate) const MOST_CLIENTS: usize = 32;
/// The time for a request and its answer.
const LIMIT: Duration = Duration::from_secs(5);
/// The most clients that are accepted in a turn, so that each has some turns before it has to make
/// room.
const ACCEPTS_PER_TURN: usize = 8;
/// The longest head of a request.
const LONGEST_HEAD: usize = 8192;
const MOST_HEADERS: usize = 64;
/// The pause after an accept that failed, for example for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// An answer to a request.
pub(crate) struct Response {
    pub(crate) status: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// A connection.
struct Client {
    /// A descriptor of any stream socket: reading, writing and shutdown do not look at the family.
    stream: UnixStream,
    end: Instant,
    stage: Stage,
}

enum Stage {
    Request(Vec<u8>),
    Answer {
        bytes: Vec<u8>,
        sent: usize,
    },
    /// All is sent, and the client has to close its side: a reset could destroy what is on its way.
    Closing,
}

/// Serves on these sockets until something comes on `stop` or its other end is closed, and then
/// until the clients of that time are done. `answer` gets the path.
pub(crate) fn serve(listeners: &[Listener], stop: &UnixStream, answer: impl Fn(&str) -> Response) {
    // In the order in which they came.
    let mut clients = VecDeque::new();
    let mut accepts = true;
    while accepts || !clients.is_empty() {
        let ready = wait(listeners, stop, &clients, accepts);
        if accepts {
            accepts = !ready.stop;
            for (listener, _) in listeners.iter().zip(ready.listeners).filter(|it| it.1) {
                accept(listener, &mut clients);
            }
        }
        let now = Instant::now();
        clients.retain_mut(|client| now < client.end && client.turn(&answer));
    }
}

/// What [`wait`] found.
struct Ready {
    stop: bool,
    listeners: Vec<bool>,
}

fn wait(
    listeners: &[Listener],
    stop: &UnixStream,
    clients: &VecDeque<Client>,
    accepts: bool,
) -> Ready {
    let mut sockets = Vec::new();
    if accepts {
        sockets.push(PollFd::new(stop, PollFlags::IN));
        sockets.extend(listeners.iter().map(|it| PollFd::new(it, PollFlags::IN)));
    }
    let others = sockets.len();
    sockets.extend(clients.iter().map(|it| {
        let events = match it.stage {
            Stage::Answer { .. } => PollFlags::OUT,
            Stage::Request(_) | Stage::Closing => PollFlags::IN,
        };
        PollFd::new(&it.stream, events)
    }));
    // The first one is the first to have had its time.
    let timeout = clients.front().and_then(|it| {
        let left = it.end.saturating_duration_since(Instant::now());
        Timespec::try_from(left).ok()
    });
    if let Err(error) = poll(&mut sockets, timeout.as_ref())
        && error != Errno::INTR
    {
        thread::sleep(PAUSE);
    }
    let mut ready = sockets[..others].iter().map(|it| !it.revents().is_empty());
    Ready {
        stop: ready.next() == Some(true),
        listeners: ready.collect(),
    }
}

/// Accepts some connections, which take the place of the oldest ones when there are too many.
fn accept(listener: &Listener, clients: &mut VecDeque<Client>) {
    for _ in 0..ACCEPTS_PER_TURN {
        let stream = match rustix::net::accept(listener) {
            Ok(descriptor) => UnixStream::from(descriptor),
            Err(Errno::WOULDBLOCK) => return,
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(_) => return thread::sleep(PAUSE),
        };
        if stream.set_nonblocking(true).is_err() {
            continue;
        }
        if clients.len() == MOST_CLIENTS {
            clients.pop_front();
        }
        clients.push_back(Client {
            stream,
            end: Instant::now() + LIMIT,
            stage: Stage::Request(Vec::new()),
        });
    }
}

impl Client {
    /// Goes on as far as that is possible at once. Returns `false` when it is done.
    fn turn(&mut self, answer: impl Fn(&str) -> Response) -> bool {
        loop {
            let result = match &mut self.stage {
                Stage::Request(head) => match read_some(&mut self.stream, head) {
                    Ok(0) => return false,
                    Ok(_) => {
                        if let Some(bytes) = respond(head, &answer) {
                            self.stage = Stage::Answer { bytes, sent: 0 };
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                Stage::Answer { bytes, sent } => match self.stream.write(&bytes[*sent..]) {
                    Ok(count) => {
                        *sent += count;
                        match *sent == bytes.len() {
                            true => {
                                self.stage = Stage::Closing;
                                self.stream.shutdown(Shutdown::Write)
                            }
                            false => Ok(()),
                        }
                    }
                    Err(error) => Err(error),
                },
                Stage::Closing => match self.stream.read(&mut [0; 1024]) {
                    Ok(0) => return false,
                    result => result.map(drop),
                },
            };
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() != ErrorKind::Interrupted => return false,
                _ => {}
            }
        }
    }
}

/// Reads what has come, behind what is there.
fn read_some(stream: &mut UnixStream, head: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; 1024];
    let count = stream.read(&mut bytes)?;
    head.extend(&bytes[..count]);
    Ok(count)
}

/// Returns the answer, as bytes, when the head of the request is complete.
fn respond(head: &[u8], answer: impl Fn(&str) -> Response) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refusal = |status| Response {
        status,
        content_type: "text/plain; charset=utf-8",
        body: format!("{status}\n"),
    };
    let response = match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < LONGEST_HEAD => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            refusal("431 Request Header Fields Too Large")
        }
        Err(_) => refusal("400 Bad Request"),
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default();
            let path = path.split(['?', '#']).next().unwrap_or_default();
            match request.method {
                Some("GET" | "HEAD") => answer(path),
                _ => refusal("405 Method Not Allowed"),
            }
        }
    };
    let Response {
        status,
        content_type,
        body,
    } = response;
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: {content_type}\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; connect-src 'self'\r\n\
         Allow: GET, HEAD\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    if request.method != Some("HEAD") {
        bytes += &body;
    }
    Some(bytes.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(path: &str) -> Response {
        Response {
            status: "200 OK",
            content_type: "text/plain",
            body: path.into(),
        }
    }

    fn response(head: &str) -> String {
        String::from_utf8(respond(head.as_bytes(), answer).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_answered_when_its_head_is_complete() {
        let head = "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..head.len() {
            assert!(respond(&head.as_bytes()[..length], answer).is_none());
        }
        let whole = response(head);
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"), "{whole}");
        assert!(whole.ends_with("\r\n\r\n/metrics"), "{whole}");
        assert!(whole.contains("\r\nContent-Length: 8\r\n"), "{whole}");
    }

    #[test]
    fn a_head_alone_has_no_body() {
        let alone = response("HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(alone.contains("\r\nContent-Length: 8\r\n"), "{alone}");
        assert!(alone.ends_with("\r\n\r\n"), "{alone}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let many = "X: y\r\n".repeat(MOST_HEADERS + 1);
        for (head, status) in [
            ("POST / HTTP/1.1\r\n\r\n".into(), "405"),
            ("hello\n".into(), "400"),
            ("\u{16}\u{3}\u{1}".into(), "400"),
            (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
            (format!("GET /{}", "x".repeat(LONGEST_HEAD)), "431"),
        ] {
            let refusal = response(&head);
            assert!(
                refusal.starts_with(&format!("HTTP/1.1 {status} ")),
                "{refusal}"
            );
        }
    }
}
