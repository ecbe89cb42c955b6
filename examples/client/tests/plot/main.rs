//! The picture of a load, drawn by a browser.

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return unix::main();
    #[cfg(not(unix))]
    std::process::ExitCode::SUCCESS
}

#[cfg(unix)]
mod unix {
    use std::process::{Command, ExitCode, Stdio};
    use std::{env, fs, process, thread};

    use linecho_std::Server;
    use linecho_trials::browser::{Browser, Viewport};
    use linecho_trials::{Stop, conclude, trials};
    use serde_json::{Value, json};

    pub(crate) fn main() -> ExitCode {
        conclude(trials![a_browser_draws_the_plot_of_a_load])
    }

    /// Returns the plot of a load on a server of ours, and the summary of that load.
    fn load() -> (String, Value) {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::builder().listen([address]).unwrap();
        let (address, handle) = (server.addresses()[0], server.handle());
        let serving = thread::spawn(|| server.run());
        let file = env::temp_dir().join(format!("linecho-plot-{}.svg", process::id()));
        let output = Command::new(env!("CARGO_BIN_EXE_echo-client"))
            .args(["load", "-c", "4", "-d", "2s", "--json", "--plot"])
            .arg(&file)
            .arg(address.to_string())
            .env_clear()
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success());
        handle.shutdown();
        serving.join().unwrap().unwrap();
        let svg = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        (svg, serde_json::from_slice(&output.stdout).unwrap())
    }

    /// What a browser sees: text with its place, and the extent of each colour of the curves.
    fn look(svg: &str) -> Result<Value, Stop> {
        let viewport = Viewport {
            width: 960,
            height: 760,
            mobile: false,
        };
        let mut browser = Browser::start(viewport)?;
        browser.open("data:text/html,<body style='margin:0'>")?;
        let script = include_str!("look.js");
        browser.evaluate(&format!("({script})({})", json!(svg)))
    }

    fn a_browser_draws_the_plot_of_a_load() -> Result<(), Stop> {
        let (svg, summary) = load();
        let seen = look(&svg)?;
        assert_eq!(seen["size"], json!([960, 760]), "{seen}");

        let texts = seen["texts"].as_array().unwrap();
        let has = |part: &str| {
            let found = texts
                .iter()
                .any(|it| it["text"].as_str().unwrap().contains(part));
            assert!(found, "no text with {part:?}: {seen}");
        };
        for part in [
            "echo-client load 127.0.0.1:",
            "4 connections",
            "Latency over time",
            "since the beginning (s)",
            "latency (ms)",
            "Distribution",
            "lines that took no longer (%)",
            "p50",
            "p99",
            "max",
        ] {
            has(part);
        }
        // The figures are those of the summary, which has more digits.
        for (name, field) in [("p50", "p50_ms"), ("p99.9", "p999_ms"), ("max", "max_ms")] {
            let millis = summary["since_due"][field].as_f64().unwrap();
            has(&format!("{name}  {millis:.3} ms"));
        }

        // Everything is within the picture, and no text lies on another.
        for (number, text) in texts.iter().enumerate() {
            let [left, top, right, bottom] = area(text);
            let inside = left >= 0.0 && top >= 0.0 && right <= 960.0 && bottom <= 760.0;
            assert!(inside, "{text} is cut off");
            for other in &texts[..number] {
                let it = area(other);
                let apart = right <= it[0] || it[2] <= left || bottom <= it[1] || it[3] <= top;
                assert!(apart, "{text} lies on {other}");
            }
        }

        // The upper curves go through the whole time: their pixels, between the axes.
        let extent = |half: &str, colour: &str| area(&seen[half][colour]);
        for colour in ["blue", "orange", "grey"] {
            let [left, top, right, bottom] = extent("upper", colour);
            assert!(right - left > 600.0 && bottom > top, "{colour}: {seen}");
        }
        // The distribution rises from 0 to 100 %, and each mark reaches from it to the axis.
        let [left, top, right, bottom] = extent("lower", "black");
        assert!(bottom - top > 200.0 && right - left > 50.0, "{seen}");
        let mut before = 0.0;
        for colour in ["blue", "green", "orange"] {
            let [left, top, right, bottom] = extent("lower", colour);
            assert!(bottom - top > 100.0, "{colour}: {seen}");
            let middle = (left + right) / 2.0;
            assert!(middle >= before, "{colour} is left of a lower one: {seen}");
            before = middle;
        }
        Ok(())
    }

    /// Left, top, right, bottom.
    fn area(value: &Value) -> [f64; 4] {
        let sides = &value["area"];
        [0, 1, 2, 3].map(|side| sides[side].as_f64().unwrap_or_else(|| panic!("{value}")))
    }
}
