//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser};
use linecho_examples::command_line::{self, Given, Settle};
use linecho_examples::options::{LogOptions, SessionOptions, WaitOptions};
use linecho_examples::words::counted;
use linecho_smoltcp::smoltcp::config::IFACE_MAX_ADDR_COUNT;
use linecho_smoltcp::smoltcp::wire::{EthernetAddress, IpCidr, IpVersion};

use crate::address;

/// A line echo on a TCP stack of its own: a host behind a TAP device of Linux, or behind a UNIX
/// socket that carries frames.
///
/// With --netns it makes a network namespace with a TAP device in it, and runs a command there that
/// can reach the server; it needs no privilege where the system lets users have namespaces. With
/// --socket it needs none anywhere.
#[derive(Parser)]
#[command(name = "echo-tap", version, after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) link: Link,

    #[arg(long, value_name = "ADDRESS/BITS", value_parser = address::cidr, help = IP_HELP)]
    pub(crate) ip: Vec<IpCidr>,

    /// The way to other networks; may be given once for IPv4 and once for IPv6
    #[arg(long, value_name = "ADDRESS", value_parser = address::host)]
    pub(crate) gateway: Vec<IpAddr>,

    /// The hardware address [default: from the first --ip; without one, a new one each time]
    #[arg(long, value_name = "MAC", value_parser = address::mac)]
    pub(crate) mac: Option<EthernetAddress>,

    /// The longest IP packet, for peers behind a link that takes less than this one [default: what
    /// the TAP device takes, or 1500 with --socket]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(576..))]
    pub(crate) mtu: Option<u16>,

    /// Ask for an IPv4 address by DHCP
    #[arg(long)]
    pub(crate) dhcp: bool,

    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 18080)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// Number of connections that there can be at a time; more are refused
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_SLOTS as i64))]
    pub(crate) slots: u16,

    #[command(flatten)]
    pub(crate) session: SessionOptions,

    /// The length of each of a socket's two buffers
    #[arg(long, value_name = "BYTES", default_value = "256KiB")]
    #[arg(value_parser = command_line::bytes_in(1024..=1 << 24))]
    pub(crate) socket_buffer: u32,

    #[command(flatten)]
    pub(crate) wait: WaitOptions,

    /// Capture all frames in this file, or on stdout (-), for Wireshark or tcpdump; frames that
    /// a slow reader does not take in time are dropped and counted
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) log: LogOptions,

    /// Command to run in the namespace of --netns; its exit status becomes that of the program
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// The link that carries the frames.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Link {
    /// Attach to the TAP device NAME, or create it where that is allowed
    #[arg(long, value_name = "NAME")]
    pub(crate) tap: Option<String>,

    /// Connect to the UNIX socket PATH, where passt or QEMU listens
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Make a network namespace with a TAP device in it
    #[arg(long)]
    pub(crate) netns: bool,
}

const HELP: &str = "\
Examples:
  A command in a namespace of its own:
    echo-tap --netns -- nc -N 192.168.69.1 18080

  On a TAP device of yours; the first three commands make it:
    sudo ip tuntap add dev tap0 mode tap user $USER
    sudo ip addr add 192.168.69.100/24 dev tap0
    sudo ip link set tap0 up
    echo-tap --tap tap0

  Without any privilege, behind passt, reached at 127.0.0.1:
    passt --foreground --socket /tmp/echo.socket --ipv4-only --interface lo --mac-addr 02:00:00:00:00:02 \\
      --address 192.168.69.1 --netmask 24 --gateway 192.168.69.100 --tcp-ports 127.0.0.1/18080:18080
    echo-tap --socket /tmp/echo.socket

  Beside a virtual machine that has an address of 192.168.69.0/24:
    qemu-system-x86_64 -netdev stream,id=n,server=on,addr.type=unix,addr.path=/tmp/echo.socket \\
      -device virtio-net,netdev=n ...
    echo-tap --socket /tmp/echo.socket

Signals: INT (Ctrl-C), TERM and HUP end it with a summary, a second one at once; with a command, they are
for the command, and it ends when that does. HUP stays ignored if it was at the start, as by nohup.
USR1 logs a status line, USR2 is ignored.

Exit codes: 0 done, 1 failed, or something was cut, or a second signal ended it; 2 wrong usage; with a
command, that of the command.";

const IP_HELP: &str = "An address of the server and the length of its prefix; may be given several times \
    [default: 192.168.69.1/24 and fdaa::1/64, or none with --dhcp]";

/// The most slots that can be asked for.
pub(crate) const MAX_SLOTS: usize = 1024;

/// The longest line buffer of a slot.
const MAX_LINE: u32 = 1 << 24;

/// The server's addresses unless others are given.
const DEFAULT_ADDRESSES: [&str; 2] = ["192.168.69.1/24", "fdaa::1/64"];

impl Settle for Arguments {
    fn settle(&mut self, given: &Given<'_>) -> Result<(), String> {
        self.log.settle(given)
    }
}

impl Arguments {
    /// Reads those of the program, and ends it if they are wrong.
    pub(crate) fn take() -> Self {
        let mut arguments: Self = command_line::parse();
        if arguments.ip.is_empty() && !arguments.dhcp {
            let defaults = DEFAULT_ADDRESSES.iter();
            arguments.ip = defaults.flat_map(|text| address::cidr(text)).collect();
        }
        match arguments.contradiction() {
            None => arguments,
            Some((kind, message)) => Self::command().error(kind, message).exit(),
        }
    }

    fn contradiction(&self) -> Option<(ErrorKind, String)> {
        let most = IFACE_MAX_ADDR_COUNT - usize::from(self.dhcp);
        if self.ip.len() > most {
            let message = format!("--ip can be given at most {}", counted(most as u64, "time"));
            return Some((ErrorKind::TooManyValues, message));
        }
        let is_again = |(i, it): &(usize, &IpCidr)| {
            let before = self.ip[..*i].iter();
            before
                .into_iter()
                .any(|other| other.address() == it.address())
        };
        if let Some((_, own)) = self.ip.iter().enumerate().find(is_again) {
            let message = format!("--ip {} is given twice", own.address());
            return Some((ErrorKind::ArgumentConflict, message));
        }
        let of_family = |v4| self.gateway.iter().filter(|it| it.is_ipv4() == v4).count();
        if of_family(true) > 1 || of_family(false) > 1 {
            let message = "--gateway can be given once for IPv4 and once for IPv6".into();
            return Some((ErrorKind::TooManyValues, message));
        }
        if let Some(message) = self.unreachable() {
            return Some((ErrorKind::ValueValidation, message));
        }
        if self.session.max_line > MAX_LINE {
            let message =
                format!("--max-line is at most {MAX_LINE} here: each slot has a line buffer");
            return Some((ErrorKind::ValueValidation, message));
        }
        if !self.command.is_empty() && !self.link.netns {
            let message = "a command is for --netns, which makes the namespace to run it in".into();
            return Some((ErrorKind::ArgumentConflict, message));
        }
        if self.captures_to_stdout() && !self.command.is_empty() {
            let message = "stdout belongs to the command: let --pcap write to a file".into();
            return Some((ErrorKind::ArgumentConflict, message));
        }
        let alone = self
            .ip
            .iter()
            .find(|own| address::neighbour(**own).is_none());
        if let Some(own) = alone.filter(|_| self.link.netns) {
            let message =
                format!("{own} leaves no address for the other end: give it a shorter prefix");
            return Some((ErrorKind::ValueValidation, message));
        }
        None
    }

    /// Describes an address or a gateway that nobody could be reached with: smoltcp takes ARP from
    /// its own subnets alone.
    fn unreachable(&self) -> Option<String> {
        let lone =
            |own: &&IpCidr| own.address().version() == IpVersion::Ipv4 && own.prefix_len() == 32;
        if let Some(own) = self.ip.iter().find(lone) {
            let address = own.address();
            return Some(format!(
                "{own} has no neighbours: give it the prefix of its link, such as {address}/24"
            ));
        }
        let is_on_link = |gateway: &IpAddr| {
            self.ip
                .iter()
                .any(|own| own.contains_addr(&(*gateway).into()))
        };
        let mut gateways = self.gateway.iter().filter(|gateway| gateway.is_ipv4());
        // The subnet of a lease is not known yet.
        let lost = gateways.find(|gateway| !self.dhcp && !is_on_link(gateway))?;
        Some(format!(
            "the gateway {lost} is in no subnet of --ip: give an address there, such as --ip ADDRESS/24"
        ))
    }

    /// Returns `true` if the capture goes to stdout.
    pub(crate) fn captures_to_stdout(&self) -> bool {
        self.pcap
            .as_ref()
            .is_some_and(|path| path.as_os_str() == "-")
    }
}
