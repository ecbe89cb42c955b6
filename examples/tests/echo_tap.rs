//! The program echo-tap against the kernel's TCP, in a network namespace of its own.
//!
//! `LINECHO_FULL=1` streams 10 MB instead of 200 kB through each of the clients on a link with losses, which takes
//! some minutes.

#![cfg(target_os = "linux")]

use std::env;
use std::fs::{self, Permissions};
use std::io::Cursor;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use linecho_std::Client;

/// Runs a test of `echo_tap/peer.py` in the namespace of an `echo-tap` with these options.
fn play(options: &[&str], test: &str, number: Option<u32>) {
    if !can_run() {
        return;
    }
    let output = echo_tap(options, |command| {
        command
            .args([
                "python3",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/echo_tap/peer.py"),
            ])
            .arg(test)
            .args(number.map(|number| number.to_string()));
    });
    assert!(
        output.status.success(),
        "{test}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn echo_tap(options: &[&str], inside: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-tap"));
    command.args(["--netns", "--quiet"]).args(options).arg("--");
    inside(&mut command);
    command.output().expect("echo-tap can be started")
}

/// Whether this machine lets us make a namespace with a TAP device, and has the tools.
fn can_run() -> bool {
    const TOOLS: &str = "for tool in python3 nc ping ip iptables; do command -v $tool >/dev/null || { \
        echo \"no $tool: apt-get install python3 netcat-openbsd iputils-ping iproute2 iptables\" >&2; \
        exit 1; }; done; iptables -L >/dev/null";
    let output = echo_tap(&[], |command| {
        command.args(["sh", "-c", TOOLS]);
    });
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success() || skip(&why)
}

/// Says why a test is skipped, or fails if `LINECHO_REQUIRE_ALL` is 1.
fn skip(why: &str) -> bool {
    assert!(
        env::var_os("LINECHO_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{why}"
    );
    eprintln!("SKIPPED: {why}");
    false
}

#[test]
fn ping_and_nc_are_answered() {
    play(&[], "answers", None);
}

#[test]
fn sixteen_clients_stream_ten_megabytes_each() {
    play(&[], "streams", Some(10_000_000));
}

#[test]
fn sixteen_clients_stream_on_a_link_that_loses_one_packet_in_twenty() {
    let full = env::var_os("LINECHO_FULL").is_some_and(|value| value == "1");
    let size = if full { 10_000_000 } else { 200_000 };
    play(&[], "streams_with_loss", Some(size));
}

#[test]
fn connections_outlive_a_link_that_goes_down() {
    play(&[], "link_down_and_up", None);
}

#[test]
fn four_slots_serve_after_eleven_thousand_connections_of_which_each_tenth_resets() {
    play(&["--slots=4"], "slots_come_back", Some(11_000));
}

#[test]
fn an_honest_client_is_served_after_a_flood_of_syns() {
    play(&["--slots=4"], "syn_flood", Some(10_000));
}

#[test]
fn wrong_arguments_end_with_2_and_what_cannot_be_with_1() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-tap"));
        let output = command.args(arguments).output().expect("it can be started");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    assert_eq!(run(&[]).0, Some(2));
    assert_eq!(run(&["--tap", "tap0", "--slots", "x"]).0, Some(2));
    assert_eq!(run(&["--tap", "tap0", "--ip", "192.168.69.1"]).0, Some(2));
    let (code, stderr) = run(&["--tap", "a-name-that-is-too-long"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("1 to 15 bytes"), "{stderr}");
    let (code, stderr) = run(&["--socket", "/nonexistent/socket"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nonexistent/socket"), "{stderr}");
}

/// passt refuses to run as root, and neither it nor echo-tap needs any privilege.
#[test]
fn an_ordinary_user_is_served_behind_passt() {
    let passt = Command::new("passt").arg("--help").output();
    if passt.is_err() && !skip("no passt: apt-get install passt") {
        return;
    }
    let folder = env::temp_dir().join(format!("linecho-passt-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("echo-tap");
    fs::copy(env!("CARGO_BIN_EXE_echo-tap"), &program).unwrap();
    let socket = folder.join("socket");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.unwrap();

    let mut passt = as_user("passt");
    passt
        .args(["--foreground", "--socket", socket.to_str().unwrap()])
        .args([
            "--ipv4-only",
            "--interface",
            "lo",
            "--mac-addr",
            "02:00:00:00:00:02",
        ])
        .args([
            "--address",
            "192.168.69.1",
            "--netmask",
            "24",
            "--gateway",
            "192.168.69.100",
        ])
        .args([
            "--tcp-ports",
            &format!("127.0.0.1/{}:18080", address.port()),
        ]);
    let _passt = Ended(passt.spawn().unwrap());
    wait_for(|| socket.exists());
    let mut server = as_user(&program);
    server.args(["--quiet", "--socket", socket.to_str().unwrap()]);
    let _server = Ended(server.spawn().unwrap());

    let text: Vec<u8> = (0..290_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    let limit = Duration::from_secs(60);
    let mut output = Vec::new();
    wait_for(|| {
        // passt accepts before it knows whether there is a server behind it.
        let client = Client::connect(address, limit);
        client.is_ok_and(|mut client| client.echo(b"hello").is_ok())
    });
    let client = Client::connect(address, limit).unwrap();
    client
        .filter(Cursor::new(text.clone()), &mut output)
        .unwrap();
    assert!(output == text);
    fs::remove_dir_all(&folder).unwrap();
}

/// A command as the user that we are, or as nobody if that is root.
fn as_user(program: impl AsRef<Path>) -> Command {
    let is_root = nix::unistd::geteuid().is_root();
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(program.as_ref());
        command
    } else {
        Command::new(program.as_ref())
    };
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < until, "not within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}
