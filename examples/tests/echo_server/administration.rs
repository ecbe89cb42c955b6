//! The administration interface.

use std::fs;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::kit::{PATIENCE, Path, Server, echo_of, get};

/// A metric's value.
fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn the_administration_shows_what_is_and_goes_first() {
    let path = Path::new("admin");
    let admin = format!("unix:{}", path.text());
    let server = Server::start(&["--admin", &admin, "--drain-delay", "1h"]);
    server.log_line("administration");
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    assert_eq!(get(path.connect(), "/readyz").0, 200);
    assert_eq!(get(path.connect(), "/nothing").0, 404);
    let (status, page) = get(path.connect(), "/");
    assert!(status == 200 && page.contains("/metrics"));

    // A client that asks nothing holds nobody up.
    let _stuck = path.connect();
    let mut open = server.connect();
    open.write_all(b"one\ntwo\n").unwrap();
    open.read_exact(&mut [0; 8]).unwrap();
    let begin = Instant::now();
    let text = loop {
        let (_, text) = get(path.connect(), "/metrics");
        // What an open session did counts when its turn is over.
        if metric(&text, "linecho_echoed_bytes_total") == 8 {
            break text;
        }
        assert!(begin.elapsed() < PATIENCE, "{text}");
    };
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(metric(&text, "linecho_lines_total"), 2);
    assert_eq!(metric(&text, "linecho_connections"), 1);
    assert_eq!(metric(&text, "linecho_ready"), 1);

    server.signal(Signal::SIGTERM);
    server.log_line("about to shut down");
    let begin = Instant::now();
    while get(path.connect(), "/readyz").0 != 503 {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    // It serves on, also new connections.
    assert_eq!(echo_of(server.connect(), b"x\n"), "x\\n");
    open.write_all(b"more\n").unwrap();
    open.read_exact(&mut [0; 5]).unwrap();
    // The second one does not wait.
    server.signal(Signal::SIGTERM);
    assert_eq!(open.read(&mut [0]).unwrap(), 0);
    drop(open);
    assert!(server.end().0.success());
    assert!(!path.0.exists());
}

/// A thousand clients of the administration that ask half a question, and never read.
#[test]
fn stuck_clients_of_the_administration_cost_next_to_nothing() {
    const STUCK: usize = 1000;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let path = Path::new("admin");
    let admin = format!("unix:{}", path.text());
    let server = Server::start(&["--admin", &admin]);
    let mut open = server.connect();
    open.write_all(b"x\n").unwrap();
    open.read_exact(&mut [0; 2]).unwrap();
    let count = |what: &str| {
        let folder = format!("/proc/{}/{what}", server.process.id());
        fs::read_dir(folder).unwrap().count()
    };
    let (threads, descriptors) = (count("task"), count("fd"));

    let stuck: Vec<_> = (0..STUCK)
        .map(|number| {
            let mut stream = path.connect();
            // The answer to the second kind waits to be read.
            let question: &[u8] = match number % 2 {
                0 => b"GET /metr",
                _ => b"GET /metrics HTTP/1.1\r\n\r\n",
            };
            // It may have had to make room already.
            let _ = stream.write_all(question);
            stream
        })
        .collect();
    // One that asks is answered all the same.
    assert_eq!(get(path.connect(), "/healthz").0, 200);
    assert_eq!(count("task"), threads);
    let more = count("fd") - descriptors;
    assert!(more <= 32, "{more} descriptors more");
    open.write_all(b"y\n").unwrap();
    open.read_exact(&mut [0; 2]).unwrap();

    // The last ones of them have their time, and no more.
    let begin = Instant::now();
    while count("fd") > descriptors {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(50));
    }
    drop(stuck);
}
