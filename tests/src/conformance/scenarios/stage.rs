//! The stage of a scenario: a server, the network to it, the clients, and the time.

use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecho_core::{LongLines, Totals};
use linecho_trials::Stop;

use super::client::{Client, Hands};
use super::plan::{End, Plan};
use crate::conformance::reach::{Facts, Network, Reach, Wanted};

/// The patience of a scenario: how many times the pace of its network it waits for something before
/// it fails.
const PATIENCE: u32 = 100;

/// No wait takes longer, whatever the network's clock says.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A server, the network to it, and the clients.
pub struct Stage {
    /// The source of all that is left to chance.
    pub rng: fastrand::Rng,
    hands: Hands,
    network: Box<dyn Network>,
    clients: Vec<Client>,
    pace: Duration,
    facts: Facts,
    long_lines: LongLines,
    is_shutting_down: bool,
}

/// A client on the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

impl Stage {
    /// Starts the server that is `wanted`.
    ///
    /// # Errors
    ///
    /// When there is no such server.
    pub fn new(reach: &dyn Reach, wanted: &Wanted, seed: u64) -> Result<Self, Stop> {
        let network = reach.start(wanted, seed)?;
        Ok(Self::on(network, reach.pace(), wanted.long_lines, seed))
    }

    /// A stage on a server that runs already, with that policy.
    #[must_use]
    pub fn on(network: Box<dyn Network>, pace: Duration, long_lines: LongLines, seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            hands: Hands {
                rng: fastrand::Rng::with_seed(seed),
                buffer: vec![0; 64 * 1024],
            },
            facts: network.facts(),
            network,
            clients: Vec::new(),
            pace,
            long_lines,
            is_shutting_down: false,
        }
    }

    /// The properties of the server and the network.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// A time in which a line surely makes its way there and back.
    #[must_use]
    pub fn pace(&self) -> Duration {
        self.pace
    }

    /// The time on the network's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.network.now()
    }

    /// A client that begins to connect, and will send `text`.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn client(&mut self, text: impl Into<Arc<[u8]>>, plan: Plan) -> Result<Id, Stop> {
        let peer = self
            .network
            .open()
            .map_err(|error| Stop::Failed(format!("cannot connect: {error}")))?;
        self.clients.push(Client::new(
            peer,
            text.into(),
            plan,
            self.facts,
            self.long_lines,
        ));
        Ok(Id(self.clients.len() - 1))
    }

    /// Waits until `condition`, which is called `what`, while all clients do as planned.
    ///
    /// # Errors
    ///
    /// When it does not come about, or a client sees the contract broken.
    pub fn until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), Stop> {
        let (since, began) = (self.now(), Instant::now());
        loop {
            self.turn()?;
            if condition(self) {
                return Ok(());
            }
            let waited = self.now() - since;
            if waited > self.pace * PATIENCE || began.elapsed() > LONGEST_WAIT {
                return Err(Stop::Failed(format!(
                    "waited {waited:.1?} for this: {what}{}",
                    self.state()
                )));
            }
            self.network.step()?;
        }
    }

    /// Lets `time` pass.
    ///
    /// # Errors
    ///
    /// When a client sees the contract broken.
    pub fn pass(&mut self, time: Duration) -> Result<(), Stop> {
        let end = self.now() + time;
        self.until("time passes", |stage| stage.now() >= end)
    }

    /// Waits until `clients` have sent all that they may, or can send no more since nobody takes
    /// it.
    ///
    /// # Errors
    ///
    /// When they go on, or a client sees the contract broken.
    pub fn sent_what_goes(&mut self, clients: &[Id]) -> Result<(), Stop> {
        let (mut sent, mut since) = (0, self.now());
        self.until("no more can be sent", |stage| {
            let now: usize = clients.iter().map(|&id| stage[id].sent()).sum();
            if now > sent {
                (sent, since) = (now, stage.now());
            }
            clients.iter().all(|&id| stage[id].has_sent())
                || (sent > 0 && stage.now() - since >= stage.pace())
        })
    }

    /// Waits until `clients` got back all that is due for what they have sent.
    ///
    /// # Errors
    ///
    /// When that does not come about, or a client sees the contract broken.
    pub fn answered(&mut self, clients: &[Id]) -> Result<(), Stop> {
        self.until("every complete line comes back", |stage| {
            clients.iter().all(|&id| stage[id].is_answered())
        })
    }

    /// Waits until everything came back to `clients`, and then the server closed.
    ///
    /// # Errors
    ///
    /// When that does not come about, or a client sees the contract broken.
    pub fn finished(&mut self, clients: &[Id]) -> Result<(), Stop> {
        self.until("everything comes back, and the server closes", |stage| {
            clients.iter().all(|&id| stage[id].is_finished())
        })
    }

    /// Waits until the connections of `clients` ended, however.
    ///
    /// # Errors
    ///
    /// When that does not come about, or a client sees the contract broken.
    pub fn ended(&mut self, clients: &[Id]) -> Result<(), Stop> {
        self.until("the server ends the connection", |stage| {
            clients.iter().all(|&id| stage[id].has_ended())
        })
    }

    /// Breaks a client's connection off with a reset.
    pub fn reset(&mut self, client: Id) {
        self.clients[client.0].reset(&mut *self.network);
    }

    /// Closes both sides of a client's connection at once.
    pub fn close(&mut self, client: Id) {
        self.clients[client.0].close(&mut *self.network);
    }

    /// The server's totals.
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] where they cannot be read.
    pub fn totals(&mut self) -> Result<Totals, Stop> {
        self.network
            .totals()
            .ok_or_else(|| Stop::NotApplicable("the totals of this server cannot be read".into()))
    }

    /// Waits until the totals are as `condition` says.
    ///
    /// # Errors
    ///
    /// When they never are.
    pub fn counted(&mut self, what: &str, condition: impl Fn(&Totals) -> bool) -> Result<(), Stop> {
        self.totals()?;
        let mut last = Totals::default();
        self.until(what, |stage| {
            last = stage.totals().unwrap_or_default();
            condition(&last)
        })
        .map_err(|stop| stop.at(&format!("{last:?}")))
    }

    /// Leaves a client the first `length` bytes of its text, of which it has sent no more.
    pub fn shorten(&mut self, client: Id, length: usize) {
        self.clients[client.0].shorten(length, self.facts, self.long_lines);
    }

    /// Asks the server to shut down. What the clients have sent by now is all that they send.
    ///
    /// # Errors
    ///
    /// [`Stop::NotApplicable`] when it cannot be asked.
    pub fn shut_down(&mut self) -> Result<(), Stop> {
        self.network.shut_down()?;
        self.is_shutting_down = true;
        for client in &mut self.clients {
            client.input_ends_here(self.facts, self.long_lines);
        }
        Ok(())
    }

    /// Waits until the server has shut down.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn is_down(&mut self) -> Result<(), Stop> {
        let mut broken = Ok(());
        self.until("the server is down", |stage| {
            match stage.network.is_down() {
                Ok(down) => down,
                Err(stop) => {
                    broken = Err(stop);
                    true
                }
            }
        })?;
        broken
    }

    /// Ends every scenario: the server shuts down, each session that began ended for one reason,
    /// and the totals agree with what the clients have seen.
    ///
    /// # Errors
    ///
    /// When something of that is not so.
    pub fn conclude(&mut self) -> Result<(), Stop> {
        for client in &mut self.clients {
            client.close(&mut *self.network);
        }
        if !self.is_shutting_down {
            match self.shut_down() {
                Err(Stop::NotApplicable(_)) => return Ok(()),
                result => result?,
            }
        }
        self.is_down()?;
        let Ok(totals) = self.totals() else {
            return Ok(());
        };
        let sum = |of: fn(&Client) -> usize| self.clients.iter().map(of).sum::<usize>() as u64;
        let (sent, returned) = (sum(Client::sent), sum(Client::returned));
        let all_finished = self.clients.iter().all(Client::is_finished);
        let counters = totals.counters;
        let right = totals.opened == totals.closed()
            && if all_finished {
                totals.opened == self.clients.len() as u64
                    && counters.bytes_out == returned
                    && counters.bytes_in <= sent
            } else {
                counters.bytes_out >= returned
            };
        if right {
            Ok(())
        } else {
            let why = format!(
                "{totals:?} do not agree with {sent} bytes sent and {returned} back{}",
                self.state()
            );
            Err(Stop::Failed(why))
        }
    }

    fn turn(&mut self) -> Result<(), Stop> {
        for client in &mut self.clients {
            client.turn(&mut *self.network, &mut self.hands)?;
        }
        Ok(())
    }

    /// The first clients, for people.
    fn state(&self) -> String {
        let unfinished = self
            .clients
            .iter()
            .filter(|client| client.end() != Some(End::Left));
        unfinished
            .take(8)
            .map(|client| format!("\n  {client}"))
            .collect()
    }
}

impl Index<Id> for Stage {
    type Output = Client;

    fn index(&self, id: Id) -> &Client {
        &self.clients[id.0]
    }
}

impl IndexMut<Id> for Stage {
    fn index_mut(&mut self, id: Id) -> &mut Client {
        &mut self.clients[id.0]
    }
}
