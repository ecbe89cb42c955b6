//! JSON: whatever happens in whatever mode, its last line is a summary.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linecho_trials::process::PATIENCE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::kit::*;

/// All modes, each with a short run. The filter has no name.
const MODES: [&[&str]; 6] = [
    &[],
    &["send", "hello"],
    &["wait", "--for", "1s"],
    &["ping", "-c", "2", "-i", "0.01"],
    &["load", "-d", "50ms", "-c", "2"],
    &["check", "--most-buffered", "64KiB"],
];

/// Returns the summary, after a look at all lines. That of the filter is on stderr, since its
/// standard output is what came back.
fn summary(output: &Output, mode: &str) -> Value {
    let text = match mode {
        "filter" => &output.stderr,
        _ => &output.stdout,
    };
    let text = String::from_utf8_lossy(text);
    let objects: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect();
    let (last, before) = objects.split_last().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(last["type"], "summary", "{text}");
    for object in &objects {
        assert_eq!(object["schema"], "linecho-client/1", "{text}");
        assert_eq!(object["mode"], mode, "{text}");
    }
    assert!(before.iter().all(|it| it["type"] != "summary"), "{text}");
    last.clone()
}

fn name<'a>(mode: &[&'a str]) -> &'a str {
    mode.first().copied().unwrap_or("filter")
}

#[test]
fn a_quiet_ping_prints_the_summary_alone() {
    let server = Running::start();
    let ping = ["ping", "-q", "--json", "-c", "2", "-i", "0.01"];
    let output = run(command().args(ping).arg(server.address()), b"");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(summary(&output, "ping")["echoed"], 2);
}

#[test]
fn when_all_is_well() {
    let server = Running::start();
    for mode in MODES {
        let output = run(
            command().args(["--json", &server.address()]).args(mode),
            b"x\ny",
        );
        let summary = summary(&output, name(mode));
        assert_eq!(
            (&summary["ok"], &summary["cause"]),
            (&true.into(), &Value::Null),
            "{summary}"
        );
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn when_nobody_is_there() {
    let nobody = refusing();
    for mode in MODES {
        let output = run(command().args(["--json", &nobody]).args(mode), b"x\ny");
        let summary = summary(&output, name(mode));
        assert_eq!(
            (&summary["ok"], &summary["cause"]),
            (&false.into(), &"REFUSED".into())
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn when_the_name_is_not_known() {
    for mode in MODES {
        let words = ["--json", "no-such-host.invalid:7"];
        let output = run(command().args(words).args(mode), b"x\ny");
        let summary = summary(&output, name(mode));
        assert_eq!(
            (&summary["ok"], &summary["cause"]),
            (&false.into(), &"DNS".into()),
            "{mode:?}"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn when_something_else_answers() {
    for mode in MODES {
        let address = serve_all(|mut stream| {
            let _ = stream.write_all(b"SSH-2.0-Example\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let output = run(command().args(["--json", &address]).args(mode), b"x\ny");
        let summary = summary(&output, name(mode));
        let causes = ["NOT_AN_ECHO", "MISMATCH"];
        assert!(
            causes.contains(&summary["cause"].as_str().unwrap()),
            "{mode:?}: {summary}"
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn when_a_signal_comes() {
    // Nothing comes back.
    let (sender, came) = mpsc::channel();
    let address = serve_all(move |mut stream| {
        let _ = stream.read(&mut [0; 100]);
        let _ = sender.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let long: [&[&str]; 6] = [
        &[],
        &["send", "hello"],
        &["wait", "--for", "10m"],
        &["ping", "-i", "0.1"],
        &["load", "-d", "10m"],
        &["check", "--patience", "10m"],
    ];
    for mode in long {
        let mut process = command()
            .env("LINECHO_TIMEOUT", "10m")
            .args(["--json", &address])
            .args(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"line\n")
            .unwrap();
        came.recv_timeout(Duration::from_secs(60)).unwrap();
        let id = Pid::from_raw(process.id().cast_signed());
        kill(id, Signal::SIGINT).unwrap();
        if mode.first() == Some(&"load") {
            // It waits for what is on its way, unless it is asked once more.
            let asked = Instant::now();
            while process.try_wait().unwrap().is_none() {
                assert!(asked.elapsed() < PATIENCE, "it goes on");
                let _ = kill(id, Signal::SIGINT);
                thread::sleep(Duration::from_millis(300));
            }
        }
        let output = process.wait_with_output().unwrap();
        let summary = summary(&output, name(mode));
        assert_eq!(summary["ok"], false, "{mode:?}: {summary}");
        assert!(summary["cause"].is_string(), "{mode:?}: {summary}");
        assert!(!output.status.success());
        while came.try_recv().is_ok() {}
    }
}

#[test]
fn when_the_usage_is_wrong() {
    for (words, mode) in [
        (&["--no-such-option"][..], Value::Null),
        (&["send"], Value::Null),
        (&["send", "one\ntwo"], "send".into()),
        (&["wait", "--for", "x"], Value::Null),
        (&["ping", "-c", "many"], Value::Null),
        (&["load", "--rate", "-1"], Value::Null),
        (&["check", "--limit", "x"], Value::Null),
        (&["a:1", "ping", "b:1"], Value::Null),
        (&["host:x"], Value::Null),
    ] {
        let output = run(command().arg("--json").args(words), b"");
        let object = last_object(&output);
        assert_eq!(
            (&object["type"], &object["mode"]),
            (&"summary".into(), &mode),
            "{words:?}"
        );
        assert_eq!(
            (&object["ok"], &object["cause"]),
            (&false.into(), &"USAGE".into())
        );
        assert_eq!(object["schema"], "linecho-client/1");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
}

/// Serves all connections, each in a thread.
fn serve_all(serve: impl Fn(std::net::TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}
