//! Server and clients on one stack, over smoltcp's own loopback device.

use std::io;

use linecho_smoltcp::{Instant, Listener, Options, egress, ingress, stack_time};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::plain::Echo;
use super::{Rounds, columns};
use crate::bench::measure::load::{Load, check};
use crate::bench::measure::pattern::{LONGEST, Pattern};
use crate::bench::measure::thread_time;
use crate::bench::report::{Bound, Limit, Report, Section};

/// The number of comparisons: enough for the machine to be slow and fast meanwhile.
const ROUNDS: usize = 101;

const PORT: u16 = 7;
const FIRST_CLIENT_PORT: u16 = 49_152;
const SOCKET_BUFFER: usize = 65_535;
const LINE_BUFFER: usize = 65_536;
const MAX_CONNECTIONS: usize = 8;

/// Turns of the stack without a byte that comes back, after which none will.
const PATIENCE_TURNS: usize = 1_000_000;

/// The loads, and the number of lines of each in a round.
const BULK: (Load, u64) = (
    Load {
        connections: MAX_CONNECTIONS,
        line_bytes: 16 * 1024,
        in_flight: 2,
    },
    4_096,
);
const ROUND_TRIPS: (Load, u64) = (
    Load {
        connections: 1,
        line_bytes: 64,
        in_flight: 1,
    },
    20_000,
);

/// Measures both.
///
/// # Errors
///
/// When a byte does not come back as it was sent.
pub fn run() -> io::Result<Report> {
    let bulk = compare(BULK, |load, lines, seconds| {
        (load.line_bytes as u64 * lines) as f64 / seconds / 1e6
    })?;
    let round_trips = compare(ROUND_TRIPS, |_, lines, seconds| {
        seconds / lines as f64 * 1e9
    })?;
    let bound = |what: &str, rounds: &Rounds, limit| Bound {
        what: format!("smoltcp's loopback device, {what}, ratio to plain smoltcp"),
        reached: rounds.ratio(),
        limit,
    };
    Ok(Report {
        bounds: vec![
            bound("8 × 16 KiB, 2 in flight: MB/s", &bulk, Limit::AtLeast(0.97)),
            bound("1 × 64 B: round trip", &round_trips, Limit::AtMost(1.03)),
        ],
        sections: vec![Section {
            title: "smoltcp's loopback device, ratio to plain smoltcp".to_owned(),
            columns: columns(),
            rows: vec![
                bulk.row(
                    "loopback.8x16k.mb_per_second",
                    "8 × 16 KiB, 2 in flight: MB/s",
                ),
                round_trips.row("loopback.1x64.round_trip_ns", "1 × 64 B: round trip in ns"),
            ],
        }],
    })
}

/// Has the two stream `lines` lines of `load` in turn. `figure` makes one of the load, the lines
/// and the seconds.
fn compare(
    (load, lines): (Load, u64),
    figure: impl Fn(Load, u64, f64) -> f64,
) -> io::Result<Rounds> {
    // The device allocates each frame. When a large piece of memory has been freed once, glibc
    // keeps what is freed, and does not have the kernel clear it again and again (mallopt(3)).
    drop(vec![0_u8; 16 * 1024 * 1024]);
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let seconds = round(load, lines)?;
        rounds.add(seconds.map(|seconds| figure(load, lines, seconds)));
    }
    Ok(rounds)
}

/// The seconds that the plain echo, ours, and the plain one again take. Both have new stacks, since
/// it matters where in memory they are.
fn round(load: Load, lines: u64) -> io::Result<[f64; 3]> {
    let began = std::time::Instant::now();
    let clock = || Instant::ZERO + began.elapsed();

    let mut host = Host::new(load, clock());
    let mut echo = Echo::new(
        PORT,
        load.connections,
        SOCKET_BUFFER,
        LINE_BUFFER,
        &mut host.sockets,
    );
    host.connect()?;
    let mut plain = || {
        host.stream(lines, |host| {
            let now = stack_time(clock());
            host.iface.poll(now, &mut host.device, &mut host.sockets);
            echo.serve(&mut host.sockets);
            host.serve_clients()
        })
    };

    let mut host = Host::new(load, clock());
    let mut buffers = vec![[0; LINE_BUFFER]; load.connections];
    let sockets = (0..load.connections).map(|_| socket());
    let mut listener = Listener::<MAX_CONNECTIONS>::new(
        PORT,
        Options::DEFAULT,
        &mut host.sockets,
        sockets,
        &mut buffers,
    )
    .map_err(io::Error::other)?;
    host.connect()?;
    let mut ours = || {
        host.stream(lines, |host| {
            let now = clock();
            ingress(now, &mut host.iface, &mut host.device, &mut host.sockets);
            listener.serve(
                now,
                &mut host.iface,
                &mut host.device,
                &mut host.sockets,
                |_| {},
            );
            let lines = host.serve_clients();
            egress(now, &mut host.iface, &mut host.device, &mut host.sockets);
            lines
        })
    };

    // The first time opens the connections.
    plain()?;
    ours()?;
    Ok([plain()?, ours()?, plain()?])
}

/// A stack with clients, and with whatever sockets the server adds.
struct Host {
    device: Loopback,
    iface: Interface,
    sockets: SocketSet<'static>,
    clients: Vec<Client>,
    load: Load,
    pattern: Pattern,
}

struct Client {
    socket: SocketHandle,
    /// Positions in the pattern: up to where it came back, was sent, and is to be sent.
    received: u64,
    sent: u64,
    end: u64,
}

impl Host {
    fn new(load: Load, now: Instant) -> Self {
        let mut device = Loopback::new(Medium::Ip);
        let config = Config::new(HardwareAddress::Ip);
        let mut iface = Interface::new(config, &mut device, stack_time(now));
        iface.update_ip_addrs(|addresses| {
            // There is room for more than one.
            let _ = addresses.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8));
        });
        Self {
            device,
            iface,
            sockets: SocketSet::new(Vec::new()),
            clients: Vec::new(),
            load,
            pattern: Pattern::new(load.line_bytes),
        }
    }

    /// Connects the clients to the server, whose sockets listen.
    fn connect(&mut self) -> io::Result<()> {
        for number in 0..self.load.connections {
            let mut socket = socket();
            let server = (IpAddress::v4(127, 0, 0, 1), PORT);
            let port = FIRST_CLIENT_PORT + number as u16;
            socket
                .connect(self.iface.context(), server, port)
                .map_err(io::Error::other)?;
            let start = self.pattern.start(number);
            self.clients.push(Client {
                socket: self.sockets.add(socket),
                received: start,
                sent: start,
                end: start,
            });
        }
        Ok(())
    }

    /// Gives all `turn`s until `lines` lines have come back: the seconds of this thread that it
    /// took. A turn says how many bytes came back in it.
    fn stream(
        &mut self,
        lines: u64,
        mut turn: impl FnMut(&mut Self) -> io::Result<u64>,
    ) -> io::Result<f64> {
        let mut left = lines * self.load.line_bytes as u64;
        let mut turns_without = 0;
        let start = thread_time()?;
        while left > 0 {
            let bytes = turn(self)?;
            left = left.saturating_sub(bytes);
            turns_without = if bytes > 0 { 0 } else { turns_without + 1 };
            if turns_without > PATIENCE_TURNS {
                return Err(io::Error::other(
                    "on the loopback device, nothing comes back",
                ));
            }
        }
        Ok((thread_time()? - start).as_secs_f64())
    }

    /// Receives, checks and sends: how many bytes came back.
    fn serve_clients(&mut self) -> io::Result<u64> {
        let batch_bytes = (self.load.line_bytes * self.load.in_flight) as u64;
        let mut bytes = 0;
        for client in &mut self.clients {
            let socket = self.sockets.get_mut::<Socket<'_>>(client.socket);
            bytes += client.serve(socket, &self.pattern, batch_bytes)?;
        }
        Ok(bytes)
    }
}

impl Client {
    fn serve(
        &mut self,
        socket: &mut Socket<'_>,
        pattern: &Pattern,
        batch_bytes: u64,
    ) -> io::Result<u64> {
        let before = self.received;
        // The ring buffer shows what it holds in at most two pieces.
        while socket.can_recv() {
            let piece = socket.recv(|bytes| {
                let checked = check(pattern, self.received, bytes);
                (bytes.len(), checked.map(|()| bytes.len() as u64))
            });
            self.received += piece.map_err(io::Error::other)??;
        }
        if self.received == self.end && socket.may_send() {
            self.end += batch_bytes;
        }
        while self.sent < self.end && socket.can_send() {
            let length = (self.end - self.sent).min(LONGEST as u64) as usize;
            let sent = socket.send_slice(pattern.at(self.sent, length));
            self.sent += sent.map_err(io::Error::other)? as u64;
        }
        Ok(self.received - before)
    }
}

fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; SOCKET_BUFFER]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}
