//! The command line: `echo-client [TARGET] [MODE]`, or the mode first.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use linecho_examples::command_line::{self, Given, Settle};
use linecho_examples::listen_address::Place;

use crate::check::CheckOptions;
use crate::description::{self, Description};
use crate::load::LoadOptions;
use crate::output;
use crate::ping::PingOptions;

/// Talks to a line echo, and checks every byte that comes back.
///
/// Without a mode it prompts for lines on a terminal, and shows each echo with its round-trip time.
/// In a pipe it is a filter: standard input goes out, what comes back goes to standard output.
#[derive(Parser)]
#[command(
    name = "echo-client",
    version,
    after_help = description::after_help(""),
    subcommand_help_heading = "Modes",
    subcommand_value_name = "MODE",
    subcommand_precedence_over_arg = true,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) options: Options,

    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
}

/// The server, as the words of it stand on the command line.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Target {
    // Not a doc comment: rustdoc would look for links in the brackets.
    #[arg(
        value_name = "TARGET",
        help = "The server: HOST:PORT, HOST PORT, [V6]:PORT, PORT on this machine, or unix:PATH \
                [env: LINECHO_SERVER] [default: localhost:18080]"
    )]
    target: Option<String>,

    #[arg(value_name = "PORT", hide = true)]
    port: Option<String>,

    /// One word too many, as behind a mode that is misspelt.
    #[arg(value_name = "WORD", hide = true)]
    more: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum Mode {
    /// Send one line, print its echo, and end
    #[command(override_usage = "echo-client [OPTIONS] [TARGET] send <TEXT>...")]
    #[command(after_help = description::after_help("send"))]
    Send {
        /// The words of the line
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<OsString>,
    },
    /// Test what the path to a server does to a stream
    #[command(after_help = description::after_help("check"))]
    Check {
        #[command(flatten)]
        check: CheckOptions,

        #[command(flatten)]
        target: Target,
    },
    /// Send as fast as possible, or at a rate, on many connections
    #[command(after_help = description::after_help("load"))]
    Load {
        #[command(flatten)]
        load: LoadOptions,

        #[command(flatten)]
        target: Target,
    },
    /// Wait until a server echoes a line
    #[command(after_help = description::after_help("wait"))]
    Wait {
        /// How long to wait; 0s is for ever
        #[arg(long = "for", value_name = "TIME", default_value = "30s")]
        #[arg(value_parser = command_line::duration)]
        limit: Duration,

        #[command(flatten)]
        target: Target,
    },
    /// Send a line each interval, and count what comes back, how fast, and when it does not
    #[command(after_help = description::after_help("ping"))]
    Ping {
        #[command(flatten)]
        ping: PingOptions,

        #[command(flatten)]
        target: Target,
    },
}

/// Options of all modes. The help of a mode has them behind its own.
#[derive(Args, Clone, Debug)]
#[command(next_display_order = 100)]
pub(crate) struct Options {
    /// Give up when a server moves no byte for so long, or connecting takes so long; 0s is never.
    /// For check it limits the look-up of the name only; wait has --for instead
    #[arg(long, global = true, value_name = "TIME", env = "LINECHO_TIMEOUT")]
    #[arg(default_value = "30s", value_parser = command_line::duration)]
    pub(crate) timeout: Duration,

    /// Wait so long to connect, name look-up included [default: as --timeout]
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        env = "LINECHO_CONNECT_TIMEOUT"
    )]
    #[arg(value_parser = command_line::duration)]
    pub(crate) connect_timeout: Option<Duration>,

    /// Wait so long for the server to close when everything has come back through a pipe
    #[arg(long, global = true, value_name = "TIME", env = "LINECHO_LINGER")]
    #[arg(default_value = "2s", value_parser = command_line::duration)]
    pub(crate) linger: Duration,

    /// Probe a peer that has been silent for so long (TCP keep-alive, whole seconds); 0s is never
    #[arg(long, global = true, value_name = "TIME", env = "LINECHO_KEEP_ALIVE")]
    #[arg(default_value = "60s", value_parser = command_line::keep_alive)]
    pub(crate) keep_alive: Duration,

    /// Use IPv4 only
    #[arg(short = '4', global = true, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', global = true)]
    pub(crate) ipv6: bool,

    /// Connect from this address of this machine
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,

    /// Send a PROXY header first, as a relay does; the server must expect it
    #[arg(long, global = true, value_name = "VERSION")]
    pub(crate) send_proxy: Option<ProxyVersion>,

    /// End lines with CR LF: those of the prompt, of a pipe, and of send
    #[arg(short = 'C', long, global = true)]
    pub(crate) crlf: bool,

    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say more: what each answer of check was found by
    #[arg(short, long, global = true, env = "LINECHO_VERBOSE", action = ArgAction::Count)]
    #[arg(value_parser = command_line::verbosity)]
    pub(crate) verbose: u8,

    #[command(flatten)]
    description: Description,
}

impl Settle for Arguments {
    fn settle(&mut self, given: &Given<'_>) -> Result<(), String> {
        let is_of_lines = matches!(self.mode, None | Some(Mode::Send { .. }));
        if given.has("crlf") && !is_of_lines {
            return Err("--crlf is for lines of yours: the prompt, a pipe and send take it".into());
        }
        if given.has("linger") && self.mode.is_some() {
            return Err("--linger is for what comes back through a pipe: no mode takes it".into());
        }
        if matches!(self.mode, Some(Mode::Wait { .. }))
            && let Some(option) = given.first(&["timeout", "connect-timeout"])
        {
            return Err(format!(
                "--{option} is for other modes: wait takes --for, the time of all attempts"
            ));
        }
        if given.has("connect-timeout") && matches!(self.mode, Some(Mode::Check { .. })) {
            let text = "--connect-timeout is for other modes: check takes --patience for each \
                        connection, and --timeout for the name look-up";
            return Err(text.into());
        }
        if let Some(Mode::Load { load, .. }) = &self.mode
            && load.has_several_sources()
            && self.options.source.is_some()
        {
            return Err("--spread has addresses of its own, and takes no --source".into());
        }
        Ok(())
    }
}

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyVersion {
    /// Text
    V1,
    /// Binary
    V2,
}

impl Arguments {
    /// Takes the program's; ends it with exit code 2 if they are wrong.
    pub(crate) fn take() -> (Self, Place) {
        let parsed = command_line::try_parse().and_then(|arguments: Self| {
            let wrong = |text| Self::command().error(ErrorKind::ValueValidation, text);
            arguments
                .options
                .description
                .print()
                .map_err(|failure| Self::command().error(ErrorKind::Io, failure))?;
            let place = arguments.place().map_err(wrong)?;
            if let Some(option) = arguments.for_tcp_alone()
                && let Place::Unix(_) = place
            {
                return Err(wrong(format!("{option} is for TCP, and {place} is none")));
            }
            Ok((arguments, place))
        });
        parsed.unwrap_or_else(|error| {
            if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                let text = error.to_string();
                let text = text.lines().next().unwrap_or_default();
                let text = text.trim_start_matches("error: ");
                output::print(&output::object("summary", None, &output::wrong_usage(text)));
            }
            error.exit()
        })
    }

    /// Returns the one target: before the mode, behind it, of the environment, or the default.
    fn place(&self) -> Result<Place, String> {
        let behind = match &self.mode {
            Some(
                Mode::Check { target, .. }
                | Mode::Load { target, .. }
                | Mode::Wait { target, .. }
                | Mode::Ping { target, .. },
            ) => target.text()?,
            Some(Mode::Send { .. }) | None => None,
        };
        match (self.target.text()?, behind) {
            (Some(before), Some(behind)) => Err(format!(
                "one target is enough: there is {before} before the mode, and {behind} behind it"
            )),
            (Some(text), None) | (None, Some(text)) => place(&text),
            (None, None) => match std::env::var("LINECHO_SERVER") {
                Ok(text) if !text.is_empty() => {
                    place(&text).map_err(|error| format!("LINECHO_SERVER: {error}"))
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err("the value of LINECHO_SERVER is not UTF-8".into())
                }
                _ => place("localhost:18080"),
            },
        }
    }

    /// An option that was given, and that a UNIX socket has nothing like.
    fn for_tcp_alone(&self) -> Option<&'static str> {
        let options = &self.options;
        match &self.mode {
            _ if options.ipv4 => Some("-4"),
            _ if options.ipv6 => Some("-6"),
            _ if options.source.is_some() => Some("--source"),
            _ if options.send_proxy.is_some() => Some("--send-proxy"),
            Some(Mode::Load { load, .. }) if load.has_several_sources() => Some("--spread"),
            _ => None,
        }
    }
}

impl Target {
    /// `HOST PORT`, as nc takes it, is the same as `HOST:PORT`.
    fn text(&self) -> Result<Option<String>, String> {
        let Some(target) = self.target.as_deref() else {
            return Ok(None);
        };
        let is_v6 = target.matches(':').count() > 1 && !target.starts_with('[');
        Ok(Some(match &self.port {
            None => target.into(),
            Some(port) if !port.bytes().all(|it| it.is_ascii_digit()) => {
                return Err(not_a_mode(target, port));
            }
            Some(port) if self.more.iter().any(|word| !word.is_empty()) => {
                return Err(not_a_mode(&format!("{target} {port}"), &self.more[0]));
            }
            Some(port) if target.starts_with("unix:") => {
                return Err(format!("a UNIX socket has no port, and {port} is one"));
            }
            Some(port) if is_v6 => format!("[{target}]:{port}"),
            Some(port) if target.ends_with(']') || !target.contains(':') => {
                format!("{target}:{port}")
            }
            Some(port) => return Err(format!("{target} has a port, and {port} is one too many")),
        }))
    }
}

fn not_a_mode(before: &str, word: &str) -> String {
    let modes: Vec<_> = Arguments::command()
        .get_subcommands()
        .map(|mode| mode.get_name().to_owned())
        .collect();
    let modes = modes.join(", ");
    format!("{before} {word} is neither HOST PORT nor a mode; the modes are {modes}")
}

fn place(text: &str) -> Result<Place, String> {
    // All interfaces are for servers.
    let port = text.strip_prefix(':').filter(|port| !port.contains(':'));
    match port.unwrap_or(text).parse()? {
        Place::Tcp(address) if address.port == 0 => {
            Err("port 0 is for servers: name the port that the server listens on".into())
        }
        place => Ok(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(words: &[&str]) -> Result<String, String> {
        let words = ["echo-client"].iter().chain(words);
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        arguments.place().map(|place| place.to_string())
    }

    #[test]
    fn a_target_stands_before_the_mode_or_behind_it() {
        Arguments::command().debug_assert();
        for (words, address) in [
            (&[][..], "localhost:18080"),
            (&["7"], "localhost:7"),
            (&[":7"], "localhost:7"),
            (&["host:7"], "host:7"),
            (&["host", "7"], "host:7"),
            (&["::1", "7"], "[::1]:7"),
            (&["[::1]", "7"], "[::1]:7"),
            (&["tcp://host:7"], "host:7"),
            (&["host:7", "send", "x"], "host:7"),
            (&["host", "7", "send", "x"], "host:7"),
            (&["send", "x", "y"], "localhost:18080"),
            (&["wait", "host:7"], "host:7"),
            (&["host:7", "wait"], "host:7"),
            (&["ping", "-c", "3", "host", "7"], "host:7"),
            (&["wait:7"], "wait:7"),
            (&["unix:/run/echo:7.sock"], "unix:/run/echo:7.sock"),
            (&["ping", "unix:@echo"], "unix:@echo"),
            (&["wait", "wait:7"], "wait:7"),
        ] {
            assert_eq!(target(words).as_deref(), Ok(address), "{words:?}");
        }
        for (words, part) in [
            (&["host:7", "wait", "other:7"][..], "one target is enough"),
            (&["host:7", "8"], "one too many"),
            (&["snd", "hello"], "the modes are send, "),
            (&["host:7", "snd"], "the modes are send, "),
            (&["host:7", "snd", "hello", "you"], "the modes are send, "),
            (&["host", "7", "snd", "hello"], "host 7 snd is neither"),
            (&["pong", "host:7"], "pong host:7 is neither"),
            (&["pong", "127.0.0.1:7"], "pong 127.0.0.1:7 is neither"),
            (&["host:0"], "port 0"),
            (&["/run/echo.sock"], "unix:/run/echo.sock"),
            (&["unix:/run/echo.sock", "7"], "has no port"),
            (&["-4", "-6"], "cannot be used with"),
        ] {
            let error = target(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn options_stand_on_both_sides() {
        for words in [
            ["echo-client", "--timeout", "5s", "ping", "host:7"],
            ["echo-client", "ping", "--timeout", "5s", "host:7"],
        ] {
            let arguments = Arguments::parse_from(words);
            assert_eq!(arguments.options.timeout, Duration::from_secs(5));
        }
    }
}
