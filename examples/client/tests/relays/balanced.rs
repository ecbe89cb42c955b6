//! Servers that identify themselves, behind haproxy.

use std::net::SocketAddr;
use std::thread;

use linecho_std::{Handle, Listener, Server, listen};
use linecho_trials::{Stop, Trial, trial};
use serde_json::Value;

use crate::kit::{Kind, LOCAL, client};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("haproxy: answers are counted by server", by_server),
        trial("haproxy: its PROXY header is right, version 1", || {
            header("send-proxy", 1)
        }),
        trial("haproxy: its PROXY header is right, version 2", || {
            header("send-proxy-v2", 2)
        }),
        trial(
            "haproxy: a greeting is no trouble for other clients' lines",
            filter,
        ),
    ]
}

/// A server that identifies itself, until this is dropped.
struct Backend(SocketAddr, Handle);

impl Backend {
    fn start(name: &str, with_header: bool) -> Self {
        let listener = Listener::from(listen(([127, 0, 0, 1], 0).into()).unwrap());
        let listener = match with_header {
            true => listener.require_proxy_header(),
            false => listener,
        };
        let server = Server::builder().identify(name).on([listener]).unwrap();
        let backend = Self(server.addresses()[0], server.handle());
        thread::spawn(|| server.run());
        backend
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.1.shutdown();
        self.1.shutdown();
    }
}

const BALANCED: Kind = Kind {
    name: "haproxy",
    needs: &[("haproxy", "haproxy")],
    start: |it| {
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n\
             listen echo\n bind {LOCAL}:{}\n balance roundrobin\n {}\n",
            it.front, it.more
        );
        let config = it.file("haproxy.cfg", &text)?;
        it.run("haproxy", &["-q", "-db", "-f", &config])
    },
};

fn objects(arguments: &[&str]) -> Vec<Value> {
    let output = client(arguments, b"");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn by_server() -> Result<(), Stop> {
    let backends = ["pod-1", "pod-2"].map(|name| Backend::start(name, false));
    let servers = backends
        .each_ref()
        .map(|it| format!("server s{0} {0}", it.0));
    let relay = BALANCED.start_with(&servers.join("\n "))?;
    let address = relay.address.to_string();

    // In turn, but for the connections by which a test finds it ready.
    for mode in [
        &["ping", "-c", "8", "-i", "0.01", "--reconnect", "each"][..],
        &["load", "-c", "8", "-n", "800", "-f", "4"],
    ] {
        let all = objects(&[mode, &["--json", &address]].concat());
        let summary = all.last().unwrap();
        let mut counted: Vec<_> = summary["backends"].as_array().unwrap().iter().collect();
        counted.sort_by_key(|it| it["name"].as_str());
        let names: Vec<_> = counted
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["pod-1", "pod-2"], "{summary}");
        for (backend, counted) in backends.iter().zip(&counted) {
            assert_eq!(counted["address"], backend.0.to_string());
            // The look whether HAProxy listens may have taken a turn among these eight.
            let connections = counted["connections"].as_u64().unwrap();
            assert!((3..=5).contains(&connections), "{summary}");
            assert!(counted["lines"].as_u64() > Some(0), "{summary}");
        }
    }

    let row = row_of_check(&address, "backends");
    assert_eq!(
        (&row["verdict"], &row["value"]),
        (&"several".into(), &2.0.into()),
        "{row}"
    );
    Ok(())
}

/// The row of `check` for a question.
fn row_of_check(address: &str, question: &str) -> Value {
    let all = objects(&[
        "check",
        "--json",
        "--most-buffered",
        "1MiB",
        "--limit",
        "5m",
        address,
    ]);
    let mut rows = all.into_iter();
    rows.find(|row| row["question"] == question).unwrap()
}

fn header(option: &str, version: u8) -> Result<(), Stop> {
    let backend = Backend::start("pod-1", true);
    let relay = BALANCED.start_with(&format!("server s {} {option}", backend.0))?;
    let address = relay.address.to_string();
    let row = row_of_check(&address, "PROXY header");
    assert_eq!(row["verdict"], "right", "{row}");
    let found = row["found"].as_str().unwrap();
    assert!(
        found.starts_with(&format!("version {version} from 127.0.0.1:")),
        "{row}"
    );
    assert!(found.ends_with(&format!("connected to {address}")), "{row}");
    Ok(())
}

fn filter() -> Result<(), Stop> {
    let backend = Backend::start("pod-1", false);
    let relay = BALANCED.start_with(&format!("server s {}", backend.0))?;
    let many: Vec<u8> = (1..=100_000)
        .flat_map(|i| format!("{i}\n").into_bytes())
        .collect();
    for input in [&b""[..], b"x\ny", &many] {
        let output = client(&[&relay.address.to_string()], input);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == input);
    }
    Ok(())
}
