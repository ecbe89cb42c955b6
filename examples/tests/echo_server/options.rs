//! Addresses, options and the environment.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use linecho_trials::variables::{self, Variable};
use serde_json::Value;

use crate::kit::{PROGRAM, Server, command, connect, echo_of, run, wait};

#[test]
fn it_listens_on_both_families_and_echoes() {
    let v6 = TcpListener::bind("[::1]:0").is_ok();
    let server = Server::start_command(command().args(["--listen", "0"]), 1 + usize::from(v6));
    assert_eq!(server.addresses[0].ip().to_string(), "127.0.0.1");
    for &address in &server.addresses {
        assert_ne!(address.port(), 0);
        assert_eq!(echo_of(connect(address), b"x\ny\0\xff"), r"x\ny\x00\xff");
    }
    if !v6 {
        server.log_line("cannot listen on [::1]:");
    }
}

#[test]
fn it_listens_on_many_addresses() {
    let listen = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0,127.0.0.1:0",
    ];
    let server = Server::start_command(command().args(listen), 3);
    for &address in &server.addresses {
        assert_eq!(echo_of(connect(address), b"line\n"), r"line\n");
    }
    let ports: BTreeSet<_> = server.addresses.iter().map(SocketAddr::port).collect();
    assert_eq!(ports.len(), 3);
}

#[test]
fn a_taken_port_ends_it_with_1_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [&*address, "in use", "--listen"] {
        assert!(error.contains(part), "{error}");
    }
    #[cfg(unix)]
    {
        let output = run(&["--listen", "127.0.0.1:0", "--admin", &address]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("another port with --admin"), "{error}");
    }
}

#[test]
fn an_address_that_is_taken_is_blamed_on_its_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // The name of the option in a path is no advice.
    let path = crate::kit::Path::new("file--listen");
    std::fs::write(&path.0, "no socket").unwrap();
    let unix = format!("unix:{}", path.text());
    let place = format!("cannot listen on {unix}");
    for (option, value, parts) in [
        (
            "--proxy-listen",
            &address,
            [&*address, "another port with --proxy-listen"],
        ),
        (
            "--proxy-listen",
            &unix,
            [&place, "another path with --proxy-listen"],
        ),
        ("--admin", &unix, [&place, "another path with --admin"]),
        ("--listen", &unix, [&place, "another path with --listen"]),
    ] {
        let output = run(&["--listen", "127.0.0.1:0", option, value]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{option} {value}: {error}");
        for part in parts {
            assert!(error.contains(part), "{option} {value}: {error}");
        }
    }
}

#[test]
fn a_host_that_nobody_knows_ends_it_with_1() {
    let output = run(&["--listen", "no-such-host.invalid:7"]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("no-such-host.invalid"), "{error}");
}

#[test]
fn wrong_usage_ends_it_with_2_and_names_the_option() {
    for (option, value) in [
        ("--listen", "host"),
        ("--listen", "::1:7"),
        ("--max-line", "x"),
        ("--max-line", "0"),
        ("--long-lines", "explode"),
        ("--max-connections", "0"),
        ("--idle-timeout", "5"),
        ("--write-timeout", "soon"),
        ("--drain-timeout", "-1s"),
        ("--workers", "0"),
        ("--keep-alive", "1500ms"),
        ("--keep-alive", "10h"),
        ("--spin", "50"),
        ("--spin", "2s"),
        ("--log-format", "xml"),
        ("--no-such-option", "x"),
    ] {
        let output = run(&[&format!("{option}={value}")]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{option} {value}: {error}");
        assert!(error.contains(option), "{error}");
    }
}

#[test]
fn an_option_that_would_do_nothing_ends_it_with_2() {
    for (words, part) in [
        (
            &["--stdio", "--listen", "7"][..],
            "--listen is for a server",
        ),
        (&["--stdio", "--proxy-listen", "7"], "--proxy-listen is for"),
        (&["--stdio", "--unix-mode", "660"], "--unix-mode is for"),
        (&["--stdio", "--keep-alive", "60s"], "--keep-alive is for"),
        (&["--stdio", "--drain-delay", "1s"], "--drain-delay is for"),
        (
            &["--stdio", "--max-connections", "5"],
            "--max-connections is for",
        ),
        (&["--stdio", "--max-per-peer", "5"], "--max-per-peer is for"),
        (&["--stdio", "--workers", "1"], "--workers is for"),
        (&["--stdio", "--spin", "50us"], "--spin is for"),
        (&["--stdio", "--admin", "8080"], "--admin is for"),
        (&["--stdio", "--takeover", "/x"], "--takeover is for"),
        (&["--name", "pod-1"], "--name is the name for --identify"),
        (&["--unix-mode", "660"], "--unix-mode is for the files"),
        (&["--unix-mode", "660", "--listen", "unix:@x"], "unix:PATH"),
        (&["-v", "--quiet"], "give one of them"),
    ] {
        let output = run(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(part), "{words:?}: {error}");
    }
}

/// They may be there for another server of the machine.
#[test]
fn a_variable_that_would_do_nothing_is_no_error() {
    let variables = [
        ("LINECHO_LISTEN", "127.0.0.1:0"),
        ("LINECHO_UNIX_MODE", "660"),
        ("LINECHO_WORKERS", "2"),
        ("LINECHO_TAKEOVER", "/run/nowhere"),
        ("LINECHO_NAME", "pod-1"),
    ];
    let mut stdio = command();
    let output = stdio.arg("--stdio").envs(variables).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let mut listening = command();
    listening.args(["--listen", "127.0.0.1:0"]);
    let server = Server::start_command(listening.envs(variables).env_remove("LINECHO_TAKEOVER"), 1);
    assert_eq!(echo_of(server.connect(), b"x\n"), r"x\n");
}

#[test]
fn the_command_line_says_how_much_is_logged_whatever_the_environment_says() {
    let mut configured = command();
    configured.args(["--listen", "127.0.0.1:0", "-v"]);
    let server = Server::start_command(configured.env("LINECHO_QUIET", "true"), 1);
    drop(server.connect());
    server.log_line("opened");

    let mut configured = command();
    configured.args(["--listen", "127.0.0.1:0", "-q"]);
    let server = Server::start_command(configured.env("LINECHO_VERBOSE", "2"), 1);
    assert_eq!(echo_of(server.connect(), b"x\n"), r"x\n");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.end().1, Vec::<String>::new());
}

#[test]
fn an_address_that_is_given_otherwise_is_answered_with_the_option() {
    for words in [
        ["--port", "7000"],
        ["127.0.0.1:7000", "--quiet"],
        ["-p", "7"],
    ] {
        let output = run(&words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains("write --listen PORT"), "{words:?}: {error}");
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let mut configured = command();
    configured.envs([
        ("LINECHO_LISTEN", "127.0.0.1:0,127.0.0.1:0"),
        ("LINECHO_MAX_LINE", "8"),
        ("LINECHO_LONG_LINES", "discard"),
        ("LINECHO_MAX_CONNECTIONS", "1000"),
        ("LINECHO_IDLE_TIMEOUT", "1h"),
        ("LINECHO_WRITE_TIMEOUT", "1m 30s"),
        ("LINECHO_DRAIN_TIMEOUT", "1s"),
        ("LINECHO_WORKERS", "2"),
        ("LINECHO_SPIN", "50us"),
        ("LINECHO_VERBOSE", "1"),
        ("LINECHO_QUIET", "false"),
        ("LINECHO_LOG_FORMAT", "json"),
    ]);
    let server = Server::start_command(&mut configured, 2);
    assert_eq!(
        echo_of(server.connect(), b"too long a line\nshort\n"),
        r"short\n"
    );
    let closed: Value = serde_json::from_str(&server.log_line("closed")).unwrap();
    assert_eq!(closed["overlong"], 1);

    let mut wrong = command();
    let mut wrong = wrong
        .env("LINECHO_MAX_LINE", "x")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(wait(&mut wrong).unwrap().code(), Some(2));
}

#[test]
fn every_option_has_a_variable_of_its_name() {
    let (variables, options) = variables::of(Path::new(PROGRAM));
    assert!(variables.len() > 15, "{variables:?}");
    for option in options {
        // These stand for what the program is to do this once.
        if ["stdio", "help", "version"].contains(&&*option) {
            continue;
        }
        let name = format!("LINECHO_{}", option.replace('-', "_").to_uppercase());
        let is_its = |it: &Variable| it.option == option && it.name == name;
        assert!(variables.iter().any(is_its), "{name}: {variables:?}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    variables::assert_wrong_ones_are_named(Path::new(PROGRAM), &[]);
    // What the command line says wrongly is not blamed on the environment.
    let mut wrong = command();
    wrong
        .env("LINECHO_MAX_LINE", "1x")
        .args(["--max-line", "2x"]);
    let output = wrong.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("2x") && !error.contains("LINECHO"),
        "{error}"
    );
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let mut configured = command();
    configured.args(["--listen", "127.0.0.1:0"]);
    for variable in variables::of(Path::new(PROGRAM)).0 {
        configured.env(variable.name, "");
    }
    let server = Server::start_command(&mut configured, 1);
    assert_eq!(echo_of(server.connect(), b"line\n"), r"line\n");
}

#[test]
fn values_may_be_written_as_people_do() {
    let mut configured = command();
    configured.envs([
        ("LINECHO_LISTEN", "127.0.0.1:0, tcp://127.0.0.1:0"),
        ("LINECHO_MAX_LINE", "64KiB"),
        ("LINECHO_LONG_LINES", "Discard"),
        ("LINECHO_IDLE_TIMEOUT", "0s"),
        ("LINECHO_VERBOSE", "true"),
        ("LINECHO_LOG_FORMAT", "JSON"),
    ]);
    let server = Server::start_command(&mut configured, 2);
    // -v
    drop(server.connect());
    server.log_line("\"opened\"");
}

#[test]
fn it_has_a_name_and_a_version() {
    let output = Command::new(PROGRAM).arg("--version").output().unwrap();
    let version = format!("echo-server {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
}
