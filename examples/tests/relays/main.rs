//! The client through real relays, each in its plainest configuration.

#[cfg(unix)]
mod kit;

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

    use crate::kit::{Kind, RELAYS, client};

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
        conclude(lines.chain(tails).collect())
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

    /// Those that end both directions when the client half-closes.
    const DROP_THE_TAIL: [&str; 6] = [
        "nginx",
        "ncat",
        "systemd-socket-proxyd",
        "rinetd",
        "redir",
        "simpleproxy",
    ];

    fn tail(kind: Kind) -> Result<(), Stop> {
        let relay = kind.start()?;
        let address = relay.address.to_string();
        let output = client(&[&address], b"x\ny");
        let error = String::from_utf8_lossy(&output.stderr);
        if DROP_THE_TAIL.contains(&kind.name) {
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
