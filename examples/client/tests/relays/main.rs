//! The client through real relays, each in its plainest configuration.

#[cfg(unix)]
mod balanced;
#[cfg(unix)]
mod entry;
#[cfg(unix)]
mod kinds;
#[cfg(unix)]
mod kit;
#[cfg(unix)]
mod measured;

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return unix::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}

#[cfg(unix)]
mod unix {
    use std::process::ExitCode;

    use linecho_trials::{Stop, conclude, trial};
    use serde_json::Value;

    use crate::kinds::RELAYS;
    use crate::kit::{Kind, client};
    use crate::measured::{self, MEASURED};

    pub(crate) fn main() -> ExitCode {
        let lines = RELAYS.iter().map(|&relay| {
            let name = format!("{}: every complete line comes back", relay.name);
            trial(name, move || complete_lines(relay))
        });
        let tails = RELAYS.iter().map(|&relay| {
            let name = format!(
                "{}: the tail comes back, or its loss is explained",
                relay.name
            );
            trial(name, move || tail(relay))
        });
        let checks = RELAYS.iter().map(|&relay| {
            let name = format!("{}: check says what docs/RELAYS.md says", relay.name);
            trial(name, move || check(relay))
        });
        let ends = RELAYS.iter().map(|&relay| {
            let name = format!(
                "{}: no end of its server is passed on as a reset",
                relay.name
            );
            trial(name, move || measured::ends(relay))
        });
        let backends = crate::balanced::trials();
        conclude(
            lines
                .chain(tails)
                .chain(checks)
                .chain(ends)
                .chain(backends)
                .collect(),
        )
    }

    fn complete_lines(relay: Kind) -> Result<(), Stop> {
        let relay = relay.start()?;
        let address = relay.address.to_string();
        let many: Vec<u8> = (1..=100_000)
            .flat_map(|i| format!("{i}\n").into_bytes())
            .collect();
        for input in [&b"hello\n"[..], &many] {
            let output = client(&[&address], input);
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{error}");
            assert!(output.stdout == input);
        }
        Ok(())
    }

    /// Compares what the check says with the page that people read.
    fn check(kind: Kind) -> Result<(), Stop> {
        let relay = kind.start()?;
        let output = client(
            &[
                "check",
                "--json",
                "--limit",
                "5m",
                // For a busy machine.
                "--patience",
                "10s",
                &relay.address.to_string(),
            ],
            b"",
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let rows: Vec<Value> = text.lines().map(|line| line.parse().unwrap()).collect();
        let verdict = |question: &str| {
            let row = rows.iter().find(|row| row["question"] == question);
            row.and_then(|row| row["verdict"].as_str()).unwrap_or("-")
        };
        // By race, when the path is full.
        let in_flight = match (kind.name, verdict("data in flight")) {
            ("haproxy", "lost") => "all comes back",
            ("stunnel", "all comes back") => "lost",
            (_, other) => other,
        };
        let row = format!(
            "| {} | {} | {} | {} | {} | {} |",
            kind.name,
            verdict("half-close"),
            in_flight,
            verdict("ending"),
            verdict("small writes"),
            verdict("buffering"),
        );
        let page = include_str!("../../../../docs/RELAYS.md");
        let its = page
            .lines()
            .find(|line| line.starts_with(&format!("| {} |", kind.name)));
        assert_eq!(
            its,
            Some(&*row),
            "of docs/RELAYS.md, and of the check:\n{text}"
        );
        let measured = MEASURED.iter().find(|it| it.relay == kind.name);
        let measured = measured.unwrap_or_else(|| panic!("{} was not measured", kind.name));
        measured.compare(verdict);
        // By race, they block for ever when both directions are full, also for a client that reads.
        if ["ncat", "microsocks, SOCKS5"].contains(&kind.name) {
            return Ok(());
        }
        // Everything else is as on a plain connection.
        let asked = [
            "half-close",
            "data in flight",
            "ending",
            "small writes",
            "buffering",
        ];
        for row in rows.iter().filter(|row| row["type"] == "row") {
            let question = row["question"].as_str().unwrap();
            assert!(row["grade"] == "good" || asked.contains(&question), "{row}");
        }
        Ok(())
    }

    fn tail(kind: Kind) -> Result<(), Stop> {
        let relay = kind.start()?;
        let address = relay.address.to_string();
        let output = client(&[&address], b"x\ny");
        let error = String::from_utf8_lossy(&output.stderr);
        if MEASURED.iter().any(|it| it.relay == kind.name && !it.tail) {
            assert_eq!(
                (output.status.code(), &*output.stdout),
                (Some(1), &b"x\n"[..]),
                "{error}"
            );
            let words = "comes back only at half-close, and something between here and the server does \
                         not pass that on";
            assert!(error.contains(words), "{error}");
        } else {
            assert_eq!(
                (output.status.code(), &*output.stdout),
                (Some(0), &b"x\ny"[..]),
                "{error}"
            );
        }
        Ok(())
    }
}
