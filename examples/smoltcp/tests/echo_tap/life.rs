//! Its start, its end, and its words about both.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use linecho_trials::{Stop, Trial, trials, variables};

use crate::kit::{PROGRAM, Running, can_make_namespaces, in_namespace, text};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        wrong_usage_is_2_and_what_cannot_be_is_1,
        a_wrong_variable_is_named_and_an_empty_one_is_unset,
        the_status_of_the_command_becomes_its_own,
        what_it_tells_people_to_type_works_and_ctrl_c_ends_it_with_a_summary,
        limits_end_connections_for_a_reason,
        what_is_cut_and_a_second_signal_fail,
        the_mtu_of_a_path_can_be_given,
    ]
}

fn wrong_usage_is_2_and_what_cannot_be_is_1() -> Result<(), Stop> {
    let run = |arguments: &str| {
        let mut command = Command::new(PROGRAM);
        let output = command.args(arguments.split_whitespace()).output();
        let output = output.expect("it can be started");
        (output.status.code(), text(&output.stderr))
    };
    // No device has this name, so that none is made whatever happens.
    for arguments in [
        "",
        "--tap",
        "--tap / --netns",
        "--tap / --slots x",
        "--tap / --slots 1025",
        "--tap / --port 0",
        "--tap / --ip 192.168.69.1",
        "--tap / --ip 224.0.0.1/24",
        "--tap / --ip 127.0.0.1/8",
        "--tap / --ip 10.0.0.255/24",
        "--tap / --ip 10.0.0.1/24 --ip 10.0.0.1/16",
        "--tap / --gateway 10.0.0.1 --gateway 10.0.0.2",
        "--tap / --ip 10.0.0.1/32 --gateway 10.0.0.254",
        "--tap / --ip 10.0.0.1/24 --gateway 10.0.1.254",
        "--tap / --spin 50",
        "--tap / --spin 2s",
        "--tap / -- true",
        "--netns --ip 10.0.0.1/32",
        "--netns --pcap - -- true",
    ] {
        let (code, stderr) = run(arguments);
        assert_eq!(code, Some(2), "{arguments}: {stderr}");
    }
    let (code, stderr) = run("--tap / nc 10.0.0.1");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("as in -- nc"), "{stderr}");
    let (_, stderr) = run("--tap / --socket-buffer 1KB");
    assert!(stderr.contains("1024 to"), "{stderr}");
    let (_, stderr) = run("--tap / --ip 10.0.0.1/32 --gateway 10.0.0.254");
    assert!(stderr.contains("such as 10.0.0.1/24"), "{stderr}");
    let (_, stderr) = run("--tap / --gateway 10.0.1.254");
    assert!(stderr.contains("10.0.1.254 is in no subnet"), "{stderr}");
    let (code, stderr) = run("--tap a-name-that-is-too-long");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("1 to 15 bytes"), "{stderr}");
    let (code, stderr) = run("--socket /nonexistent/socket");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("passt --foreground --socket /nonexistent/socket"),
        "{stderr}"
    );
    Ok(())
}

fn a_wrong_variable_is_named_and_an_empty_one_is_unset() -> Result<(), Stop> {
    let program = Path::new(PROGRAM);
    // No device has this name.
    variables::assert_wrong_ones_are_named(program, &["--tap", "/"]);
    let (variables, _) = variables::of(program);
    let names: Vec<_> = variables.iter().map(|it| it.name.as_str()).collect();
    for name in ["MAX_LINE", "IDLE_TIMEOUT", "SPIN", "LOG_FORMAT"] {
        assert!(names.contains(&&*format!("LINECHO_{name}")), "{names:?}");
    }
    can_make_namespaces()?;
    let mut command = Command::new(PROGRAM);
    command.args(["--netns", "--", "true"]);
    command.envs(names.iter().map(|name| (name, "")));
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    Ok(())
}

fn the_status_of_the_command_becomes_its_own() -> Result<(), Stop> {
    can_make_namespaces()?;
    for (command, code) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        // A signal to the program is for its command.
        (
            &[
                "sh",
                "-c",
                "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.1; done",
            ],
            9,
        ),
        (&["/no/such/program"], 1),
        // Without its device it has to end, and not to spin.
        (&["sh", "-c", "ip link del tap0; sleep 60"], 1),
    ] {
        let output = in_namespace(&[], command);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    }
    Ok(())
}

fn what_it_tells_people_to_type_works_and_ctrl_c_ends_it_with_a_summary() -> Result<(), Stop> {
    can_make_namespaces()?;
    let mut program = Running::start(Command::new(PROGRAM).arg("--netns"));
    let said = program.says("nc -N fdaa::1 18080");
    let (_, commands) = said.split_once("Try it:\n").expect("it says how to try it");
    for command in commands.lines() {
        // We may be root without sudo.
        let command = command.replace("sudo ", "");
        let output = Command::new("sh").args(["-c", &command]).output();
        let output = output.expect("there is a shell");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}: {stderr}");
        let expected = if command.contains("ping") {
            "3 received"
        } else {
            "x\ny"
        };
        assert!(stdout.contains(expected), "{command}: {stdout}");
    }
    program.signal(Signal::SIGINT);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("reason=\"peer closed\""), "{said}");
    assert!(said.contains("2 connections: 2 peer closed\n"), "{said}");
    assert!(
        said.contains("2 lines (0 too long), 6 bytes in, 6 bytes out\n"),
        "{said}"
    );
    assert!(said.contains(" received, "), "{said}");
    Ok(())
}

fn limits_end_connections_for_a_reason() -> Result<(), Stop> {
    can_make_namespaces()?;
    let options = "--port 7 --idle-timeout 200ms --max-line 10 --long-lines close";
    let script = "{ printf 'short\\n'; sleep 2; } | nc 192.168.69.1 7; \
                  printf 'a line that is longer\\n' | nc 192.168.69.1 7; true";
    let options: Vec<_> = options.split(' ').collect();
    let output = in_namespace(&options, &["sh", "-c", script]);
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout), "short\n", "{stderr}");
    assert!(
        stderr.contains("2 connections: 1 idle, 1 line too long"),
        "{stderr}"
    );
    Ok(())
}

fn what_is_cut_and_a_second_signal_fail() -> Result<(), Stop> {
    can_make_namespaces()?;
    for (drain_timeout, signals) in [("200ms", 1), ("1h", 2)] {
        let mut command = Command::new(PROGRAM);
        command.args(["--netns", "--verbose", "--drain-timeout", drain_timeout]);
        let mut program = Running::start(&mut command);
        program.says("nc -N fdaa::1 18080");
        // It sends until nothing more is taken, and reads nothing.
        let script = "import socket, time
server = socket.create_connection(('192.168.69.1', 18080), 30)
server.settimeout(1)
try:
    while True: server.send(b'a line that is not read\\n' * 1000)
except TimeoutError: print('stuck', flush=True)
time.sleep(600)";
        let pid = program.id().to_string();
        let mut peer = Command::new("nsenter");
        peer.args(["--target", &pid, "--net"]);
        if !nix::unistd::geteuid().is_root() {
            peer.args(["--user", "--preserve-credentials"]);
        }
        peer.args(["python3", "-c", script]);
        let mut peer = peer.stdout(Stdio::piped()).spawn().expect("it is there");
        let mut said = String::new();
        let stdout = peer.stdout.take().expect("it is piped");
        let _ = BufReader::new(stdout).read_line(&mut said);
        assert_eq!(said, "stuck\n");
        program.signal(Signal::SIGTERM);
        if signals == 2 {
            // Two that come at once are one.
            program.signal(Signal::SIGUSR1);
            program.says("status");
            program.signal(Signal::SIGTERM);
        }
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("1 connection: 1 cut\n"), "{said}");
        let _ = peer.kill();
        let _ = peer.wait();
    }
    Ok(())
}

fn the_mtu_of_a_path_can_be_given() -> Result<(), Stop> {
    can_make_namespaces()?;
    let script = "import socket
server = socket.create_connection(('192.168.69.1', 18080), 30)
print(server.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))";
    let output = in_namespace(&["--mtu", "700"], &["python3", "-c", script]);
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout), "660\n", "{stderr}");
    assert!(stderr.contains("MTU 700"), "{stderr}");
    Ok(())
}
