//! The behaviour of real relays as it was measured by other means than this client: with sockets
//! and a packet capture, on Debian 12.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use linecho_trials::Stop;
use serde_json::Value;
use socket2::SockRef;

use crate::kit::{Kind, free_port};

/// A relay with default options, in front of a line echo.
pub(crate) struct Measured {
    pub(crate) relay: &'static str,
    /// The unterminated rest comes back after a half-close.
    pub(crate) tail: bool,
    /// The end of the client's connection after its half-close.
    end: &'static str,
    /// The relay stops reading when its client does not read.
    bounded: bool,
    /// A line in two writes takes 40 ms longer.
    stalls: bool,
}

const fn measured(relay: &'static str, tail: bool, stalls: bool) -> Measured {
    Measured {
        relay,
        tail,
        end: "FIN",
        bounded: true,
        stalls,
    }
}

pub(crate) const MEASURED: [Measured; 14] = [
    measured("haproxy", true, false),
    measured("nginx", false, false),
    measured("nginx, proxy_half_close on", true, false),
    measured("socat", true, true),
    measured("ncat", false, true),
    measured("stunnel", true, false),
    measured("ssh -L", true, false),
    measured("systemd-socket-proxyd", false, true),
    measured("rinetd", false, true),
    measured("redir", false, true),
    measured("simpleproxy", false, true),
    measured("xinetd, redirect", false, false),
    measured("tinyproxy, CONNECT", false, true),
    measured("microsocks, SOCKS5", false, true),
];

impl Measured {
    /// Compares with the verdicts of a check.
    pub(crate) fn compare<'a>(&self, verdict: impl Fn(&str) -> &'a str) {
        let relay = self.relay;
        assert_eq!(
            verdict("half-close") == "passed on",
            self.tail,
            "{relay}: half-close"
        );
        assert_eq!(verdict("ending"), self.end, "{relay}: ending");
        let unbounded = verdict("buffering") == "without bounds";
        assert_eq!(!unbounded, self.bounded, "{relay}: buffering");
        let stalls = verdict("small writes") == "stall of 40 ms";
        assert_eq!(stalls, self.stalls, "{relay}: small writes");
    }
}

/// What a client sees that sends nothing when the server behind a relay resets, and when there is
/// none: an end, and never a reset.
pub(crate) fn ends(kind: Kind) -> Result<(), Stop> {
    for back in [resetting(), free_port()] {
        let relay = kind.start_before(back)?;
        assert_eq!(idle_client(relay.address), "EOF", "{}", kind.name);
    }
    // Without a relay it is what it is.
    let direct = SocketAddr::from(([127, 0, 0, 1], resetting()));
    assert_eq!(idle_client(direct), "RESET");
    Ok(())
}

/// A server that resets each connection.
fn resetting() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Not before the relay has its connection.
            thread::sleep(Duration::from_millis(100));
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    port
}

/// Runs a client whose input stays open. Returns the cause of its end.
fn idle_client(address: SocketAddr) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(["--json", &address.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut summary = String::new();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    stderr.read_line(&mut summary).unwrap();
    process.wait().unwrap();
    let summary: Value = summary
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {summary}"));
    summary["cause"].as_str().unwrap_or_default().into()
}
