//! All modes with a server that identifies itself.

use serde_json::{Value, json};

use crate::kit::*;

fn start() -> (Process, String) {
    let identify = ["--identify", "--name", "pod-1"];
    let (server, address) = Process::start_with("127.0.0.1:0", &identify);
    (server, address.to_string())
}

#[test]
fn the_greeting_is_in_no_output() {
    let (_server, address) = start();
    let output = run(command().arg(&address), b"x\ny");
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"x\ny"[..])
    );
    let output = run(command().args([&address, "send", "hello"]), b"");
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"hello\n"[..])
    );
}

#[test]
fn people_read_who_answered() {
    let (_server, address) = start();
    let backend = format!("pod-1 ({address})");
    for (words, part) in [
        (&["wait"][..], format!(" (1 attempt), it is {backend}\n")),
        (
            &["ping", "-c", "2", "-i", "0.01"],
            format!("64 bytes from {address} (pod-1): seq=1"),
        ),
        (
            &["ping", "-c", "2", "-i", "0.01"],
            format!("2 lines by {backend} on 1 connection\n"),
        ),
        (
            &["load", "-n", "100", "-c", "2"],
            format!("100 lines by {backend} on 2 connections\n"),
        ),
        (
            &["check", "-v", "--most-buffered", "1MiB"],
            format!("      {backend} of version "),
        ),
    ] {
        let output = run(command().arg(&address).args(words), b"");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(&part), "{words:?}: {text}");
    }
}

#[test]
fn scripts_read_who_answered() {
    let (_server, address) = start();
    let backend = json!({
        "name": "pod-1", "version": env!("CARGO_PKG_VERSION"), "address": address,
    });
    for words in [&["wait"][..], &["send", "hello"]] {
        let output = run(command().args(["--json", &address]).args(words), b"");
        assert_eq!(last_object(&output)["backend"], backend, "{words:?}");
    }
    let output = run(command().args(["--json", &address]), b"x\n");
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["backend"], backend);

    // Of several connections of a load, a late one may find that all lines are sent.
    for (words, connections) in [
        (
            &["ping", "-c", "3", "-i", "0.01", "--reconnect", "each"][..],
            3,
        ),
        (&["load", "-n", "3", "-c", "1"], 1),
    ] {
        let output = run(command().args(["--json", &address]).args(words), b"");
        let backends = &last_object(&output)["backends"];
        assert_eq!(backends[0]["name"], "pod-1", "{words:?}");
        assert_eq!(backends[0]["connections"], connections, "{words:?}");
        assert_eq!(backends[0]["lines"], 3, "{words:?}");
        assert_eq!(backends[1], Value::Null);
    }
}

#[test]
fn without_an_identity_there_is_none() {
    let server = Running::start();
    let output = run(
        command().args(["--json", &server.address(), "send", "x"]),
        b"",
    );
    assert_eq!(last_object(&output)["backend"], Value::Null);
    let output = run(
        command().args(["--json", &server.address(), "ping", "-c", "1"]),
        b"",
    );
    assert_eq!(last_object(&output)["backends"], json!([]));
}
