//! A peer as a scenario plays it: what it sends, how it reads, and the check of every byte that
//! comes back.

use std::ascii::escape_default;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use linecho_core::LongLines;
use linecho_trials::Stop;

use super::oracle::{self, Echo};
use super::plan::{End, Plan, Reads, TURN};
use crate::conformance::reach::{Facts, Network, Peer};

/// The state that all clients share.
pub(super) struct Hands {
    /// The source of the lengths of their pieces.
    pub(super) rng: fastrand::Rng,
    /// The buffer that they read to.
    pub(super) buffer: Vec<u8>,
}

/// A peer, and what it has seen so far.
pub struct Client {
    /// Its behaviour.
    pub plan: Plan,
    peer: Peer,
    text: Arc<[u8]>,
    echo: Echo,
    sent: usize,
    returned: usize,
    connected: bool,
    /// Its input has ended: all of the echo is due.
    ended_input: bool,
    /// The server shuts down: who is refused stays so.
    last_try: bool,
    send_failed: Option<io::ErrorKind>,
    end: Option<End>,
    /// The time at which it next reads, or tries to connect again.
    next: Duration,
}

/// The end of a turn before its time.
enum Trouble {
    Io(io::Error),
    Contract(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Client {
    /// The client that will send `text` over `peer`.
    pub(super) fn new(
        peer: Peer,
        text: Arc<[u8]>,
        plan: Plan,
        facts: Facts,
        policy: LongLines,
    ) -> Self {
        Self {
            peer,
            echo: oracle::echo(&text, facts.buffer, policy, plan.half_close),
            text,
            plan,
            sent: 0,
            returned: 0,
            connected: false,
            ended_input: false,
            last_try: false,
            send_failed: None,
            end: None,
            next: Duration::ZERO,
        }
    }

    /// The number of bytes that it has sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// The number of bytes that it has got back, each as it should be.
    #[must_use]
    pub fn returned(&self) -> usize {
        self.returned
    }

    /// True if it is connected, or was.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// True if everything that it may send for now has been sent.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.sent == self.limit()
    }

    /// True if everything came back that is due for what it may send for now.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.has_sent() && self.returned == self.due()
    }

    /// True if everything came back that ever should.
    #[must_use]
    pub fn is_all_back(&self) -> bool {
        self.returned == self.echo.bytes.len()
    }

    /// True if everything came back, and then the server closed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.end == Some(End::Closed) && self.is_all_back()
    }

    /// True if its connection ended, however. One that was refused never began, and is tried again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end.is_some() && (self.connected || self.last_try)
    }

    /// The end of its connection.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    fn limit(&self) -> usize {
        self.text.len().min(self.plan.send_up_to)
    }

    fn due(&self) -> usize {
        if self.ended_input {
            self.echo.bytes.len()
        } else {
            self.echo.due(self.sent)
        }
    }

    /// The server was asked to shut down: what has been sent is all that there is.
    pub(super) fn input_ends_here(&mut self, facts: Facts, policy: LongLines) {
        self.last_try = true;
        if !self.ended_input {
            self.ended_input = true;
            self.shorten(self.sent, facts, policy);
        }
    }

    /// Leaves it the first `length` bytes of its text, of which it has sent no more.
    pub(super) fn shorten(&mut self, length: usize, facts: Facts, policy: LongLines) {
        self.text = self.text[..length.min(self.text.len())].into();
        let at_end = self.plan.half_close || self.ended_input;
        self.echo = oracle::echo(&self.text, facts.buffer, policy, at_end);
    }

    /// Breaks the connection off.
    pub(super) fn reset(&mut self, network: &mut dyn Network) {
        network.reset(self.peer);
        self.end = Some(End::Left);
    }

    /// Closes both sides at once.
    pub(super) fn close(&mut self, network: &mut dyn Network) {
        network.close(self.peer);
        self.end = self.end.or(Some(End::Left));
    }

    /// Sends and reads as planned.
    pub(super) fn turn(
        &mut self,
        network: &mut dyn Network,
        hands: &mut Hands,
    ) -> Result<(), Stop> {
        if self.end.is_some() {
            return self.try_again(network);
        }
        match self.exchange(network, hands) {
            Ok(()) => Ok(()),
            Err(Trouble::Contract(why)) => Err(self.failure(&why)),
            Err(Trouble::Io(error)) => {
                self.end = Some(End::Broken(error.kind()));
                self.next = network.now() + Duration::from_millis(10);
                if self.may_end() {
                    Ok(())
                } else {
                    Err(self.failure(&format!("the connection broke: {error}")))
                }
            }
        }
    }

    fn exchange(&mut self, network: &mut dyn Network, hands: &mut Hands) -> Result<(), Trouble> {
        if !self.connected {
            self.connected = network.is_connected(self.peer)?;
        }
        if !self.connected {
            return Ok(());
        }
        self.read(network, hands)?;
        if self.end.is_some() {
            return Ok(());
        }
        match self.send_failed {
            // What came back before is still read, until that fails, too.
            Some(kind) if self.plan.reads == Reads::Nothing => Err(Trouble::Io(kind.into())),
            Some(_) => Ok(()),
            None => self.send(network, hands),
        }
    }

    fn send(&mut self, network: &mut dyn Network, hands: &mut Hands) -> Result<(), Trouble> {
        let mut left = self.pieces_now(self.plan.pieces, hands);
        let result = loop {
            let piece = &self.text[self.sent..self.limit().max(self.sent)];
            let piece = &piece[..piece.len().min(left)];
            if piece.is_empty() {
                break Ok(());
            }
            match network.send(self.peer, piece) {
                Ok(0) => break Ok(()),
                Ok(n) => {
                    self.sent += n;
                    left -= n;
                }
                Err(error) => break Err(error),
            }
        };
        let result = result.and_then(|()| {
            if self.plan.half_close && self.sent == self.text.len() && !self.ended_input {
                network.half_close(self.peer)?;
                self.ended_input = true;
            }
            Ok(())
        });
        if let Err(error) = result {
            self.send_failed = Some(error.kind());
        }
        Ok(())
    }

    fn read(&mut self, network: &mut dyn Network, hands: &mut Hands) -> Result<(), Trouble> {
        let mut left = match self.plan.reads {
            Reads::All => TURN,
            Reads::Nothing => 0,
            Reads::OneByteEvery(_) => usize::from(network.now() >= self.next),
            Reads::Pieces(n) => self.pieces_now(n, hands),
        };
        while left > 0 {
            let room = left.min(hands.buffer.len());
            match network.receive(self.peer, &mut hands.buffer[..room])? {
                None => break,
                Some(0) => {
                    network.close(self.peer);
                    return self.closed();
                }
                Some(n) => {
                    self.check(&hands.buffer[..n])?;
                    left -= n;
                    if let Reads::OneByteEvery(pause) = self.plan.reads {
                        self.next = network.now() + pause;
                    }
                }
            }
        }
        Ok(())
    }

    fn pieces_now(&self, longest: usize, hands: &mut Hands) -> usize {
        if longest >= TURN {
            TURN
        } else {
            hands.rng.usize(1..=longest)
        }
    }

    fn check(&mut self, back: &[u8]) -> Result<(), Trouble> {
        let expected = &self.echo.bytes[self.returned..];
        let same = if expected.starts_with(back) {
            back.len()
        } else {
            back.iter()
                .zip(expected)
                .take_while(|(a, b)| a == b)
                .count()
        };
        self.returned += same;
        if let Some(got) = back.get(same) {
            let at = self.returned;
            let got = escape_default(*got);
            return Err(Trouble::Contract(match expected.get(same) {
                Some(sent) => {
                    let sent = escape_default(*sent);
                    format!("byte {at}: '{sent}' came back as '{got}'")
                }
                None => format!("'{got}' came back behind the {at} bytes that should"),
            }));
        }
        if self.returned > self.due() {
            let why = format!(
                "only {} of the bytes back are due: a line came back before its end",
                self.due()
            );
            return Err(Trouble::Contract(why));
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<(), Trouble> {
        self.end = Some(End::Closed);
        if self.may_end() || self.was_served() {
            Ok(())
        } else {
            Err(Trouble::Contract("the server closed too early".into()))
        }
    }

    /// True if it got all that it should, and then an orderly end.
    fn was_served(&self) -> bool {
        self.is_finished() && (self.ended_input || self.echo.cut)
    }

    fn may_end(&self) -> bool {
        self.plan.may_break || self.may_try_again()
    }

    fn may_try_again(&self) -> bool {
        let in_vain = !self.connected || (self.plan.tries_again && self.returned == 0);
        in_vain && !self.last_try
    }

    fn try_again(&mut self, network: &mut dyn Network) -> Result<(), Stop> {
        let turned_away =
            matches!(self.end, Some(End::Closed | End::Broken(_))) && !self.was_served();
        if turned_away && self.may_try_again() && network.now() >= self.next {
            network.close(self.peer);
            self.peer = network
                .open()
                .map_err(|error| self.failure(&format!("cannot connect: {error}")))?;
            (self.end, self.send_failed) = (None, None);
            (self.connected, self.ended_input, self.sent) = (false, false, 0);
        }
        Ok(())
    }

    fn failure(&self, why: &str) -> Stop {
        Stop::Failed(format!("{self}: {why}"))
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (number, text, echo) = (self.peer.0, self.text.len(), self.echo.bytes.len());
        write!(f, "peer {number} ({} of {text} bytes sent", self.sent)?;
        if self.ended_input {
            f.write_str(" and the end")?;
        }
        write!(f, ", {} of {echo} back", self.returned)?;
        match self.end {
            Some(end) => write!(f, ", {end:?})"),
            None if !self.connected => f.write_str(", not connected)"),
            None => f.write_str(")"),
        }
    }
}
