//! The log, and its readers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, tcflow};
use nix::unistd::Pid;

use linecho_trials::{Stop, Trial, trials};

use crate::kit::{PROGRAM, Running, can_make_namespaces, wait_for};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_log_that_nobody_reads_holds_up_nobody,
        a_log_that_is_read_again_says_how_many_lines_were_dropped,
        a_status_line_is_logged_when_asked_for_and_the_log_may_be_json,
    ]
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
