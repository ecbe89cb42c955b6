//! The stack with its listener, and the loop that serves it.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::process::ExitCode;

use crate::address;
use crate::capture::Capture;
use crate::dhcp::{Dhcp, Lease};
use crate::lifetime::{Lifetime, Wish};
use crate::signals::Signals;
use crate::summary::summary;
use linecho_devices::{Interest, Link, wait};
use linecho_examples::log::{Level, Log};
use linecho_examples_smoltcp::clock::Clock;
use linecho_smoltcp::smoltcp::iface::{self, Interface, SocketSet, SocketStorage};
use linecho_smoltcp::smoltcp::socket::tcp::{CongestionControl, ListenError, Socket, SocketBuffer};
use linecho_smoltcp::{Event, HashedListener, HashedSlot, Instant, Wake, stack_time};

use crate::options::{Arguments, MAX_SLOTS};
use crate::run::say;

/// Serves until a signal, or until the command has ended. `guide` tells people what to do with it.
pub(crate) fn serve<L: Link>(
    arguments: &Arguments,
    mut link: L,
    guide: &str,
) -> Result<ExitCode, Box<dyn Error>> {
    let clock = Clock::start();
    // Before anything waits for others, and anybody is told to press Ctrl-C.
    let mut signals = Signals::handle()?;
    let mut capture = Capture::start(arguments)?;
    let mut iface = interface(arguments, &mut link, clock.now());

    let mut listener = listener(arguments)?;
    let mut others = SocketSet::new(Vec::new());
    let mut dhcp = arguments.dhcp.then(|| Dhcp::start(&mut others));

    let log = arguments.log.log();
    if !arguments.log.quiet {
        say(&format!("{}{guide}", introduction(arguments, &link)));
    }

    let mut lifetime = Lifetime::start(&arguments.command)?;
    let mut end: Option<Instant> = None;
    let result = loop {
        let now = clock.now();
        let wake = link.batch(|link| {
            let mut captured = capture.around(link);
            listener.poll(now, &mut iface, &mut captured, &mut others, |event| {
                log_event(log, &event);
            })
        });
        if let Some(dhcp) = &mut dhcp
            && let Some(lease) = dhcp.turn(&mut iface, &mut others)
        {
            log_lease(log, lease);
        }

        capture.flush(log);
        if let Some(error) = link.failure() {
            break Err(error.into());
        }
        if end.is_some_and(|end| end <= now || listener.is_drained()) {
            break Ok(lifetime.exit_code());
        }

        // Sleeps until there is a frame, a signal or something due.
        let interests = [
            Interest::read_write(&link, link.is_blocked()),
            Interest::read(&signals),
        ];
        let [_, is_signalled] = wait(interests, wake.min(Wake::from(end)).timeout(now))?;
        if is_signalled {
            match lifetime.signalled(signals.take()) {
                Wish::GoOn => {}
                Wish::Finish => {
                    listener.shutdown();
                    end = Some(clock.now() + arguments.session.drain_timeout);
                }
                Wish::Stop => end = Some(now),
            }
        }
    };
    capture.finish(log);
    if !arguments.log.quiet {
        say(&summary(listener.totals(), &link.frames()));
    }
    result
}

fn interface<L: Link>(arguments: &Arguments, link: &mut L, now: Instant) -> Interface {
    let own = &arguments.ip;
    let mut config = iface::Config::new(address::hardware(own.first().copied()).into());
    // Others must not guess the sequence numbers of connections.
    config.random_seed = random();
    let mut iface = Interface::new(config, link, stack_time(now));
    // There is room: the options are checked.
    iface.update_ip_addrs(|addresses| addresses.extend(own.iter().copied()));
    for gateway in &arguments.gateway {
        let routes = iface.routes_mut();
        let _ = match *gateway {
            IpAddr::V4(gateway) => routes.add_default_ipv4_route(gateway),
            IpAddr::V6(gateway) => routes.add_default_ipv6_route(gateway),
        };
    }
    iface
}

/// As many sockets and line buffers as slots, for the rest of the program. The kernel hands out their
/// memory when it is used.
fn listener(arguments: &Arguments) -> Result<HashedListener<'static, MAX_SLOTS>, ListenError> {
    let (slots, max_line) = (
        usize::from(arguments.slots),
        arguments.session.max_line as usize,
    );
    let places: Vec<_> = (0..slots).map(|_| HashedSlot::default()).collect();
    let storage: Vec<_> = (0..slots).map(|_| SocketStorage::EMPTY).collect();
    HashedListener::new(
        arguments.port,
        arguments.session.config(),
        random(),
        places.leak(),
        storage.leak(),
        (0..slots).map(|_| socket(arguments.socket_buffer as usize)),
        vec![0; slots * max_line].leak().chunks_mut(max_line),
    )
}

/// A number that others cannot guess: hashers are seeded by the kernel.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

fn socket(buffer: usize) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(buffer(), buffer());
    // The cable is as fast as this program: there is nothing on the way that could be congested.
    socket.set_congestion_control(CongestionControl::None);
    socket
}

fn introduction<L: Link>(arguments: &Arguments, link: &L) -> String {
    let mut addresses: Vec<_> = arguments.ip.iter().map(ToString::to_string).collect();
    if arguments.dhcp {
        addresses.push("an address that it asks for by DHCP".into());
    }
    format!(
        "echo-tap: a line echo on port {} of {}, with {} slots, behind the {}\n",
        arguments.port,
        addresses.join(" and "),
        arguments.slots,
        link.describe()
    )
}

fn log_event(log: Log, event: &Event) {
    if log.level < Level::Info {
        return;
    }
    match event {
        Event::Opened { slot, peer } => {
            let details = [("peer", peer.to_string().into()), ("slot", (*slot).into())];
            log.event(Level::Info, "opened", &details);
        }
        Event::Closed {
            slot,
            peer,
            reason,
            counters,
        } => {
            let details = [
                ("peer", peer.to_string().into()),
                ("slot", (*slot).into()),
                ("lines", counters.lines.into()),
                ("overlong", counters.overlong.into()),
                ("bytes_in", counters.bytes_in.into()),
                ("bytes_out", counters.bytes_out.into()),
                ("reason", reason.to_string().into()),
            ];
            log.event(Level::Info, "closed", &details);
        }
    }
}

fn log_lease(log: Log, lease: Lease) {
    match lease {
        Lease::Got { address, gateway } => {
            let gateway = gateway.map_or("none".into(), |gateway| gateway.to_string());
            let details = [
                ("address", address.to_string().into()),
                ("gateway", gateway.into()),
            ];
            log.event(Level::Info, "got an address by DHCP", &details);
        }
        Lease::Lost { address } => {
            let details = [("address", address.to_string().into())];
            log.event(Level::Warning, "lost the address from DHCP", &details);
        }
    }
}
