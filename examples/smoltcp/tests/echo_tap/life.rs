//! Its start, its end, and its words about both.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, tcflow};
use nix::unistd::Pid;

use linecho_trials::{Stop, Trial, trials, variables};

use crate::kit::{PROGRAM, Running, can_make_namespaces, in_namespace, text, wait_for};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        wrong_usage_is_2_and_what_cannot_be_is_1,
        a_wrong_variable_is_named_and_an_empty_one_is_unset,
        the_status_of_the_command_becomes_its_own,
        what_it_tells_people_to_type_works_and_ctrl_c_ends_it_with_a_summary,
        limits_end_connections_for_a_reason,
        what_is_cut_and_a_second_signal_fail,
        the_mtu_of_a_path_can_be_given,
        frames_are_captured_in_a_file_and_on_stdout,
        a_capture_that_nobody_opens_holds_nothing_up,
        a_log_that_nobody_reads_holds_up_nobody,
        a_log_that_is_read_again_says_how_many_lines_were_dropped,
        a_status_line_is_logged_when_asked_for_and_the_log_may_be_json,
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

fn frames_are_captured_in_a_file_and_on_stdout() -> Result<(), Stop> {
    can_make_namespaces()?;
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/echo-tap.pcap");
    let ping = ["ping", "-c", "1", "-W", "5", "192.168.69.1"];
    let output = in_namespace(&["--quiet", "--pcap", file], &ping);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let magic = 0xa1b2_c3d4_u32.to_le_bytes();
    let capture = fs::read(file).expect("the file was written");
    assert_eq!(capture[..4], magic);
    // The request and the reply end with what ping puts there.
    let content: Vec<u8> = (0x20..0x38).collect();
    let is_content = |part: &&[u8]| *part == content;
    assert_eq!(capture.windows(content.len()).filter(is_content).count(), 2);

    let mut command = Command::new(PROGRAM);
    command
        .args(["--netns", "--pcap", "-"])
        .stdout(Stdio::piped());
    let mut program = Running::start(&mut command);
    let mut stdout = program.stdout();
    let mut head = [0; 24];
    stdout.read_exact(&mut head).expect("the capture begins");
    assert_eq!(head[..4], magic);
    // Nobody reads on, though there is more than a pipe holds: every ping is answered all the same.
    let said = program.says("nc -N fdaa::1 18080");
    let ping = said.lines().find(|line| line.contains("ping"));
    let ping = ping.expect("it says how to try it").replace("sudo ", "");
    let flood = ping.replace("-c 3", "-f -c 100 -s 1400 -W 1");
    let output = Command::new("sh").args(["-c", &flood]).output();
    let pinged = text(&output.expect("there is a shell").stdout);
    assert!(pinged.contains("100 packets transmitted"), "{pinged}");
    assert!(pinged.contains(" 0% packet loss"), "{pinged}");
    program.signal(Signal::SIGTERM);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let incomplete = "nobody has read the end of the capture";
    assert!(said.contains(incomplete), "{said}");
    assert!(said.contains("0 connections"), "{said}");
    Ok(())
}

fn a_capture_that_nobody_opens_holds_nothing_up() -> Result<(), Stop> {
    can_make_namespaces()?;
    let fifo = concat!(env!("CARGO_TARGET_TMPDIR"), "/echo-tap.fifo");
    let _ = fs::remove_file(fifo);
    let made = Command::new("mkfifo").arg(fifo).status();
    assert!(made.expect("mkfifo is there").success());
    let script = "printf 'line\\n' | nc -N 192.168.69.1 18080";
    let output = in_namespace(&["--pcap", fifo], &["sh", "-c", script]);
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout), "line\n", "{stderr}");
    let incomplete = "nobody has read the end of the capture";
    assert!(stderr.contains(incomplete), "{stderr}");

    let mut program = Running::start(Command::new(PROGRAM).args(["--netns", "--pcap", fifo]));
    program.says("nc -N fdaa::1 18080");
    program.signal(Signal::SIGTERM);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");

    // A reader that pauses before the first frame, until the program has ended.
    let script =
        "for i in 1 2 3; do head -c 100000 /dev/zero | nc -N 192.168.69.1 18080; done | wc -c";
    let mut command = Command::new(PROGRAM);
    command.args(["--netns", "--pcap", fifo, "--", "sh", "-c", script]);
    let output = thread::spawn(move || command.output());
    let mut reader = File::open(fifo).expect("there is a writer");
    let mut head = [0; 24];
    reader.read_exact(&mut head).expect("the capture begins");
    let output = output.join().expect("no panic").expect("it can be started");
    let stderr = text(&output.stderr);
    assert_eq!(text(&output.stdout).trim(), "300000", "{stderr}");
    assert!(stderr.contains(incomplete), "{stderr}");
    // What came before the pause is whole.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("it has an end");
    assert!(rest.len() > 4096, "{}", rest.len());
    fs::remove_file(fifo).expect("it was made");
    Ok(())
}

/// The connections of a test, of whose log a third fits into the queue and a pipe.
const CONNECTIONS: usize = 4000;

/// A log that nobody reads: a pipe that is full, and a terminal that is stopped.
fn a_log_that_nobody_reads_holds_up_nobody() -> Result<(), Stop> {
    can_make_namespaces()?;
    let (reader, pipe) = std::io::pipe().expect("there are file descriptors");
    terminate(serve_without_a_reader(pipe.into()));
    drop(reader);

    let terminal = openpty(None, None).expect("there are terminals");
    tcflow(&terminal.slave, FlowArg::TCOOFF).expect("it can be stopped");
    terminate(serve_without_a_reader(terminal.slave));
    Ok(())
}

fn a_log_that_is_read_again_says_how_many_lines_were_dropped() -> Result<(), Stop> {
    can_make_namespaces()?;
    let (reader, pipe) = std::io::pipe().expect("there are file descriptors");
    let program = serve_without_a_reader(pipe.into());
    assert_dropped_lines_are_counted(program, reader);

    let terminal = openpty(None, None).expect("there are terminals");
    let slave = || terminal.slave.try_clone().expect("it is open");
    tcflow(slave(), FlowArg::TCOOFF).expect("it can be stopped");
    let program = serve_without_a_reader(slave());
    tcflow(slave(), FlowArg::TCOON).expect("it was stopped");
    let master = File::from(terminal.master.try_clone().expect("it is open"));
    drop(terminal);
    assert_dropped_lines_are_counted(program, master);
    Ok(())
}

fn serve_without_a_reader(stderr: OwnedFd) -> Child {
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/echo_tap/peer.py");
    let mut command = Command::new(PROGRAM);
    // It ends as long as this test waits, and does not wait for the log.
    command.args(["--netns", "--verbose", "--drain-timeout", "30s"]);
    command.args(["--", "python3", peer, "one_after_the_other"]);
    command.arg(CONNECTIONS.to_string());
    let child = command.stdout(Stdio::piped()).stderr(stderr).spawn();
    let mut child = child.expect("it can be started");
    let mut done = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    let read = BufReader::new(stdout).read_line(&mut done);
    assert_eq!((read.ok(), done.as_str()), (Some(5), "done\n"));
    child
}

fn terminate(mut child: Child) {
    // The command waits for a signal, which is passed on to it.
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGTERM).expect("it is running");
    let status = wait_for("its end", || child.try_wait().expect("it is ours"));
    assert_eq!(status.code(), Some(128 + 15));
}

fn assert_dropped_lines_are_counted(child: Child, stderr: impl Read) {
    let (mut written, mut dropped) = (0, 0);
    let is_of_a_connection = |line: &str| line.contains(" opened ") || line.contains(" closed ");
    let mut child = Some(child);
    // The end of a terminal is an error.
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some((_, lines)) = line.split_once(" were dropped, since nobody read them lines=") {
            dropped += lines.trim().parse::<usize>().expect("it is a number");
            if let Some(child) = child.take() {
                // The log was full long before the last thousand connections.
                assert!(written < 2 * (CONNECTIONS - 1000), "{written} were written");
                terminate(child);
            }
        }
        written += usize::from(is_of_a_connection(&line));
    }
    assert!(child.is_none(), "it says that lines were dropped");
    assert_eq!(written + dropped, 2 * CONNECTIONS);
}

fn a_status_line_is_logged_when_asked_for_and_the_log_may_be_json() -> Result<(), Stop> {
    can_make_namespaces()?;
    // Under nohup(1) SIGHUP is ignored here, and would be there. A handler is not inherited.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default()).expect("a handler");
    let mut command = Command::new(PROGRAM);
    command.arg("--netns").env("LINECHO_LOG_FORMAT", "json");
    let mut program = Running::start(&mut command);
    program.says("\"event\":\"listening\",\"address\":\"[fdaa::1]:18080\"");
    program.signal(Signal::SIGUSR2);
    program.signal(Signal::SIGUSR1);
    program.says("\"event\":\"status\",\"connections\":0");
    program.signal(Signal::SIGHUP);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("\"event\":\"stopped\""), "{said}");
    Ok(())
}
