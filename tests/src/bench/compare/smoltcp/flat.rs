//! The cost of one echo while other connections are established, and idle or busy in turn.
//!
//! What grows with the connections that are busy in turn are the misses in the processor's caches:
//! of the listener, and of smoltcp's own sockets and their buffers, which the floor shows.

use std::io;
use std::time::Duration;

use linecho_smoltcp::{HashedListener, HashedSlot, Instant, Options, Wake, stack_time};
use smoltcp::iface::{Interface, SocketSet, SocketStorage};
use smoltcp::time::Duration as StackDuration;

use super::floor::Floor;
use super::plain::Echo;
use super::segments::{PORT, Peer};
use super::stack::{LINE_BUFFER, SOCKET_BUFFER, Server, interface, socket};
use super::wire::Wire;
use super::{cell, columns, ratio};
use crate::bench::measure::thread_time;
use crate::bench::report::{Bound, Cell, Column, Limit, Report, Row, Section};

/// A number of other connections.
struct Others {
    number: usize,
    title: &'static str,
    /// How many times the cost beside the first number an echo may take: while the others are idle,
    /// and while all are busy in turn.
    limits: [f64; 2],
    /// The plain echo is measured, too: it would take minutes to open the connections.
    plain: bool,
}

const OTHERS: [Others; 4] = [
    Others::new(8, "8", [1.0, 1.0], true),
    Others::new(1_024, "1,024", [1.5, 1.3], true),
    Others::new(4_096, "4,096", [2.0, 1.3], true),
    Others::new(16_384, "16,384", [2.0, 1.6], false),
];

impl Others {
    const fn new(number: usize, title: &'static str, limits: [f64; 2], plain: bool) -> Self {
        Self {
            number,
            title,
            limits,
            plain,
        }
    }
}

/// The number of measurements of each server.
const ROUNDS: usize = 21;

/// Echoes are measured in batches, since reading the clock takes as long as an echo. A sample has
/// as many batches as fit in this time, and at least one.
const BATCH: usize = 64;
const SAMPLE: Duration = Duration::from_millis(5);

/// The time that goes by for the stack between two frames.
const FRAME_INTERVAL: Duration = Duration::from_micros(10);

/// The number of line buffers that the sessions of ours share.
const LINES: usize = 64;
/// Gives the places in the table of ours. One that is always the same gives figures that are, too.
const SEED: u64 = 1;

/// The connections that have something to echo.
#[derive(Clone, Copy)]
enum Busy {
    /// One in the middle of all.
    One,
    /// Each in turn: what the server knows of it is no longer in the processor's cache.
    InTurn,
}

impl Busy {
    fn id(self) -> &'static str {
        match self {
            Self::One => "one_busy",
            Self::InTurn => "busy_in_turn",
        }
    }

    /// What follows the number of connections in a title.
    fn title(self) -> &'static str {
        match self {
            Self::One => "",
            Self::InTurn => ", busy in turn",
        }
    }
}

/// The cost of an echo on each server, in every round.
#[derive(Default)]
struct Rounds {
    plain: Vec<f64>,
    ours: Vec<f64>,
    floor: Vec<f64>,
}

/// Measures all numbers of connections.
///
/// # Errors
///
/// When the server does something else than it should.
pub fn run() -> io::Result<Report> {
    let mut servers = Vec::new();
    for others in &OTHERS {
        eprintln!("{} other connections", others.title);
        let number = others.number;
        let plain = if others.plain {
            Some(Contender::new(Plain::new(number + 1), number)?)
        } else {
            None
        };
        let ours = Contender::new(Ours::new(number + 1)?, number)?;
        let floor = Contender::new(Floor::new(number + 1), number)?;
        servers.push((plain, ours, floor));
    }
    let rounds = || OTHERS.each_ref().map(|_| Rounds::default());
    let mut found = [Busy::One, Busy::InTurn].map(|busy| (busy, rounds()));
    for _ in 0..ROUNDS {
        for (place, (plain, ours, floor)) in servers.iter_mut().enumerate() {
            for (busy, rounds) in &mut found {
                if let Some(plain) = plain {
                    rounds[place].plain.push(plain.sample(*busy)?);
                }
                rounds[place].ours.push(ours.sample(*busy)?);
                rounds[place].floor.push(floor.sample(*busy)?);
            }
        }
    }

    let row = |busy: Busy, place: usize, rounds: &[Rounds]| {
        let others = &OTHERS[place];
        let (of, to) = (&rounds[place], &rounds[0]);
        let plain = if others.plain {
            cell(&of.plain, ratio(&of.plain, &to.plain))
        } else {
            Cell {
                value: f64::NAN,
                text: "not measured".to_owned(),
                ratio: None,
            }
        };
        Row {
            id: format!("flat.{}.{}.echo_ns", others.number, busy.id()),
            title: format!("{} other connections{}", others.title, busy.title()),
            cells: vec![
                plain,
                cell(&of.ours, ratio(&of.ours, &to.ours)),
                cell(&of.floor, ratio(&of.floor, &to.floor)),
            ],
        }
    };
    let rows = found.iter().flat_map(|(busy, rounds)| {
        let places = 0..OTHERS.len();
        places.map(|place| row(*busy, place, rounds))
    });
    let bounds = found.iter().flat_map(|(busy, all)| {
        let places = OTHERS.iter().zip(all).skip(1);
        places.map(|(others, rounds)| Bound {
            what: format!(
                "smoltcp, one echo beside {} connections{}, ratio to 8",
                others.title,
                busy.title()
            ),
            reached: ratio(&rounds.ours, &all[0].ours),
            limit: Limit::AtMost(others.limits[*busy as usize]),
        })
    });
    let mut columns = columns()[..2].to_vec();
    columns.push(Column {
        id: "floor".to_owned(),
        title: "floor: smoltcp told the socket".to_owned(),
    });
    Ok(Report {
        bounds: bounds.collect(),
        sections: vec![Section {
            title: "smoltcp, one 64 B echo beside idle connections, ratio to 8 of them (ns)".into(),
            columns,
            rows: rows.collect(),
        }],
    })
}

/// A server with its connections.
struct Contender<S> {
    server: S,
    wire: Wire,
    peer: Peer,
    now: Instant,
    /// The connection that is busy next, of those that are in turn.
    next: usize,
}

impl<S: Server> Contender<S> {
    /// Opens a connection more than `others`, and has each of them echo a line.
    fn new(server: S, others: usize) -> io::Result<Self> {
        let mut contender = Self {
            server,
            wire: Wire::default(),
            peer: Peer::new(others + 1),
            now: Instant::ZERO,
            next: 0,
        };
        let all: Vec<_> = (0..contender.peer.count()).collect();
        for numbers in all.chunks(BATCH) {
            contender.exchange(numbers, Peer::syn)?;
            contender.exchange(numbers, |peer, number| peer.ack(number))?;
            contender.exchange(numbers, Peer::line)?;
            contender.acknowledge(numbers)?;
        }
        Ok(contender)
    }

    /// Sees to it that everything has come back, and tells the server so, or it would send it
    /// again.
    fn acknowledge(&mut self, numbers: &[usize]) -> io::Result<()> {
        let check = |&number| self.peer.check_all_back(number);
        numbers.iter().try_for_each(check)?;
        self.exchange(numbers, |peer, number| peer.ack(number))
    }

    /// Delivers a frame on each of the connections at once.
    fn exchange(
        &mut self,
        numbers: &[usize],
        frame: impl Fn(&mut Peer, usize) -> Vec<u8>,
    ) -> io::Result<()> {
        let frames = numbers.iter().map(|&number| frame(&mut self.peer, number));
        self.wire.load(frames.collect());
        self.wire.arrive(numbers.len());
        self.now = self.now + FRAME_INTERVAL;
        self.server.turn(self.now, &mut self.wire);
        self.wire
            .sent()
            .try_for_each(|frame| self.peer.receive(frame))
    }

    /// Nanoseconds of an echo, when each line is delivered after the one before has come back.
    fn sample(&mut self, busy: Busy) -> io::Result<f64> {
        let (mut time, mut lines) = (Duration::ZERO, 0);
        while time < SAMPLE {
            let count = self.peer.count();
            let numbers: Vec<_> = match busy {
                Busy::One => vec![count / 2; BATCH],
                Busy::InTurn => (self.next..).map(|next| next % count).take(BATCH).collect(),
            };
            self.next = (self.next + BATCH) % count;
            let frames = numbers.iter().map(|&number| self.peer.line(number));
            self.wire.load(frames.collect());
            let start = thread_time()?;
            for _ in &numbers {
                self.wire.arrive(1);
                self.now = self.now + FRAME_INTERVAL;
                self.server.turn(self.now, &mut self.wire);
            }
            time += thread_time()? - start;
            lines += numbers.len();
            self.wire
                .sent()
                .try_for_each(|frame| self.peer.receive(frame))?;
            self.acknowledge(&numbers)?;
        }
        Ok(time.as_nanos() as f64 / lines as f64)
    }
}

/// The plain echo.
struct Plain {
    iface: Interface,
    sockets: SocketSet<'static>,
    echo: Echo,
}

impl Plain {
    fn new(connections: usize) -> Self {
        let mut sockets = SocketSet::new(Vec::new());
        let echo = Echo::new(PORT, connections, SOCKET_BUFFER, LINE_BUFFER, &mut sockets);
        Self {
            iface: interface(),
            sockets,
            echo,
        }
    }
}

impl Server for Plain {
    fn turn(&mut self, now: Instant, wire: &mut Wire) {
        let now = stack_time(now);
        loop {
            self.iface.poll(now, wire, &mut self.sockets);
            self.echo.serve(&mut self.sockets);
            if self.iface.poll_delay(now, &self.sockets) != Some(StackDuration::ZERO) {
                return;
            }
        }
    }
}

/// The adapter's listener for many connections.
struct Ours {
    iface: Interface,
    /// The sockets of others: none.
    others: SocketSet<'static>,
    listener: HashedListener<'static, LINES>,
}

impl Ours {
    /// It borrows what it needs. Here that is never given back: the program ends soon.
    fn new(connections: usize) -> io::Result<Self> {
        let slots: Vec<_> = (0..connections).map(|_| HashedSlot::default()).collect();
        let storage: Vec<_> = (0..connections).map(|_| SocketStorage::EMPTY).collect();
        let listener = HashedListener::new(
            PORT,
            Options::DEFAULT,
            SEED,
            slots.leak(),
            storage.leak(),
            (0..connections).map(|_| socket()),
            vec![[0; LINE_BUFFER]; LINES].leak(),
        );
        Ok(Self {
            iface: interface(),
            others: SocketSet::new(Vec::new()),
            listener: listener.map_err(io::Error::other)?,
        })
    }
}

impl Server for Ours {
    fn turn(&mut self, now: Instant, wire: &mut Wire) {
        let Self {
            iface,
            others,
            listener,
        } = self;
        while listener.poll(now, iface, wire, others, |_| {}) == Wake::Again {}
    }
}
