//! The conversation that each run plays with the server.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::client::Client;

/// What a conversation asks of the server.
#[derive(Clone, Copy)]
pub(super) struct Conversation {
    pub(super) address: SocketAddr,
    /// The longest wait for anything.
    pub(super) patience: Duration,
    /// What the server is told about a call that fails is not so: say more when nothing comes, and
    /// expect no end.
    pub(super) is_misled: bool,
}

/// How it went.
#[derive(Clone, Copy, Default)]
pub(super) struct Heard {
    pub(super) connections: usize,
    /// Connections that ended before they should.
    pub(super) cut_off: usize,
}

impl Heard {
    pub(super) fn count(&mut self, client: &Client) {
        self.connections += 1;
        self.cut_off += usize::from(client.was_cut_off());
    }
}

impl Conversation {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub(super) fn connect(&self) -> io::Result<Client> {
        Client::connect(self.address, self.patience)
    }

    /// Connects, and has one line come back.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub(super) fn open(&self) -> io::Result<Client> {
        let mut client = self.connect()?;
        self.echo(&mut client, b"hello\n")?;
        Ok(client)
    }

    /// Plays all of it: an old connection, one with many lines, one that half-closes, one that
    /// resets, and new ones until one is served. Returns how it went, old connection included.
    ///
    /// # Errors
    ///
    /// When a connection has neither an exact echo nor an end.
    pub(super) fn play(&self, mut old: Client) -> io::Result<Heard> {
        let mut heard = Heard::default();
        for line in ["one\n", "a second one\n", "\n", "four\n", "five\n", "six\n"] {
            self.echo(&mut old, line.as_bytes())?;
        }
        let mut many = self.connect()?;
        self.echo(&mut many, "a line of some length\n".repeat(1000).as_bytes())?;
        heard.count(&many);
        drop(many);
        let mut half = self.connect()?;
        half.say(b"x\ny");
        if self.is_misled {
            half.say(b"\n");
            self.echo(&mut half, b"z\n")?;
        } else {
            half.finish();
            half.hear(self.patience, |_| {})?;
        }
        heard.count(&half);
        drop(half);
        self.served(&mut heard)?;
        // Again, now that others have come and gone.
        self.echo(&mut old, b"seven\n")?;
        heard.count(&old);
        Ok(heard)
    }

    /// Connects until a connection is served.
    ///
    /// # Errors
    ///
    /// When none is.
    pub(super) fn served(&self, heard: &mut Heard) -> io::Result<()> {
        let until = Instant::now() + self.patience;
        while Instant::now() < until {
            let mut client = self.connect()?;
            self.echo(&mut client, b"served\n")?;
            heard.count(&client);
            if !client.was_cut_off() {
                return Ok(());
            }
        }
        Err(io::Error::other("no new client is served"))
    }

    /// Says a line to a server that cannot serve, and takes what comes for a moment.
    ///
    /// # Errors
    ///
    /// When another byte comes.
    pub(super) fn try_to_speak(&self, client: &mut Client) -> io::Result<()> {
        client.say(b"is anybody there\n");
        match client.hear(self.patience, |_| {}) {
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            result => result,
        }
    }

    fn echo(&self, client: &mut Client, lines: &[u8]) -> io::Result<()> {
        client.say(lines);
        client.hear(self.patience, |client| {
            if self.is_misled {
                client.say(b"\n");
                // It may not have been accepted.
                let _ = self.connect();
            }
        })
    }
}
