//! A server that runs beside a test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use linecho_std::{
    AcceptPaused, Builder, ConnectionInfo, Handle, Listener, Observer, Refusal, Report, Server,
    SessionEnd, listen,
};
use socket2::{Domain, SockRef, Socket, Type};

/// No wait takes longer, or its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The size of the kernel's buffers in each direction: small, so that a peer that does not read is
/// soon noticed.
const KERNEL_BUFFER: usize = 16 << 10;

/// A server that serves on a thread of its own. It is stopped when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) events: Receiver<Event>,
    thread: Option<JoinHandle<Report>>,
}

/// An event that the observer received.
#[derive(Debug)]
pub(crate) enum Event {
    Opened(Ends, Option<String>),
    Closed(Ends, SessionEnd),
    Refused(Ends, Refusal),
    Full(usize),
    Echoed(Ends, Vec<u8>),
}

/// The ends of a connection, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) peer: String,
    pub(crate) local: String,
    pub(crate) listener: String,
    pub(crate) relay: Option<String>,
}

impl Ends {
    fn of(connection: &ConnectionInfo<'_>) -> Self {
        Self {
            peer: connection.peer().to_string(),
            local: connection.local().to_string(),
            listener: connection.listener().name().into(),
            relay: connection.relay().map(|it| it.to_string()),
        }
    }
}

struct Recorder(Mutex<Sender<Event>>);

impl Recorder {
    fn record(&self, event: Event) {
        // A test that has failed listens no more.
        let _ = self.0.lock().unwrap().send(event);
    }
}

impl Observer for Recorder {
    fn opened(&self, connection: &ConnectionInfo<'_>) {
        let worker = thread::current().name().map(Into::into);
        self.record(Event::Opened(Ends::of(connection), worker));
    }

    fn closed(&self, connection: &ConnectionInfo<'_>, end: &SessionEnd) {
        self.record(Event::Closed(Ends::of(connection), *end));
    }

    fn refused(&self, connection: &ConnectionInfo<'_>, refusal: &Refusal) {
        self.record(Event::Refused(Ends::of(connection), *refusal));
    }

    fn accept_paused(&self, cause: &AcceptPaused) {
        if let AcceptPaused::MaxConnections(max) = cause {
            self.record(Event::Full(*max));
        }
    }

    fn wants_content(&self) -> bool {
        true
    }

    fn echoed(&self, connection: &ConnectionInfo<'_>, bytes: &[u8]) {
        self.record(Event::Echoed(Ends::of(connection), bytes.into()));
    }
}

/// A server that listens, and serves when it is [started](Listening::start).
pub(crate) struct Listening {
    pub(crate) server: Server,
    events: Receiver<Event>,
}

impl Listening {
    pub(crate) fn new(builder: Builder) -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = SockRef::from(&listener);
        socket.set_recv_buffer_size(KERNEL_BUFFER).unwrap();
        socket.set_send_buffer_size(KERNEL_BUFFER).unwrap();
        Self::on(builder, listener)
    }

    pub(crate) fn on(builder: Builder, listener: impl Into<Listener>) -> Self {
        Self::on_all(builder, vec![listener.into()])
    }

    pub(crate) fn on_all(builder: Builder, listeners: Vec<Listener>) -> Self {
        let (sender, events) = mpsc::channel();
        let recorder = Arc::new(Recorder(Mutex::new(sender)));
        let server = builder.observer(recorder).on(listeners).unwrap();
        Self { server, events }
    }

    pub(crate) fn start(self) -> Running {
        let Self { server, events } = self;
        let handle = server.handle();
        // One of a UNIX socket has none.
        let unspecified = ([0, 0, 0, 0], 0).into();
        let address = server.addresses().first().copied().unwrap_or(unspecified);
        let thread = thread::spawn(move || server.run().unwrap());
        Running {
            address,
            handle,
            events,
            thread: Some(thread),
        }
    }
}

impl Running {
    pub(crate) fn start(builder: Builder) -> Self {
        Listening::new(builder).start()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn join(mut self) -> Report {
        let thread = self.thread.take().unwrap();
        wait_until("the server has ended", || thread.is_finished());
        thread.join().unwrap()
    }

    /// The next event that the observer receives.
    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The end of the next session to end, whatever the observer receives before.
    pub(crate) fn closed(&self) -> SessionEnd {
        loop {
            if let Event::Closed(_, closed) = self.event() {
                return closed;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        self.handle.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `line` and expects it back.
pub(crate) fn echo(stream: &mut TcpStream, line: &[u8]) {
    stream.write_all(line).unwrap();
    expect(stream, line);
}

/// Expects exactly these bytes next.
pub(crate) fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert!(got == bytes, "{:?}", got.escape_ascii().to_string());
}

/// Everything up to the end of input.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

/// A connection with small buffers in the kernel.
pub(crate) fn slow_peer(server: &Running) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(KERNEL_BUFFER).unwrap();
    socket.set_send_buffer_size(KERNEL_BUFFER).unwrap();
    socket
        .connect_timeout(&server.address.into(), PATIENCE)
        .unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection that sends lines and reads nothing, up to where its session holds output and waits.
pub(crate) fn stuck_peer(server: &Running) -> TcpStream {
    let mut stream = slow_peer(server);
    // The kernel keeps less than half of this in both directions together, see socket(7) for how a
    // size is doubled. So all of it is sent only when the session holds the rest, and it has room
    // for that.
    let lines = b"a line that is not read\n".repeat(STUCK_MAX_LINE / 2 / 24);
    stream.write_all(&lines).unwrap();
    stream
}

/// For servers of a [`stuck_peer`].
pub(crate) const STUCK_MAX_LINE: usize = 1 << 20;

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "it took too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs one test in a process of its own under a command, with a variable set that tells it so.
#[cfg(unix)]
pub(crate) fn run_alone(
    command: &[&str],
    test: &str,
    variable: &str,
    value: &str,
) -> Result<(), String> {
    let output = std::process::Command::new(command[0])
        .args(&command[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(variable, value)
        .output()
        .map_err(|error| error.to_string())?;
    let texts = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    match output.status.success() && texts[0].contains("1 passed") {
        true => Ok(()),
        false => Err(texts.concat()),
    }
}
