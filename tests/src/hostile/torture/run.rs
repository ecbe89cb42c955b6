//! One run: a server, a conversation, and a system call that fails.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::PATIENCE;
use super::conversation::{Conversation, Heard};
use super::traced::{Server, Strace, Trace};

/// The time for which a call fails always: enough for each client to speak.
const OUTAGE: Duration = Duration::from_millis(300);

/// The calls that fail, as strace counts them for each thread: the first, the second, every third
/// from the second on; all.
pub(super) const SCHEDULES: [&str; 4] = ["1", "2", "2+3", ALWAYS];
const ALWAYS: &str = "1+";

/// A call that fails, and how.
#[derive(Clone, Copy)]
pub(super) struct Injection {
    pub(super) call: &'static str,
    pub(super) error: &'static str,
    /// One of [`SCHEDULES`].
    pub(super) when: &'static str,
    /// The server is traced from its start.
    pub(super) starting: bool,
}

/// What happened.
#[derive(Default)]
pub(super) struct Story {
    /// Calls that failed.
    pub(super) failures: usize,
    pub(super) heard: Heard,
    /// The server refused to start, and said so.
    pub(super) refused: bool,
    /// The server gave up, and said so.
    pub(super) gave_up: bool,
    /// All that the server said.
    said: String,
}

impl Injection {
    /// strace does not make a call that it fails. So nothing follows where a kernel that says
    /// `EAGAIN` reports an event later, and a descriptor whose close failed is still open, which it
    /// is not on Linux.
    fn leaves_open(self) -> bool {
        self.error == "EAGAIN" || self.call == "close"
    }

    /// Returns `true` if a server can meet it.
    pub(super) fn is_possible(self) -> bool {
        // An eventfd(2) says that it is full when it is. mio empties it and writes again, for ever.
        let is_full = self.call == "write" && self.error == "EAGAIN" && self.when == ALWAYS;
        // The standard library ends a debug build whose descriptors are not open.
        let is_checked = cfg!(debug_assertions) && self.call == "fcntl" && self.error == "EBADF";
        !is_full && !is_checked
    }

    /// Runs it. The number tells runs at the same time apart.
    ///
    /// # Errors
    ///
    /// When the server does not survive: a client got a wrong byte or nothing at all, more
    /// connections ended than calls failed, a descriptor leaked, nobody is served later, or the
    /// server crashes or does not stop.
    pub(super) fn run(self, number: usize) -> io::Result<Story> {
        let trace = Trace::new(number);
        let arguments = trace.arguments(self.call, self.error, self.when);
        let mut server = Server::start(self.starting.then_some(&arguments[..]))?;
        let mut story = Story::default();
        let played = match (self.starting, self.when) {
            (true, _) => self.start(&mut server, &mut story),
            (false, ALWAYS) => self.outage(&mut server, &arguments, &mut story),
            (false, _) => self.fail_now_and_then(&mut server, &arguments, &mut story),
        };
        played.map_err(|error| {
            io::Error::other(format!("{error}; it said: {}", server.last_words()))
        })?;
        story.failures = trace.failures()?;
        let Story {
            failures,
            heard,
            said,
            ..
        } = &story;
        if !self.starting && self.when != ALWAYS && heard.cut_off > *failures {
            let cut_off = heard.cut_off;
            return Err(io::Error::other(format!(
                "{failures} calls failed and {cut_off} connections were cut off; it said: {said}"
            )));
        }
        Ok(story)
    }

    /// The server starts although a call fails, or says why it does not.
    fn start(self, server: &mut Server, story: &mut Story) -> io::Result<()> {
        let Ok(address) = server.address() else {
            let (status, said) = server.end()?;
            story.refused = !status.success() && said.contains("echo-server: ");
            return match story.refused {
                true => Ok(()),
                false => Err(io::Error::other(format!("it does not say why: {said}"))),
            };
        };
        let conversation = self.conversation(address);
        self.converse(server, conversation, None, story)
    }

    /// Calls fail while the server serves.
    fn fail_now_and_then(
        self,
        server: &mut Server,
        arguments: &[String],
        story: &mut Story,
    ) -> io::Result<()> {
        let conversation = self.conversation(server.address()?);
        let at_rest = server.descriptors()?;
        let old = conversation.open()?;
        let strace = Strace::attach(server, arguments)?;
        story.heard = conversation.play(old)?;
        self.converse(server, conversation, Some(at_rest), story)?;
        strace.detach().map(drop)
    }

    /// The end of a conversation: the last client, whose rest comes back when the server stops.
    fn converse(
        self,
        server: &mut Server,
        conversation: Conversation,
        at_rest: Option<usize>,
        story: &mut Story,
    ) -> io::Result<()> {
        conversation.served(&mut story.heard)?;
        if let Some(at_rest) = at_rest
            && !self.leaves_open()
        {
            server.rests(at_rest)?;
        }
        let mut last = conversation.connect()?;
        last.say(b"a rest");
        server.signal(Signal::SIGUSR1)?;
        server.signal(Signal::SIGTERM)?;
        last.hear_end(PATIENCE)?;
        story.heard.count(&last);
        let status;
        (status, story.said) = server.end()?;
        story.gave_up = !status.success();
        Ok(())
    }

    /// A call fails for a while, whoever makes it; then the server serves as before. It stops when
    /// it is asked to although the call fails.
    fn outage(
        self,
        server: &mut Server,
        arguments: &[String],
        story: &mut Story,
    ) -> io::Result<()> {
        let conversation = self.conversation(server.address()?);
        let at_rest = server.descriptors()?;
        let mut old = conversation.open()?;
        let meanwhile = Conversation {
            patience: OUTAGE,
            ..conversation
        };
        let strace = Strace::attach(server, arguments)?;
        server.signal(Signal::SIGUSR1)?;
        meanwhile.try_to_speak(&mut old)?;
        let mut new = meanwhile.connect()?;
        meanwhile.try_to_speak(&mut new)?;
        strace.detach()?;
        for client in [old, new] {
            story.heard.count(&client);
        }
        conversation.served(&mut story.heard)?;
        if self.call != "close" {
            server.rests(at_rest)?;
        }
        let mut last = conversation.open()?;
        let strace = Strace::attach(server, arguments)?;
        server.signal(Signal::SIGTERM)?;
        let status;
        (status, story.said) = server.end()?;
        story.gave_up = !status.success();
        last.hear_end(PATIENCE)?;
        story.heard.count(&last);
        strace.detach().map(drop)
    }

    fn conversation(self, address: SocketAddr) -> Conversation {
        Conversation {
            address,
            patience: PATIENCE,
            is_misled: self.leaves_open(),
        }
    }
}
