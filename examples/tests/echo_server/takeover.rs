//! Servers that follow one another at a path.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::kit::{PATIENCE, Path, Server, command, connect, echo_of, get, lines, run, wait};

/// A server that takes over at a path.
fn successor(path: &Path, arguments: &[&str]) -> Command {
    let mut command = command();
    command.args(["--takeover", path.text()]).args(arguments);
    command
}

/// Waits until a server has ended after it was taken over.
fn taken_over(server: Server) -> Vec<String> {
    let (status, log) = server.end();
    assert!(status.success(), "{log:?}");
    assert!(
        log.iter().any(|line| line.contains("taken over")),
        "{log:?}"
    );
    log
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The counts of clients that connect, send a line and close.
#[derive(Debug, Default)]
struct Seen {
    served: AtomicU64,
    refused: AtomicU64,
    reset: AtomicU64,
    other: AtomicU64,
}

impl Seen {
    fn count(&self, result: &io::Result<()>) {
        let counter = match result.as_ref().map_err(io::Error::kind) {
            Ok(()) => &self.served,
            Err(ErrorKind::ConnectionRefused) => &self.refused,
            Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => &self.reset,
            Err(_) => &self.other,
        };
        counter.fetch_add(1, SeqCst);
    }

    fn served(&self) -> u64 {
        self.served.load(SeqCst)
    }
}

fn exchange(mut peer: impl io::Read + io::Write) -> io::Result<()> {
    peer.write_all(b"a line\n")?;
    let mut echo = [0; 7];
    peer.read_exact(&mut echo)?;
    match &echo == b"a line\n" {
        true => Ok(()),
        false => Err(ErrorKind::InvalidData.into()),
    }
}

/// The new connections per second, all clients together, where the machine can.
const RATE: u32 = 2000;
const CLIENTS: u32 = 10;
const SUCCESSORS: usize = 5;

/// Servers follow one another at two TCP sockets and a UNIX socket, under new connections all the
/// time: none is refused, none is reset.
#[test]
fn successors_take_over_and_nobody_is_turned_away() {
    let (path, socket) = (Path::new("takeover"), Path::new("echo"));
    let unix = format!("unix:{}", socket.text());
    let start = |listen: [&str; 2]| {
        let [first, second] = listen;
        // A client of a busy machine may be slow to send its line.
        let mut command = successor(&path, &["--drain-delay", "5s"]);
        command.args(["--listen", first, "--listen", second, "--listen", &unix]);
        Server::start_command(&mut command, 2)
    };
    let first = start(["127.0.0.1:0", "127.0.0.2:0"]);
    let addresses = first.addresses.clone();
    let mut servers = vec![first];

    let (seen, done) = (Seen::default(), AtomicBool::new(false));
    let begin = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (seen, done, addresses, socket) = (&seen, &done, &addresses, &socket);
            scope.spawn(move || {
                for number in client.. {
                    if done.load(SeqCst) {
                        break;
                    }
                    let due = Duration::from_secs(1) * (number - client) / (RATE / CLIENTS);
                    thread::sleep(due.saturating_sub(begin.elapsed()));
                    seen.count(&match number % 3 {
                        2 => UnixStream::connect(&socket.0).and_then(exchange),
                        which => TcpStream::connect(addresses[which as usize]).and_then(exchange),
                    });
                }
            });
        }
        let named = addresses
            .iter()
            .map(SocketAddr::to_string)
            .collect::<Vec<_>>();
        for number in 0..SUCCESSORS {
            let before = seen.served();
            wait_until("they are served before", || seen.served() > before + 500);
            // Port 0 is the predecessor's.
            let next = match number % 2 {
                0 => start(["127.0.0.1:0", "127.0.0.2:0"]),
                _ => start([&named[0], &named[1]]),
            };
            assert_eq!(next.addresses, addresses);
            servers.push(next);
            let before = seen.served();
            wait_until("they are served after", || seen.served() > before + 500);
        }
        let last = servers.pop().unwrap();
        servers.drain(..).for_each(|old| drop(taken_over(old)));
        done.store(true, SeqCst);
        servers.push(last);
    });
    let rate = seen.served() as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:.0} new connections per second, {SUCCESSORS} successors: {seen:?}");
    let wrong = [&seen.refused, &seen.reset, &seen.other].map(|it| it.load(SeqCst));
    assert_eq!(wrong, [0; 3], "{seen:?}");
    assert!(path.0.exists() && socket.0.exists());
    let last = servers.pop().unwrap();
    last.signal(Signal::SIGTERM);
    last.signal(Signal::SIGTERM);
    assert!(last.end().0.success());
    assert!(!path.0.exists() && !socket.0.exists());
}

#[test]
fn a_successor_serves_what_its_options_name() {
    let (path, socket) = (Path::new("takeover"), Path::new("echo"));
    let unix = format!("old=unix:{}", socket.text());
    let listen = ["--listen", "web=127.0.0.1:0,127.0.0.2:0", "--listen", &unix];
    let old = Server::start_command(&mut successor(&path, &listen), 2);
    let (kept, left) = (old.addresses[0], old.addresses[1]);

    // One address as before but for relays, one new, two left.
    let listen = format!("relays={kept}");
    let options = ["--proxy-listen", &listen, "--listen", "127.0.0.3:0", "-v"];
    let new = Server::start_command(&mut successor(&path, &options), 2);
    let (added, relays) = (new.addresses[0], new.addresses[1]);
    assert_eq!(relays, kept);
    let line = new.log_line("no longer listening");
    assert!(line.contains(&left.to_string()), "{line}");
    assert!(new.log_line("no longer listening").contains(socket.text()));
    taken_over(old);
    assert!(!socket.0.exists());
    let error = TcpStream::connect(left).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 7\r\nx\n";
    assert_eq!(echo_of(connect(kept), header), "x\\n");
    let line = new.log_line("opened");
    assert!(line.contains("listener=relays"), "{line}");
    assert_eq!(echo_of(connect(added), b"y\n"), "y\\n");

    // Without options, all is served as it was.
    let last = Server::start_command(&mut successor(&path, &["-v"]), 2);
    assert_eq!(last.addresses, [added, kept]);
    taken_over(new);
    assert_eq!(echo_of(connect(kept), header), "x\\n");
    assert!(last.log_line("opened").contains("listener=relays"));
}

/// It speaks to a server as a successor does, up to a point.
fn half_a_successor(path: &Path) -> UnixStream {
    let mut stream = path.connect();
    // The sockets come.
    stream.read_exact(&mut [0; 3]).unwrap();
    stream
}

#[test]
fn a_successor_that_dies_in_the_middle_changes_nothing() {
    let path = Path::new("takeover");
    let old = Server::start_command(&mut successor(&path, &["--listen", "127.0.0.1:0"]), 1);
    drop(half_a_successor(&path));
    let line = old.log_line("cannot hand over");
    assert!(
        line.contains("the successor ended before it served"),
        "{line}"
    );
    assert_eq!(echo_of(old.connect(), b"x\n"), "x\\n");

    // One whose other options are wrong.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap().to_string();
    let failed = run(&["--takeover", path.text(), "--admin", &admin]);
    assert_eq!(failed.status.code(), Some(1));
    old.log_line("cannot hand over");
    assert_eq!(echo_of(old.connect(), b"x\n"), "x\\n");

    let address = old.addresses[0];
    let new = Server::start_command(&mut successor(&path, &[]), 1);
    assert_eq!(new.addresses, [address]);
    taken_over(old);
    assert_eq!(echo_of(new.connect(), b"x\n"), "x\\n");
}

#[test]
fn successors_at_the_same_time_follow_one_another() {
    let path = Path::new("takeover");
    let old = Server::start_command(&mut successor(&path, &["--listen", "127.0.0.1:0"]), 1);
    let address = old.addresses[0];
    // It holds the others up until all of them wait.
    let first = half_a_successor(&path);
    let mut starting: Vec<_> = (0..3)
        .map(|_| {
            let mut command = successor(&path, &[]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let output = lines(process.stdout.take().unwrap());
            let log = lines(process.stderr.take().unwrap());
            (process, output, log)
        })
        .collect();
    drop(first);
    // Whichever comes last serves, and the others were servers for a while.
    for (_, output, _) in &starting {
        let line = output.recv_timeout(PATIENCE).unwrap();
        assert_eq!(line, format!("listening {address}"));
    }
    taken_over(old);
    wait_until("all but one have ended", || {
        starting.retain_mut(|(process, _, _)| process.try_wait().unwrap().is_none());
        starting.len() == 1
    });
    assert_eq!(echo_of(connect(address), b"x\n"), "x\\n");
    let mut last = starting.pop().unwrap().0;
    let pid = nix::unistd::Pid::from_raw(last.id().cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert!(wait(&mut last).unwrap().success());
    assert!(!path.0.exists());
}

/// The path of a server that was killed is there, and nobody waits.
#[test]
fn a_path_that_is_stale_is_taken() {
    let path = Path::new("takeover");
    let mut killed = Server::start_command(&mut successor(&path, &["--listen", "127.0.0.1:0"]), 1);
    killed.process.kill().unwrap();
    killed.process.wait().unwrap();
    assert!(path.0.exists());
    let listen = killed.addresses[0].to_string();
    let server = Server::start_command(&mut successor(&path, &["--listen", &listen]), 1);
    assert_eq!(echo_of(server.connect(), b"x\n"), "x\\n");
    let next = Server::start_command(&mut successor(&path, &[]), 1);
    taken_over(server);
    assert_eq!(echo_of(next.connect(), b"x\n"), "x\\n");
}

/// A server that is about to end closes its sockets, so that others may be opened, but not the way
/// to its place.
#[test]
fn a_server_that_is_about_to_end_leaves_its_place() {
    let path = Path::new("takeover");
    let old = Server::start_command(&mut successor(&path, &["--listen", "127.0.0.1:0"]), 1);
    let mut open = old.connect();
    open.write_all(b"x\n").unwrap();
    open.read_exact(&mut [0; 2]).unwrap();
    // This one holds the stop up, since it does not read.
    let rest = vec![b'\n'; 8 << 20];
    open.set_nonblocking(true).unwrap();
    while open.write(&rest).is_ok() {}
    old.signal(Signal::SIGTERM);
    old.log_line("shutting down");
    wait_until("the kernel takes no connection any more", || {
        TcpStream::connect(old.addresses[0]).is_err()
    });
    let listen = old.addresses[0].to_string();
    let new = Server::start_command(&mut successor(&path, &["--listen", &listen]), 1);
    assert_eq!(echo_of(new.connect(), b"y\n"), "y\\n");
    drop(open);
    old.log_line("taken over");
    drop(old.end());
    assert!(path.0.exists());
}

#[test]
fn what_is_no_server_of_ours_is_named() {
    let path = Path::new("takeover");
    std::fs::write(&path.0, "a file of somebody").unwrap();
    let output = run(&["--takeover", path.text(), "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains("choose another path"),
        "{text}"
    );
    assert_eq!(std::fs::read(&path.0).unwrap(), b"a file of somebody");
    std::fs::remove_file(&path.0).unwrap();

    // A later version, whose hand-over this one does not know.
    let other = UnixListener::bind(&path.0).unwrap();
    let answer = thread::spawn(move || other.accept().unwrap().0.write_all(&[9, 0, 1]).unwrap());
    let output = run(&["--takeover", path.text(), "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains("version 9"),
        "{text}"
    );
    answer.join().unwrap();
}

/// What a balancer asks never says that the address is about to end.
#[test]
fn the_administration_is_handed_over_too() {
    let (path, admin) = (Path::new("takeover"), Path::new("admin"));
    let place = format!("unix:{}", admin.text());
    let options = ["--listen", "127.0.0.1:0", "--admin", &place];
    let mut server = Server::start_command(&mut successor(&path, &options), 1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(SeqCst) {
                assert_eq!(get(admin.connect(), "/readyz"), (200, "ready\n".into()));
                asked += 1;
            }
            asked
        });
        for _ in 0..3 {
            let next = Server::start_command(&mut successor(&path, &options), 1);
            taken_over(std::mem::replace(&mut server, next));
        }
        done.store(true, SeqCst);
        assert!(asking.join().unwrap() > 10);
    });
    assert!(admin.0.exists());
}
