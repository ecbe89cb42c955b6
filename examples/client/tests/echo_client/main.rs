//! The program echo-client: arguments, environment, exit codes, messages.

#[cfg(unix)]
mod identify;
#[cfg(unix)]
mod json;
mod kit;
#[cfg(unix)]
mod load;
#[cfg(unix)]
mod ping;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod unix_kit;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use linecho_std::Server;
use linecho_trials::variables;

use crate::kit::*;

#[test]
fn in_a_pipe_it_is_a_filter() {
    let server = Running::start();
    for input in [
        &b""[..],
        b"x\ny",
        b"\n",
        b"one\r\n\0\xff\n",
        &[b'x'; 300_000],
    ] {
        let output = run(command().arg(server.address()), input);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == input && output.stderr.is_empty());
    }
}

#[test]
fn it_sends_a_line_from_the_command_line() {
    let server = Running::start();
    let port = server.0.port().to_string();
    for address in [server.address(), format!("localhost:{port}"), port] {
        let output = run(command().args([&address, "send", "two", "words"]), b"");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, b"two words\n");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    // It keeps the connection open.
    let silent = server(std::mem::forget);
    let settings = [("LINECHO_SERVER", &*silent), ("LINECHO_TIMEOUT", "20ms")];
    let output = run(command().envs(settings), b"line\n");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("line 1, byte 1: nothing came back for 20ms"),
        "{error}"
    );
}

#[test]
fn wrong_usage_ends_it_with_2_and_names_what_is_wrong() {
    for (arguments, parts) in [
        (&["host"][..], &["host:PORT"]),
        (&["host:x"], &["not a port"]),
        (&["::1:80"], &["[::1]:80"]),
        (&[""], &["not a port"]),
        (&["--timeout", "5"], &["--timeout"]),
        (&["send"], &["TEXT"]),
        (&["send", "one\ntwo"], &["newline"]),
        (&["--timeout", "50days"], &["49 days"]),
        (&["--keep-alive", "1500ms"], &["whole seconds"]),
        (&["a:1", "ping", "b:1"], &["one target is enough"]),
        (&["ping", "-c", "0"], &["--count"]),
    ] {
        assert_fails(arguments, 2, parts);
    }
}

#[test]
fn an_option_that_would_do_nothing_ends_it_with_2() {
    for (arguments, part) in [
        (&["-C", "ping"][..], "--crlf is for lines of yours"),
        (&["load", "--crlf"], "--crlf is for lines of yours"),
        (&["wait", "-C"], "--crlf is for lines of yours"),
        (&["--timeout", "5s", "wait"], "wait takes --for"),
        (&["wait", "--connect-timeout", "5s"], "wait takes --for"),
        (
            &["--connect-timeout", "5s", "check"],
            "check takes --patience",
        ),
        (&["--linger", "1s", "send", "x"], "--linger is for"),
        (&["ping", "--linger", "1s"], "--linger is for"),
        (
            &["load", "--spread", "2", "--source", "127.0.0.1"],
            "--source",
        ),
        (&["ping", "--csv", "-q"], "cannot be used with"),
        (&["ping", "--csv", "-D"], "cannot be used with"),
        (&["ping", "--csv", "--json"], "cannot be used with"),
    ] {
        assert_fails(arguments, 2, &[part]);
    }
    // Variables are for all modes.
    let server = Running::start();
    let mut wait = command();
    wait.envs(["TIMEOUT", "CONNECT_TIMEOUT", "LINGER"].map(|it| (format!("LINECHO_{it}"), "5s")));
    let output = run(wait.args(["wait", &server.address()]), b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn nobody_there_ends_it_with_1_and_says_what_to_do() {
    let address = refusing();
    let start = format!("echo-server --listen {address}");
    assert_fails(&[&address], 1, &[&address, "refused", &start]);

    // Not of this machine (RFC 5737), and no way to it in a test's namespace or an answer within
    // the time.
    let error = assert_fails(&["--timeout", "50ms", "192.0.2.1:7"], 1, &["192.0.2.1:7"]);
    assert!(!error.contains("echo-server"), "{error}");

    for mode in [
        &["wait", "--for", "10ms"][..],
        &["ping", "-c", "1"],
        &["load", "-n", "1", "-c", "1", "--timeout", "300ms"],
        &["check"],
    ] {
        let output = run(command().args(mode).arg(&address), b"");
        assert_eq!(output.status.code(), Some(1), "{mode:?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.ends_with(&format!("{start}\n")), "{mode:?}: {text}");
    }

    assert_fails(&["[fe80::1]:7"], 1, &["such as [fe80::1%eth0]:7"]);

    let error = assert_fails(&["no-such-host.invalid:7"], 1, &["no-such-host.invalid"]);
    assert!(!error.contains("echo-server"), "{error}");
}

#[test]
fn an_option_that_leaves_no_way_is_named() {
    let server = Running::start();
    let address = server.address();
    assert_fails(&["-6", &address], 1, &["no IPv6 address", "leave out -6"]);
    // Nobody's (RFC 5737).
    let source = "192.0.2.1";
    let parts = [source, "of --source", "leave it out"];
    assert_fails(&["--source", source, &address], 1, &parts);
    let proxy = ["--send-proxy", "v1", &address, "send", "x"];
    assert_fails(&proxy, 1, &["--send-proxy", "--proxy-listen"]);
}

#[test]
fn a_target_behind_send_is_explained() {
    let address = refusing();
    let better = format!("echo-client {address} send");
    let nobody = ["--timeout", "5s", "send", &address, "x"];
    let output = run(
        command().args(nobody).env("LINECHO_SERVER", refusing()),
        b"",
    );
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&better), "{error}");
}

#[test]
fn what_does_not_come_back_right_ends_it_with_1_and_is_named() {
    let wrong = server(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"one\ntwX\n").unwrap();
    });
    let output = run(command().arg(wrong), b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"one\ntwX\n");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("line 2, byte 3"), "{error}");
}

/// As in `echo-client | head -n 1`.
#[test]
fn an_output_that_nobody_reads_any_more_is_the_end() {
    let server = Running::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = command()
        .arg(server.address())
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Without an end.
    while stdin.write_all(b"a line\n").is_ok() {}
    // Not everything was verified.
    let output = process.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("on nothing was verified"), "{error}");
}

#[test]
fn it_ends_as_it_should_though_nobody_reads_its_errors() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command().arg(refusing()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_wrong_variable_is_named_and_an_empty_one_is_unset() {
    let program = Path::new(env!("CARGO_BIN_EXE_echo-client"));
    variables::assert_wrong_ones_are_named(program, &["send", "hello"]);
    let (variables, _) = variables::of(program);
    assert!(variables.len() >= 5, "{variables:?}");
    // That of an argument is beside its default in the help.
    let output = run(command().env("LINECHO_SERVER", "host"), b"");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("LINECHO_SERVER: no port"), "{error}");

    let server = Running::start();
    let mut empty = command();
    empty.env("LINECHO_SERVER", "").arg(server.address());
    for variable in variables {
        empty.env(variable.name, "");
    }
    assert_eq!(run(&mut empty, b"x\n").stdout, b"x\n");
}

#[test]
fn habits_from_nc_work() {
    let server = Running::start();
    let (ip, port) = (server.0.ip().to_string(), server.0.port().to_string());
    let output = run(command().args([&ip, &port]), b"x\ny");
    assert_eq!(output.stdout, b"x\ny");
    let output = run(command().args(["-C", &ip, &port]), b"x\n");
    assert_eq!(output.stdout, b"x\r\n");
}

#[cfg(unix)]
#[test]
fn the_words_of_a_line_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let server = Running::start();
    let word = std::ffi::OsStr::from_bytes(b"\xff\x01");
    let output = run(command().args([&server.address(), "send"]).arg(word), b"");
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"\xff\x01\n"[..])
    );
}

#[test]
fn it_waits_for_a_server_that_starts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let starting = thread::spawn(move || {
        // Not before the first attempt, which fails.
        drop(listener.accept());
        let server = Server::builder().on([listener]).unwrap();
        let handle = server.handle();
        thread::spawn(|| server.run());
        handle
    });
    let output = run(command().args(["wait", "--for", "20s", &address]), b"");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(" attempts)"), "{text}");
    starting.join().unwrap().shutdown();
}

#[test]
fn completions_and_the_manual_come_from_the_same_definitions() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(command().args(["--completions", shell]), b"");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(
            text.contains("keep-alive") && text.contains("ping"),
            "{text}"
        );
    }
    let output = run(command().arg("--manual"), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(".TH ECHO-CLIENT 1") && text.contains("EXIT STATUS"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_check_asks_the_server_what_it_saw() {
    let (port, admin) = (refusing(), refusing());
    let (_server, address) = Process::start_with(&port, &["--admin", &admin]);
    let check = ["check", "--json", "--most-buffered", "1MiB", "--admin"];
    let url = format!("http://{admin}/");
    let output = run(
        command().args(check).args([&url, &address.to_string()]),
        b"",
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let row = text
        .lines()
        .find(|line| line.contains(r#""question":"reset""#));
    assert!(row.is_some_and(|row| row.contains("seen as RST")), "{text}");
    assert!(last_object(&output)["ok"].as_bool().is_some(), "{text}");
}

#[test]
fn it_has_a_name_and_a_version() {
    let output = run(command().arg("--version"), b"");
    let version = format!("echo-client {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
}
