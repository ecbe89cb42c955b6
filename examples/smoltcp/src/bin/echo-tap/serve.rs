//! The loop that serves.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use linecho_devices::{Interest, Link, wait_spinning};
use linecho_examples::log::{Log, Value};
use linecho_examples::server_log;
use linecho_examples::signals::{Signal, Signals};
use linecho_examples::words::counted;
use linecho_examples_smoltcp::clock::Clock;
use linecho_smoltcp::smoltcp::iface::SocketSet;
use linecho_smoltcp::{Instant, Totals, Wake};

use crate::capture::Capture;
use crate::dhcp::Dhcp;
use crate::events::{log_dhcp, log_event};
use crate::host::{hardware, interface, listener, random};
use crate::lifetime::{Lifetime, Wish};
use crate::options::Arguments;
use crate::summary::summary;

/// Serves until a signal, or until the command has ended. `guide` tells people what to do with it.
pub(crate) fn serve<L: Link>(
    arguments: &Arguments,
    link: L,
    guide: &str,
) -> Result<ExitCode, Box<dyn Error>> {
    // Not before: a process with more than one thread gets no user namespace.
    let log = arguments.log.start()?;
    let result = serve_and_log(arguments, link, guide, &log);
    log.finish();
    result
}

fn serve_and_log<L: Link>(
    arguments: &Arguments,
    mut link: L,
    guide: &str,
    log: &Log,
) -> Result<ExitCode, Box<dyn Error>> {
    let clock = Clock::start();
    // Before anything waits for others, and anybody is told to press Ctrl-C.
    let mut signals = Signals::handle()?;
    let mut capture = Capture::start(arguments)?;
    let hardware = hardware(arguments);
    let mut iface = interface(arguments, hardware, &mut link, clock.now());

    let mut listener = listener(arguments)?;
    let mut others = SocketSet::new(Vec::new());
    let mut dhcp = arguments
        .dhcp
        .then(|| Dhcp::start(hardware, random(), clock.now(), &mut others));
    introduce(arguments, &link, guide, log);

    let mut lifetime = Lifetime::start(&arguments.command)?;
    let mut is_ending = false;
    let mut end: Option<Instant> = None;
    let result = loop {
        let now = clock.now();
        let mut wake = link.batch(|link| {
            let mut captured = capture.around(link);
            listener.poll(now, &mut iface, &mut captured, &mut others, |event| {
                log_event(log, &event);
            })
        });
        if let Some(dhcp) = &mut dhcp {
            let lost = || lost_while_down(&link);
            let tell = |event| log_dhcp(log, event);
            wake = wake.min(dhcp.turn(now, &mut iface, &mut others, lost, tell));
        }

        capture.flush(log);
        if let Some(error) = link.failure() {
            break Err(error.into());
        }
        if end.is_some_and(|end| end <= now) || is_ending && listener.is_drained() {
            break Ok(lifetime.exit_code(is_cut(listener.totals())));
        }

        // Sleeps until there is a frame, a signal or something due.
        let interests = [
            Interest::read_write(&link, link.is_blocked()),
            Interest::read(&signals),
        ];
        let timeout = wake.min(Wake::from(end)).timeout(now);
        wait_spinning(interests, timeout, arguments.wait.spin)?;
        for signal in signals.take() {
            if signal == Signal::Status {
                tell_totals(listener.totals(), &link, |it| log.answer("status", it));
            }
            match lifetime.signalled(signal) {
                Wish::GoOn => {}
                Wish::Finish => {
                    listener.shutdown();
                    is_ending = true;
                    // Without a drain timeout, peers have all the time that they want.
                    let timeout = arguments.session.drain_timeout;
                    end = (!timeout.is_zero()).then(|| clock.now() + timeout);
                }
                Wish::Stop => end = Some(now),
            }
        }
    };
    capture.finish(log);
    log.text(&summary(listener.totals(), &link.frames()));
    tell_totals(listener.totals(), &link, |it| log.json("stopped", it));
    result
}

/// Returns `true` if sessions have not come to their end.
fn is_cut(totals: &Totals) -> bool {
    totals.closed() < totals.opened
}

/// Logs connections, lines, bytes and frames so far with `log`.
fn tell_totals<L: Link>(totals: &Totals, link: &L, log: impl FnOnce(&[(&str, Value)])) {
    let frames: Vec<_> = (link.frames().into_iter())
        .map(|(name, count)| {
            (
                format!("frames {name}")
                    .replace(": ", " ")
                    .replace(' ', "_"),
                count,
            )
        })
        .collect();
    let mut details = server_log::totals(totals);
    details.extend(
        frames
            .iter()
            .map(|(name, count)| (name.as_str(), (*count).into())),
    );
    log(&details);
}

/// Returns how many frames the link has lost for being down.
fn lost_while_down<L: Link>(link: &L) -> u64 {
    let frames = link.frames().into_iter();
    let lost = frames.filter(|(name, _)| name.contains("link down"));
    lost.map(|(_, count)| count).sum()
}

fn introduce<L: Link>(arguments: &Arguments, link: &L, guide: &str, log: &Log) {
    let mut addresses: Vec<_> = arguments.ip.iter().map(ToString::to_string).collect();
    for address in &arguments.ip {
        let address = SocketAddr::new(address.address().into(), arguments.port);
        log.json("listening", &[("address", address.to_string().into())]);
    }
    if arguments.dhcp {
        addresses.push("an address that it asks for by DHCP".into());
    }
    log.text(&format!(
        "echo-tap: a line echo on port {} of {}, with {}, behind the {}\n{guide}",
        arguments.port,
        addresses.join(" and "),
        counted(arguments.slots, "slot"),
        link.describe()
    ));
}
