//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::BoolishValueParser;
use linecho_examples::command_line::{self, Given, Settle};
use linecho_examples::listen_address::{ListenAddress, Place};
use linecho_examples::options::{LogOptions, SessionOptions, WaitOptions};

/// Echoes every line that it gets, to thousands of connections at once.
///
/// Prints `listening ADDRESS` for each address that it listens on, and logs to stderr. Health
/// checks (connections that send nothing, or are reset when all has gone back) are logged with -v
/// only.
#[derive(Parser)]
#[command(name = "echo-server", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    // Not a doc comment: rustdoc would look for a link in the brackets.
    #[arg(
        long,
        value_name = "[NAME=]ADDR",
        help = "Listen here: PORT (on localhost), :PORT (on all interfaces), HOST:PORT, [V6]:PORT or \
                unix:PATH (unix:@NAME is abstract); port 0 is any free one. May be given several times, or \
                with commas between, and adds to sockets from systemd [default: localhost:18080]",
        env = "LINECHO_LISTEN",
        value_delimiter = ','
    )]
    pub(crate) listen: Vec<ListenAddress>,

    /// Listen here for relays, whose connections begin with a PROXY header (version 1 or 2)
    /// that names the peer; as for --listen. Only relays may reach these addresses
    #[arg(
        long,
        value_name = "[NAME=]ADDR",
        env = "LINECHO_PROXY_LISTEN",
        value_delimiter = ','
    )]
    pub(crate) proxy_listen: Vec<ListenAddress>,

    /// The mode of the files of UNIX sockets, for example 660 [default: as the umask has it]
    #[arg(long, value_name = "MODE", env = "LINECHO_UNIX_MODE", value_parser = mode)]
    pub(crate) unix_mode: Option<u32>,

    #[command(flatten)]
    pub(crate) session: SessionOptions,

    /// Go on serving so long after SIGTERM before the stop begins, while /readyz of --admin says
    /// that no more connections are wanted
    #[arg(
        long,
        value_name = "TIME",
        env = "LINECHO_DRAIN_DELAY",
        default_value = "0s",
        value_parser = command_line::duration
    )]
    pub(crate) drain_delay: Duration,

    /// The most connections that may be open; more have to wait [default: no limit]
    #[arg(long, value_name = "NUMBER", env = "LINECHO_MAX_CONNECTIONS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,

    /// The most connections that a peer may have open (an IPv4 address or an IPv6 network); more
    /// are reset [default: no limit]
    #[arg(long, value_name = "NUMBER", env = "LINECHO_MAX_PER_PEER")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_per_peer: Option<u32>,

    /// The number of threads that serve connections [default: one per core]
    #[arg(long, value_name = "NUMBER", env = "LINECHO_WORKERS")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    #[command(flatten)]
    pub(crate) wait: WaitOptions,

    /// Show health (/healthz, /readyz), metrics (/metrics) and a live page (/) by HTTP at this
    /// address, which has no authentication: PORT (on localhost), :PORT, HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", env = "LINECHO_ADMIN")]
    pub(crate) admin: Option<Place>,

    /// Take the listening sockets over from the server that waits at this path, if one does, and
    /// wait there for the next. No connection is refused or reset meanwhile. Without --listen and
    /// --proxy-listen all its sockets are taken, else those that they name, and the others closed
    #[arg(long, value_name = "PATH", env = "LINECHO_TAKEOVER", value_parser = meeting)]
    pub(crate) takeover: Option<PathBuf>,

    /// Serve one peer on stdin and stdout, and end: for inetd, systemd's Accept=yes, ssh, socat.
    /// Options of sockets are for a server that listens
    #[arg(long)]
    pub(crate) stdio: bool,

    /// Greet each connection with one line of JSON that says who answers: name, version, and the
    /// addresses that the server sees. echo-client takes it out; to others it is a line that they
    /// did not send
    #[arg(long, env = "LINECHO_IDENTIFY", value_parser = BoolishValueParser::new())]
    pub(crate) identify: bool,

    // Not a doc comment: clippy would take the variable for code.
    #[arg(
        long,
        value_name = "NAME",
        help = "The name for --identify [default: POD_NAME of the environment, or that of the host]",
        env = "LINECHO_NAME"
    )]
    name: Option<String>,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

const AFTER_HELP: &str = "\
Signals:
  INT (Ctrl-C), TERM   send back what was received, and end; a second one ends at once
  HUP                  the same, unless it was ignored at the start, as by nohup
  USR1                 log a status line: connections, lines and bytes so far
  USR2                 ignored

A stop waits for peers that have not received everything, as long as --drain-timeout at most, and a tenth
of a second for those that have and do not close.

With --drain-delay, the first TERM only begins the delay; a second signal ends it.

systemd: sockets of a socket unit are taken over with their names, and its notifications and watchdog
are served, without an option.

Exit codes: 0 it was stopped, and nothing was cut; 1 it failed, or something was cut, or a second signal
ended it; 2 wrong usage.";

/// Parses the mode of a file, in octal digits.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("three octal digits are needed, such as 660".into()),
    }
}

/// Parses the path of a UNIX socket that is a file.
fn meeting(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("unix:").unwrap_or(text) {
        "" => Err("a path is needed".into()),
        name if name.starts_with('@') => {
            Err("a path is needed: any user could connect to an abstract name".into())
        }
        path => Ok(path.into()),
    }
}

/// Options that --stdio has no use for. Their variables may be there for another server.
const OF_LISTENERS: [&str; 11] = [
    "listen",
    "proxy-listen",
    "unix-mode",
    "keep-alive",
    "drain-delay",
    "max-connections",
    "max-per-peer",
    "workers",
    "spin",
    "admin",
    "takeover",
];

impl Settle for Arguments {
    fn settle(&mut self, given: &Given<'_>) -> Result<(), String> {
        self.log.settle(given)?;
        if self.stdio
            && let Some(option) = given.first(&OF_LISTENERS)
        {
            return Err(format!(
                "--{option} is for a server that listens, and --stdio serves one peer on stdin and stdout"
            ));
        }
        if given.has("unix-mode") && !self.makes_a_file() {
            return Err("--unix-mode is for the files of UNIX sockets: listen on unix:PATH".into());
        }
        if given.has("name") && !self.identify {
            return Err("--name is the name for --identify: give that as well".into());
        }
        if cfg!(not(unix))
            && let Some(option) = given.first(&["admin", "drain-delay", "takeover"])
        {
            return Err(format!("this system has no --{option}"));
        }
        Ok(())
    }
}

impl Arguments {
    /// Returns `true` if an option names a UNIX socket that is a file.
    fn makes_a_file(&self) -> bool {
        let listen = self.listen.iter().chain(&self.proxy_listen);
        let mut places = listen.map(|it| &it.place).chain(&self.admin);
        places.any(Place::is_file)
    }

    /// Returns the name by which the server identifies itself, if it does.
    pub(crate) fn identity(&self) -> Option<String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        self.identify.then(|| {
            let given = self.name.clone().or_else(|| variable("POD_NAME"));
            given
                .or_else(host_name)
                .unwrap_or_else(|| "echo-server".into())
        })
    }

    /// Returns the addresses to listen on, and those for relays. Without any, and without sockets
    /// from elsewhere, there is a default.
    pub(crate) fn addresses(&self, has_sockets: bool) -> Vec<(ListenAddress, bool)> {
        let plain = self.listen.iter().map(|it| (it.clone(), false));
        let with_header = self.proxy_listen.iter().map(|it| (it.clone(), true));
        let mut addresses: Vec<_> = plain.chain(with_header).collect();
        if addresses.is_empty() && !has_sockets {
            let default = "localhost:18080".parse();
            addresses.extend(default.ok().map(|it| (it, false)));
        }
        addresses
    }
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    let names = rustix::system::uname();
    let name = names.nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn addresses(words: &[&str], has_sockets: bool) -> Vec<(String, bool)> {
        let arguments = Arguments::parse_from([&["echo-server"], words].concat());
        let addresses = arguments.addresses(has_sockets);
        let shown = addresses
            .iter()
            .map(|(address, header)| (address.to_string(), *header));
        shown.collect()
    }

    #[test]
    fn it_listens_on_localhost_unless_it_has_something_else() {
        Arguments::command().debug_assert();
        let localhost = ("localhost:18080".into(), false);
        assert_eq!(addresses(&[], false), [localhost]);
        assert_eq!(addresses(&[], true), []);
        let both = ["--listen", "a=:7", "--proxy-listen", "unix:/p"];
        let expected = [("a=:7".into(), false), ("unix:/p".into(), true)];
        assert_eq!(addresses(&both, true), expected);
    }

    #[test]
    fn servers_meet_at_a_file() {
        assert_eq!(meeting("/run/x"), Ok("/run/x".into()));
        assert_eq!(meeting("unix:/run/x"), Ok("/run/x".into()));
        assert!(meeting("@x").is_err() && meeting("").is_err());
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(mode("660"), Ok(0o660));
        for text in ["", "8", "1000", "rw"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
