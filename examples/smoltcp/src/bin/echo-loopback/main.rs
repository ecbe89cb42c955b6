//! Server and clients on one smoltcp stack: no kernel networking, no privilege, every byte checked.

mod faults;
mod figures;
mod lines;
mod stream;
#[cfg(test)]
mod tests;
mod time;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::faults::FaultOptions;
use crate::figures::{Figures, Part, RoundTrips, grouped};
use crate::stream::{MAX_WINDOW, Plan, Stream};
use crate::time::Time;
use clap::Parser;
use linecho_devices::faulty::VirtualClock;
use linecho_devices::{FaultyLoopback, Pcap};
use linecho_examples::command_line;
use linecho_examples_smoltcp::clock::Clock;
use linecho_smoltcp::smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
use linecho_smoltcp::smoltcp::phy::{Device, Loopback, Medium};
use linecho_smoltcp::smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use linecho_smoltcp::smoltcp::time::Instant as StackInstant;
use linecho_smoltcp::smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint, Ipv6Address};
use linecho_smoltcp::{Instant, Listener, Options, Totals, egress, ingress, stack_time};

/// Streams lines from clients to a server, both on one smoltcp stack, and checks every byte that
/// comes back.
///
/// Needs no privilege and no network: the frames go over smoltcp's loopback device, or over a link
/// with faults, whose time is virtual, so that it takes no longer than the computing does. The same
/// seed gives the same run.
#[derive(Parser)]
#[command(
    name = "echo-loopback",
    version,
    after_help = "Exit codes: 0 all came back as it was sent, 1 something did not, 2 wrong usage."
)]
struct Arguments {
    /// Number of lines to stream, over all connections
    #[arg(long, value_name = "NUMBER", default_value_t = 4_000_000)]
    lines: u64,

    /// Length of each line, its newline included
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = command_line::bytes_in(1..=1 << 20))]
    length: u32,

    /// Number of connections
    #[arg(long, value_name = "NUMBER", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_CONNECTIONS as i64))]
    connections: u16,

    /// Number of lines that each connection has in flight
    #[arg(long, value_name = "LINES", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=MAX_WINDOW as i64))]
    window: u16,

    /// The length of the server's line buffers: longer lines go back in pieces
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    #[arg(value_parser = command_line::bytes_in(1..=1 << 20))]
    max_line: u32,

    /// The length of each socket's two buffers
    #[arg(long, value_name = "BYTES", default_value_t = 65_535)]
    #[arg(value_parser = command_line::bytes_in(64..=1 << 20))]
    socket_buffer: u32,

    /// Speak IPv6 instead of IPv4
    #[arg(long)]
    ipv6: bool,

    /// Determines the lines, and what happens to each frame on the faulty link
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// Capture all frames in this file, for Wireshark or tcpdump
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// Write the figures to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    #[command(flatten)]
    faults: FaultOptions,
}

const MAX_CONNECTIONS: usize = 256;
const PORT: u16 = 7;
/// The clients' ports begin here (RFC 6335: dynamic ports).
const FIRST_CLIENT_PORT: u16 = 49_152;
/// The MTU of the faulty link, that of Ethernet.
const MTU: usize = 1500;
/// The longest waits for a byte to come back, by the clock of the stack and on the wall.
const PATIENCE: Duration = Duration::from_secs(3600);
const WALL_PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics when stderr is closed.
            let _ = writeln!(io::stderr(), "echo-loopback: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    print(&format!("{}\n", introduction(arguments)))?;
    let figures = match arguments.faults.faults() {
        None => stream(arguments, &mut Loopback::new(Medium::Ip), Clock::start())?,
        Some(faults) => {
            let started = std::time::Instant::now();
            let mut link = FaultyLoopback::new(Medium::Ip, MTU, arguments.seed, faults);
            let figures = stream(arguments, &mut link, VirtualClock::new(StackInstant::ZERO))?;
            Figures {
                wall_time: Some(started.elapsed()),
                link: Some(link.counters()),
                ..figures
            }
        }
    };
    print(&figures.to_string())?;
    if let Some(path) = &arguments.json {
        fs::write(path, format!("{:#}\n", figures.json()))
            .map_err(|error| cannot_write(path, &error))?;
    }
    Ok(())
}

/// Prints lines. Whoever reads may have gone, as in `| head`: the outcome is in the exit code.
fn print(lines: &str) -> io::Result<()> {
    match io::stdout().write_all(lines.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn introduction(arguments: &Arguments) -> String {
    let link = match arguments.faults.faults() {
        None => "the loopback device".into(),
        Some(_) => format!("a faulty link with seed {}", arguments.seed),
    };
    let connections = match arguments.connections {
        1 => "1 connection".into(),
        more => format!("each of {more} connections"),
    };
    format!(
        "{} of {}, {} in flight on {connections}, over {link}",
        grouped(arguments.lines, "line"),
        grouped(arguments.length.into(), "byte"),
        arguments.window
    )
}

/// Streams all lines over `device`, and returns the figures if every byte came back.
fn stream<D: Device, T: Time<D>>(
    arguments: &Arguments,
    device: &mut D,
    mut time: T,
) -> Result<Figures, Box<dyn Error>> {
    let started = time.now();
    let mut pcap = match &arguments.pcap {
        Some(path) => {
            let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
            Pcap::new(BufWriter::new(file), Medium::Ip)
        }
        None => Pcap::off(),
    };

    // One host, with a socket for each end of each connection.
    let connections = usize::from(arguments.connections);
    let address = match arguments.ipv6 {
        true => Ipv6Address::LOCALHOST.into(),
        false => IpAddress::v4(127, 0, 0, 1),
    };
    let mut iface = interface(device, address, started);
    let mut sockets = SocketSet::new(Vec::with_capacity(2 * connections));
    let socket = || {
        let buffer = || SocketBuffer::new(vec![0; arguments.socket_buffer as usize]);
        let mut socket = Socket::new(buffer(), buffer());
        // Whatever other crates have switched on in smoltcp: a seed gives one run.
        socket.set_congestion_control(CongestionControl::None);
        socket
    };

    // The server. Its peers are alive whatever the link does, so that nothing is a reason to give
    // up.
    let max_line = arguments.max_line as usize;
    let mut lines = vec![0; connections * max_line];
    let options = Options {
        dead_peer_timeout: None,
        keep_alive: None,
        handshake_timeout: PATIENCE,
        close_timeout: PATIENCE,
        ..Options::DEFAULT
    };
    let mut listener = Listener::<MAX_CONNECTIONS>::new(
        PORT,
        options,
        &mut sockets,
        (0..connections).map(|_| socket()),
        lines.chunks_mut(max_line),
    )?;

    // The clients.
    let plans = plans(arguments);
    let mut streams = Vec::with_capacity(connections);
    for (port, plan) in (FIRST_CLIENT_PORT..).zip(&plans) {
        let handle = sockets.add(socket());
        let server = IpEndpoint::new(address, PORT);
        let stream = Stream::connect(*plan, &mut iface, &mut sockets, handle, server, port)?;
        streams.push(stream);
    }

    let mut round_trips = RoundTrips::new()?;
    let mut watch = Watch::start(started);
    while !streams.iter().all(Stream::is_closed) {
        let now = time.now();
        let mut captured = pcap.around(device);
        let wake = ingress(now, &mut iface, &mut captured, &mut sockets);
        let wake = wake.min(listener.serve(now, &mut iface, &mut captured, &mut sockets, |_| {}));
        for (number, stream) in (1..).zip(&mut streams) {
            stream
                .turn(now, &mut sockets, |time| round_trips.add(time))
                .map_err(|error| format!("connection {number}: {error}"))?;
        }
        let wake = wake.min(egress(now, &mut iface, &mut captured, &mut sockets));
        watch.look(now, streams.iter_mut().map(Stream::bytes).sum())?;
        time.pass(wake, device);
    }
    let elapsed = time.now().saturating_duration_since(started);

    pcap.flush();
    if let (Some(path), Some(error)) = (&arguments.pcap, pcap.error()) {
        return Err(cannot_write(path, error).into());
    }
    let bytes = plans.iter().map(Plan::bytes).sum();
    check(listener.totals(), connections as u64, bytes)?;
    Ok(Figures {
        lines: streams.iter_mut().map(Stream::lines).sum(),
        bytes,
        time: elapsed,
        wall_time: None,
        round_trips,
        link: None,
        memory: memory(arguments, &plans),
    })
}

fn interface<D: Device>(device: &mut D, address: IpAddress, now: Instant) -> Interface {
    let config = Config::new(HardwareAddress::Ip);
    let mut iface = Interface::new(config, device, stack_time(now));
    iface.update_ip_addrs(|addresses| {
        // There is room for more than one.
        let _ = addresses.push(IpCidr::new(address, 8));
    });
    iface
}

/// Returns each connection's share of the lines.
fn plans(arguments: &Arguments) -> Vec<Plan> {
    let connections = u64::from(arguments.connections);
    let share = |number| Plan {
        lines: arguments.lines / connections + u64::from(number < arguments.lines % connections),
        length: arguments.length as usize,
        window: arguments.window.into(),
        seed: arguments.seed.wrapping_add(number),
    };
    (0..connections).map(share).collect()
}

/// Watches that bytes come back.
struct Watch {
    bytes: u64,
    since: Instant,
    wall_since: std::time::Instant,
}

impl Watch {
    fn start(now: Instant) -> Self {
        Self {
            bytes: 0,
            since: now,
            wall_since: std::time::Instant::now(),
        }
    }

    fn look(&mut self, now: Instant, bytes: u64) -> Result<(), String> {
        if bytes != self.bytes {
            *self = Self::start(now);
            self.bytes = bytes;
        }
        let waited = now.saturating_duration_since(self.since);
        if waited < PATIENCE && self.wall_since.elapsed() < WALL_PATIENCE {
            return Ok(());
        }
        Err(format!(
            "{} came back, and then none for {} s by the stack's clock: the link may lose too much, \
             or one side has stopped; --pcap FILE captures what goes over it",
            grouped(bytes, "byte"),
            waited.as_secs()
        ))
    }
}

/// Checks that the server has seen what the clients have.
fn check(totals: &Totals, connections: u64, bytes: u64) -> Result<(), String> {
    let (counters, closed) = (totals.counters, totals.peer_closed);
    if (counters.bytes_in, counters.bytes_out, closed) == (bytes, bytes, connections) {
        return Ok(());
    }
    Err(format!(
        "{} sent {} and closed, but to the server it was {totals:?}",
        grouped(connections, "client"),
        grouped(bytes, "byte")
    ))
}

fn memory(arguments: &Arguments, plans: &[Plan]) -> Vec<Part> {
    let connections = plans.len();
    let part = |name, count, bytes_each| Part {
        name,
        count,
        bytes_each,
    };
    // A listener for as many slots as there are connections would be this large.
    let session = size_of::<Listener<'_, 2>>() - size_of::<Listener<'_, 1>>();
    let both_buffers = 2 * arguments.socket_buffer as usize;
    vec![
        part("interface", 1, size_of::<Interface>()),
        part(
            "server: sockets",
            connections,
            size_of::<SocketStorage<'_>>(),
        ),
        part("server: socket buffers", connections, both_buffers),
        part("server: sessions", connections, session),
        part(
            "server: line buffers",
            connections,
            arguments.max_line as usize,
        ),
        part(
            "clients: sockets",
            connections,
            size_of::<SocketStorage<'_>>(),
        ),
        part("clients: socket buffers", connections, both_buffers),
        part("clients: probes", connections, size_of::<Stream>()),
        part(
            "clients: lines in flight",
            connections,
            plans.iter().map(Plan::storage).max().unwrap_or(0),
        ),
    ]
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
