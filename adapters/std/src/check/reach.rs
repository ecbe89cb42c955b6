//! Questions about connections: which addresses answer, how many there can be, from which port.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::Check;
use super::row::{Grade, Question, Row};
use super::wire::Trouble;
use crate::{ConnectError, TcpInfo};

impl Check {
    /// Keeps only the addresses that answer.
    pub(super) fn addresses(&mut self) -> Row {
        let mut answering = Vec::new();
        let mut found = Vec::new();
        let mut fastest = Duration::MAX;
        for &address in &self.addresses {
            let began = Instant::now();
            match self.wire_to(&self.builder, &[address]) {
                Ok(_) => {
                    let took = began.elapsed();
                    fastest = fastest.min(took);
                    found.push(format!("{address} in {:.3} ms", took.as_secs_f64() * 1e3));
                    answering.push(address);
                }
                Err(trouble) => found.push(trouble.to_string()),
            }
        }
        let all = self.addresses.len();
        let (grade, verdict) = match answering.len() {
            0 => (Grade::Bad, "none answers"),
            n if n == all => (Grade::Good, "all answer"),
            _ => (Grade::Poor, "some answer"),
        };
        let mut row = Row::new(Question::Addresses, grade, verdict).found(found.join("; "));
        if !answering.is_empty() {
            row = row.figure(fastest.as_secs_f64() * 1e3, "ms");
        }
        self.addresses = answering;
        row
    }

    pub(super) fn tcp(&self) -> Row {
        let question = Question::Tcp;
        let mut wire = match self.wire() {
            Ok(wire) => wire,
            Err(trouble) => return Row::trouble(question, &trouble),
        };
        if let Err(trouble) = wire.echo(b"tcp\n") {
            return Row::trouble(question, &trouble);
        }
        let Some(tcp) = TcpInfo::of(&wire.stream) else {
            return Row::new(question, Grade::Unknown, "not told")
                .found("this system does not tell what its TCP knows");
        };
        let scale = match tcp.window_scale {
            Some((theirs, ours)) => format!("window scale {theirs} (theirs), {ours} (ours)"),
            None => "no window scale".into(),
        };
        let option = |has: bool, name: &str| match has {
            true => name.to_owned(),
            false => format!("no {name}"),
        };
        Row::new(question, Grade::Good, "agreed")
            .figure(tcp.send_mss.into(), "bytes")
            .found(format!(
                "MSS {}, path MTU {}, {scale}, {}, {}, {}",
                tcp.send_mss,
                tcp.path_mtu,
                option(tcp.sack, "SACK"),
                option(tcp.timestamps, "timestamps"),
                option(tcp.ecn, "ECN"),
            ))
    }

    /// Opens 1, 10, 100 and so on, all at once.
    pub(super) fn connections_at_once(&self) -> Row {
        let question = Question::Connections;
        let mut most = 0;
        let fewer = [1, 10, 100, 1000, 10_000].into_iter();
        let fewer = fewer.filter(|&it| it < self.connections);
        for wanted in fewer.chain([self.connections]) {
            let more_time = Duration::from_millis(50) * u32::try_from(wanted).unwrap_or(u32::MAX);
            let mut wires = Vec::new();
            for _ in 0..wanted {
                let mut wire = match self.wire() {
                    Ok(wire) => wire,
                    Err(trouble) => return few(most.max(wires.len()), &trouble),
                };
                // Many at once may take longer, for example with a TLS handshake each.
                wire.patience += more_time;
                // All are sent before any is awaited.
                if let Err(trouble) = wire.send(b"one of many\n") {
                    return few(most.max(wires.len()), &trouble);
                }
                wires.push(wire);
            }
            let mut answered = 0;
            for wire in &mut wires {
                if let Err(trouble) = wire.expect(b"one of many\n") {
                    return few(most.max(answered), &trouble);
                }
                answered += 1;
            }
            most = most.max(answered);
        }
        return Row::new(question, Grade::Good, "many at once").figure(most as f64, "connections");

        fn few(most: usize, trouble: &Trouble) -> Row {
            Row::new(Question::Connections, Grade::Bad, "few at once")
                .figure(most as f64, "connections")
                .found(format!("the next one: {trouble}"))
        }
    }

    /// Opens connections in a row from one local port, each of which we end by a reset.
    pub(super) fn local_port(&self) -> Row {
        const TIMES: u32 = 5;
        let question = Question::LocalPort;
        // Another program may take the port in between: then there is one more attempt.
        for _ in 0..5 {
            match self.repeat_from_one_port(TIMES) {
                Ok(()) => {
                    return Row::new(question, Grade::Good, "again at once")
                        .figure(f64::from(TIMES), "times");
                }
                Err((_, Trouble::Connect(error))) if is_taken(&error) => {}
                Err((times, trouble)) => {
                    return Row::new(question, Grade::Poor, "not again")
                        .figure(f64::from(times), "times")
                        .found(trouble.to_string());
                }
            }
        }
        Row::new(question, Grade::Unknown, "no port").found("other programs took each port")
    }

    fn repeat_from_one_port(&self, times: u32) -> Result<(), (u32, Trouble)> {
        let server = self.addresses[0];
        let mut builder = self.builder.clone().with_own_port(server);
        for time in 0..times {
            let connected = self.wire_to(&builder, &[server]);
            let echoed = connected.and_then(|mut wire| {
                wire.echo(b"again\n")?;
                builder = builder.clone().source(wire.stream.local_addr()?);
                Ok(wire)
            });
            echoed.map_err(|trouble| (time, trouble))?.reset();
        }
        Ok(())
    }
}

fn is_taken(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Failed(attempts)
        if attempts.iter().any(|(_, error)| error.kind() == ErrorKind::AddrInUse))
}
