//! The end of the program: after a signal, or after its command.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};

use nix::sys::signal::{self, Signal::SIGTERM};
use nix::unistd::Pid;

use linecho_examples::signals::Signal;

/// The command, if there is one, and the signals that came.
#[derive(Debug)]
pub(crate) struct Lifetime {
    command: Option<Child>,
    status: Option<ExitStatus>,
    is_asked: bool,
    is_stopped: bool,
}

/// The program's next step after a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// As if nothing had happened.
    GoOn,
    /// Finish what is begun, then end.
    Finish,
    /// End at once.
    Stop,
}

impl Lifetime {
    /// Starts the command, unless it is empty.
    ///
    /// # Errors
    ///
    /// When there is no such program, or it cannot be run.
    pub(crate) fn start(command: &[String]) -> io::Result<Self> {
        let child = match command {
            [] => None,
            [program, arguments @ ..] => {
                let child = Command::new(program).args(arguments).spawn();
                Some(child.map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot run {program}: {error}"))
                })?)
            }
        };
        Ok(Self {
            command: child,
            status: None,
            is_asked: false,
            is_stopped: false,
        })
    }

    /// Decides what a signal means. The first polite one asks for the end, the second insists;
    /// while there is a command, they are for the command.
    pub(crate) fn signalled(&mut self, signal: Signal) -> Wish {
        match (signal, &mut self.command) {
            (Signal::Status, _) | (Signal::Child, None) => Wish::GoOn,
            (Signal::Child, Some(child)) => match child.try_wait() {
                Ok(Some(status)) => {
                    self.status = Some(status);
                    self.command = None;
                    Wish::Finish
                }
                Ok(None) | Err(_) => Wish::GoOn,
            },
            // The terminal has sent it to the command as well, and that is to decide.
            (Signal::Interrupt, Some(_)) => Wish::GoOn,
            (Signal::Terminate | Signal::Hangup, Some(child)) => {
                if self.is_asked {
                    // It fails only if the command has ended, which is all right.
                    let _ = child.kill();
                } else if let Ok(pid) = i32::try_from(child.id()) {
                    let _ = signal::kill(Pid::from_raw(pid), SIGTERM);
                }
                self.is_asked = true;
                Wish::GoOn
            }
            (_, None) if self.is_asked => {
                self.is_stopped = true;
                Wish::Stop
            }
            (_, None) => {
                self.is_asked = true;
                Wish::Finish
            }
        }
    }

    /// Returns the exit code of the command, as a shell gives it. Without one, it is 0 if the end
    /// was in order: neither were sessions cut, nor did a second signal insist.
    pub(crate) fn exit_code(&self, is_cut: bool) -> ExitCode {
        let Some(status) = self.status else {
            return match is_cut || self.is_stopped {
                true => ExitCode::FAILURE,
                false => ExitCode::SUCCESS,
            };
        };
        let code = status.code().or(status.signal().map(|number| 128 + number));
        ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

impl Drop for Lifetime {
    /// A program that fails takes its command with it.
    fn drop(&mut self) {
        if let Some(child) = &mut self.command {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Signal::{Child as Ended, Hangup, Interrupt, Status, Terminate};

    fn start(command: &[&str]) -> Lifetime {
        let command: Vec<_> = command.iter().map(ToString::to_string).collect();
        Lifetime::start(&command).expect("there are such programs")
    }

    #[test]
    fn the_first_signal_asks_and_the_second_insists() {
        for signal in [Interrupt, Terminate, Hangup] {
            let mut lifetime = start(&[]);
            assert_eq!(lifetime.signalled(Ended), Wish::GoOn);
            assert_eq!(lifetime.signalled(Status), Wish::GoOn);
            assert_eq!(lifetime.signalled(signal), Wish::Finish);
            assert_eq!(lifetime.exit_code(false), ExitCode::SUCCESS);
            assert_eq!(lifetime.exit_code(true), ExitCode::FAILURE);
            assert_eq!(lifetime.signalled(signal), Wish::Stop);
            assert_eq!(lifetime.exit_code(false), ExitCode::FAILURE);
        }
    }

    #[test]
    fn signals_are_for_the_command_while_there_is_one() {
        let mut lifetime = start(&["sleep", "60"]);
        assert_eq!(lifetime.signalled(Interrupt), Wish::GoOn);
        assert_eq!(lifetime.signalled(Terminate), Wish::GoOn);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while lifetime.signalled(Ended) != Wish::Finish {
            assert!(std::time::Instant::now() < until, "it was not terminated");
            std::thread::yield_now();
        }
        assert_eq!(lifetime.exit_code(true), ExitCode::from(128 + 15));
    }
}
