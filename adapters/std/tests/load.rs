//! The load on servers that are right, wrong, slow or gone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use linecho_std::load::{Length, Load, Sample};
use linecho_std::{Cause, Client, Handle, Server};

const LIMIT: Duration = Duration::from_secs(30);

/// An echo that runs until this is dropped.
struct Echo(SocketAddr, Handle);

impl Echo {
    fn start() -> Self {
        let server = Server::builder().listen(["127.0.0.1:0".parse().unwrap()]);
        let server = server.unwrap();
        let echo = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run());
        echo
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.1.shutdown();
        self.1.shutdown();
    }
}

/// Serves each connection in a thread.
fn server(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn load(address: SocketAddr) -> Load {
    Load::new(&Client::builder().timeout(LIMIT), &[address])
}

#[test]
fn all_lines_of_all_connections_are_verified() {
    let echo = Echo::start();
    for (connections, in_flight, size) in [(1, 1, 1), (3, 1024, 2), (20, 16, 64), (4, 4, 100_000)] {
        let mut samples = 0;
        let stats = load(echo.0)
            .connections(connections)
            .in_flight(in_flight)
            .size(size)
            .length(Length::Lines(2_000))
            .run(|_| samples += 1, |_| ())
            .unwrap();
        assert_eq!((stats.sent, stats.lines, samples), (2_000, 2_000, 2_000));
        assert_eq!(stats.bytes, 2_000 * size as u64);
        assert_eq!(
            (stats.failed(), stats.lost, stats.unsent),
            (0, 0, 0),
            "{stats:?}"
        );
    }
}

#[test]
fn a_wrong_byte_is_a_mismatch_and_lines_with_it_are_lost() {
    let address = server(|mut stream| {
        let mut line = [0; 64];
        while stream.read_exact(&mut line).is_ok() {
            line[40] ^= 1;
            let _ = stream.write_all(&line);
        }
    });
    let load = load(address)
        .in_flight(4)
        .length(Length::Time(Duration::from_millis(50)));
    let stats = load.run(|_| panic!("it is wrong"), |_| ()).unwrap();
    assert_eq!(stats.lines, 0);
    assert!(
        stats.failures[&Cause::Mismatch] >= 1 && stats.lost >= 1,
        "{stats:?}"
    );
    let expected = r#"line 1, byte 41: expected "0 000000000001 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv\n", "#;
    let came = r#"but "0 000000000001 abcdefghijklmnopqrstuvwxy{abcdefghijklmnopqrstuv\n"#;
    let reason = stats.first_failure.unwrap();
    assert!(reason.starts_with(&format!("{expected}{came}")), "{reason}");
}

#[test]
fn a_line_that_is_wrong_is_shown_whole_however_it_came() {
    // The second line comes in pieces, of which the last is wrong.
    let address = server(|mut stream| {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        stream.read_exact(&mut first).unwrap();
        stream.write_all(&first).unwrap();
        stream.read_exact(&mut second).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in &second[..20] {
            stream.write_all(&[*byte]).unwrap();
        }
        stream.write_all(b"\x1b[2J\xff").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let stats = load(address)
        .size(32)
        .length(Length::Time(Duration::from_millis(200)))
        .run(|_| (), |_| ())
        .unwrap();
    let reason = stats.first_failure.unwrap();
    let both = r#"line 2, byte 21: expected "0 000000000002 abcdefghijklmnop\n", but "0 000000000002 abcde\u{1b}[2J\xff" came"#;
    assert!(reason.starts_with(both), "{reason}");
}

#[test]
fn what_nobody_asked_for_is_shown() {
    let address = server(|mut stream| {
        let mut line = [0; 64];
        stream.read_exact(&mut line).unwrap();
        stream.write_all(&[&line[..], b"more\n"].concat()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let load = load(address).length(Length::Time(Duration::from_millis(100)));
    let stats = load.run(|_| (), |_| ()).unwrap();
    let reason = stats.first_failure.unwrap();
    assert!(reason.contains(r#" "more\n" "#), "{reason}");
}

#[test]
fn another_service_is_named() {
    let address = server(|mut stream| {
        stream.read_exact(&mut [0; 64]).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let load = load(address).length(Length::Time(Duration::from_millis(50)));
    let stats = load.run(|_| panic!("it is none"), |_| ()).unwrap();
    assert!(stats.failures[&Cause::NotAnEcho] >= 1, "{stats:?}");
    let reason = stats.first_failure.unwrap();
    assert!(reason.contains("\"HTTP/1.1 400 Bad Request"), "{reason}");
}

#[test]
fn connections_that_end_are_made_again() {
    // Three lines each.
    let address = server(|stream| {
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let (mut output, mut line) = (stream, Vec::new());
        for _ in 0..3 {
            line.clear();
            input.read_until(b'\n', &mut line).unwrap();
            output.write_all(&line).unwrap();
        }
    });
    let stats = load(address)
        .connections(5)
        .length(Length::Time(Duration::from_millis(500)))
        .run(|_| (), |_| ())
        .unwrap();
    assert!(stats.connected > 5 && stats.lines > 15, "{stats:?}");
    assert!(stats.failures.contains_key(&Cause::Eof) || stats.failures.contains_key(&Cause::Reset));
    assert_eq!(stats.sent, stats.lines + stats.lost);
}

#[test]
fn nobody_there_is_counted() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let load = load(nobody).length(Length::Time(Duration::from_millis(50)));
    let stats = load.run(|_| (), |_| ()).unwrap();
    assert!(stats.failures[&Cause::Refused] >= 1);
    assert_eq!(stats.lines, 0);
}

#[test]
fn a_silent_server_is_given_up() {
    let address = server(|mut stream| {
        // Until the client goes.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let builder = Client::builder().timeout(Duration::from_millis(50));
    let stats = Load::new(&builder, &[address])
        .length(Length::Time(Duration::from_millis(200)))
        .run(|_| (), |_| ())
        .unwrap();
    assert!(stats.failures[&Cause::Timeout] >= 1, "{stats:?}");
}

/// A server that stalls does not make lines less often due.
#[test]
fn by_a_rate_a_stall_is_seen_by_all_lines_that_were_due_in_it() {
    const STALL: Duration = Duration::from_millis(500);
    /// The server has begun to stall, and may go on.
    static STALLS: AtomicBool = AtomicBool::new(false);
    static GOES_ON: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    let address = server(|stream| {
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let (mut output, mut line, mut lines) = (stream, Vec::new(), 0);
        while input.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
            lines += 1;
            if lines == 20 {
                STALLS.store(true, SeqCst);
                let (goes_on, changed) = &GOES_ON;
                let waits = |goes_on: &mut bool| !*goes_on;
                let waited = changed.wait_timeout_while(goes_on.lock().unwrap(), LIMIT, waits);
                assert!(!waited.unwrap().1.timed_out());
            }
            let _ = output.write_all(&line);
            line.clear();
        }
    });
    let (mut slow, mut all) = (0, 0);
    let mut stalls_since = None;
    let stats = load(address)
        .rate(200.0)
        .length(Length::Lines(250))
        .run(
            |sample: Sample| {
                all += 1;
                slow += u32::from(sample.since_due >= STALL / 4);
                assert!(sample.since_due >= sample.since_sent);
            },
            |stats| {
                if STALLS.load(SeqCst) {
                    let since = *stalls_since.get_or_insert(stats.elapsed);
                    if stats.elapsed - since >= STALL {
                        *GOES_ON.0.lock().unwrap() = true;
                        GOES_ON.1.notify_all();
                    }
                }
            },
        )
        .unwrap();
    // One in flight: only one line sees it from when it was sent, but 75 or more that were due.
    assert!(slow > 50, "{slow} of {all}: {stats:?}");
}

#[test]
fn it_can_be_stopped_early_and_tells_how_it_goes_on() {
    let echo = Echo::start();
    let load = load(echo.0).connections(3).length(Length::Time(LIMIT * 10));
    let stop = load.stop_flag();
    let mut told = 0;
    let stats = load
        .run(
            |_| (),
            |stats| {
                told += 1;
                if stats.lines > 0 && told >= 3 {
                    stop.stop();
                }
            },
        )
        .unwrap();
    assert_eq!(stats.sent, stats.lines, "what was on its way is awaited");
    assert!(stats.elapsed < LIMIT * 10);
}

#[cfg(target_os = "linux")]
#[test]
fn connections_come_from_the_addresses_that_are_asked_for() {
    use std::collections::BTreeSet;
    use std::net::IpAddr;
    static PEERS: Mutex<BTreeSet<IpAddr>> = Mutex::new(BTreeSet::new());
    let address = server(|mut stream| {
        PEERS
            .lock()
            .unwrap()
            .insert(stream.peer_addr().unwrap().ip());
        let mut line = [0; 64];
        while stream.read_exact(&mut line).is_ok() {
            let _ = stream.write_all(&line);
        }
    });
    let sources: Vec<SocketAddr> = (1..=3).map(|i| ([127, 0, 0, i], 0).into()).collect();
    let stats = load(address)
        .connections(9)
        .sources(&sources)
        .length(Length::Time(Duration::from_millis(200)))
        .run(|_| (), |_| ())
        .unwrap();
    assert_eq!((stats.connected, stats.failed()), (9, 0), "{stats:?}");
    let peers: Vec<_> = PEERS.lock().unwrap().iter().copied().collect();
    assert_eq!(
        peers,
        sources.iter().map(SocketAddr::ip).collect::<Vec<_>>()
    );
}
