//! The thread beside the server, which logs signals and answers systemd.
//!
//! The server itself obeys the signals that end it, whatever becomes of this thread.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use linecho_examples::log::{Level, Log};
use linecho_examples::server_log;
use linecho_examples::signals::{Signal, Signals};
use linecho_examples::words::counted;
use linecho_std::{Builder, Handle};

use crate::systemd::{self, Notifier};

/// The longest pause between two looks at the status.
const STATUS_PAUSE: Duration = Duration::from_secs(5);
/// The longest wait, at the end of the program, for the thread to announce the stop.
const ANNOUNCEMENT: Duration = Duration::from_secs(1);
/// The pause between two looks at a server that has been asked to stop and has not begun to.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// The longest wait for the server's turn in such a look.
const TURN: Duration = Duration::from_secs(1);

/// Handles signals from now on. Those that end the server reach it without the help of any thread.
pub(crate) fn handle_signals(
    builder: Builder,
    drain_delay: Duration,
) -> io::Result<(Signals, Builder)> {
    let (now, at_once) = UnixStream::pair()?;
    let (later, delayed) = UnixStream::pair()?;
    let signals = Signals::handle_forwarding(&[
        (&[Signal::Interrupt, Signal::Hangup], now),
        (&[Signal::Terminate], later),
    ])?;
    let builder = builder
        .shutdown_on(at_once, Duration::ZERO)
        .shutdown_on(delayed, drain_delay);
    Ok((signals, builder))
}

/// The work of the thread beside the server.
pub(crate) struct Beside {
    server: Handle,
    log: Log,
    notifier: Notifier,
    drain_delay: Duration,
    /// The time between two signs of life for systemd.
    watchdog: Option<Duration>,
    last_sign: Instant,
    /// The delay before the drain, once a signal has asked for a stop.
    asked: Option<Duration>,
    announced: SyncSender<()>,
}

/// The announcement of a stop, in the log and to systemd.
pub(crate) struct Announcement(Receiver<()>);

impl Announcement {
    /// Waits for it. The server obeys a signal without the thread beside it, and on a busy machine
    /// a short stop may be over before that thread runs.
    pub(crate) fn wait(&self) {
        let _ = self.0.recv_timeout(ANNOUNCEMENT);
    }
}

impl Beside {
    pub(crate) fn new(server: Handle, log: Log, drain_delay: Duration) -> (Self, Announcement) {
        let (announced, announcement) = sync_channel(1);
        let beside = Self {
            server,
            log,
            notifier: Notifier::from_env(),
            drain_delay,
            watchdog: systemd::watchdog().map(|limit| limit / 2),
            last_sign: Instant::now(),
            asked: None,
            announced,
        };
        (beside, Announcement(announcement))
    }

    /// Starts the thread, and tells systemd that the server is ready.
    pub(crate) fn start(mut self, mut signals: Signals) -> io::Result<()> {
        self.notifier.ready();
        let run = move || {
            loop {
                for signal in signals.wait_for(self.pause()) {
                    self.obey(signal);
                }
                self.pass_on();
                self.report();
            }
        };
        thread::Builder::new().name("control".into()).spawn(run)?;
        Ok(())
    }

    fn pause(&self) -> Duration {
        if self.asked.is_some() && !self.server.is_leaving() {
            return SECOND_LOOK;
        }
        self.watchdog
            .map_or(STATUS_PAUSE, |it| it.min(STATUS_PAUSE) / 2)
    }

    /// Asks the server to stop if the signal handler could not, or the server could not read what
    /// the handler wrote. A second request would cut connections off, so the server first ends two
    /// turns: the second of them began after the handler had written.
    fn pass_on(&self) {
        let Some(delay) = self.asked else {
            return;
        };
        let has_begun = || self.server.is_leaving();
        if !has_begun() && self.server.ping(TURN) && self.server.ping(TURN) && !has_begun() {
            self.server.shutdown_after(delay);
        }
    }

    fn obey(&mut self, signal: Signal) {
        let connections = self.server.connections();
        match signal {
            Signal::Interrupt | Signal::Terminate | Signal::Hangup => {
                self.notifier.stopping();
                let delay = match signal {
                    Signal::Terminate => self.drain_delay,
                    _ => Duration::ZERO,
                };
                let mut details = vec![("connections", connections.into())];
                let event = match self.asked.is_none() && !delay.is_zero() {
                    true => {
                        let delay = humantime::format_duration(delay);
                        details.push(("after", delay.to_string().into()));
                        "about to shut down"
                    }
                    false => "shutting down",
                };
                self.asked.get_or_insert(delay);
                self.log.event(Level::Info, event, &details);
                // It is full after the first signal.
                let _ = self.announced.try_send(());
            }
            Signal::Status => {
                let mut details = vec![("open", connections.into())];
                details.extend(server_log::totals(&self.server.totals()));
                self.log.answer("status", &details);
            }
            Signal::Child => {}
        }
    }

    /// Tells systemd how the server is.
    fn report(&mut self) {
        let totals = self.server.totals();
        let status = format!(
            "{} open, {} so far, {}",
            counted(self.server.connections() as u64, "connection"),
            totals.opened,
            counted(totals.counters.lines, "line")
        );
        self.notifier.status(status);
        if let Some(pause) = self.watchdog
            && self.last_sign.elapsed() >= pause / 2
            && self.server.ping(pause / 2)
        {
            self.notifier.alive();
            self.last_sign = Instant::now();
        }
    }
}
