//! The administration, asked by curl and read by the parser of Prometheus.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use linecho_trials::Stop;
use linecho_trials::process::{PATIENCE, listening_addresses};

use crate::kit::{PROGRAM, connect, echo, installed, line, log, output, start, terminate};

/// Prints each sample that the parser of Prometheus finds.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family
    for sample in family.samples:
        print(family.type, sample.name, *sample.labels.values(), sample.value)
";

pub(crate) fn curl_and_a_parser_read_the_administration() -> Result<(), Stop> {
    let curl = installed("curl", "curl")?;
    let python = installed("python3", "python3")?;
    let import = ["-c", "import prometheus_client.openmetrics.parser"];
    let found = Command::new(&python)
        .args(import)
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        let package = "python3-prometheus-client";
        return Err(Stop::no_program("prometheus_client of Python", package));
    }
    let mut command = Command::new(PROGRAM);
    command.env_clear();
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--drain-delay",
        "1h",
    ]);
    let mut server = start(&mut command);
    let log = log(&mut server);
    let echo_address = listening_addresses(&mut server.0, 1).unwrap()[0];
    let admin = line(&log, "administration");
    let admin = admin.rsplit_once("address=").unwrap().1.to_owned();
    let mut peer = connect(echo_address);
    echo(&mut peer, b"one line\n");

    let ask = |path: &str, more: &[&str]| {
        let mut command = Command::new(&curl);
        command
            .args(["--silent", "--show-error", "--max-time", "60"])
            .args(more);
        output(command.arg(format!("http://{admin}{path}")))
    };
    let status = |path, more: &[&str]| {
        let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        ask(path, &[&status, more].concat())
    };
    assert_eq!(ask("/healthz", &["--fail"]), "ok\n");
    assert_eq!(ask("/readyz", &["--fail"]), "ready\n");
    assert!(ask("/", &["--fail"]).contains("/metrics"));
    let head = ask("/metrics", &["--head"]);
    assert!(
        head.contains("Content-Type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert_eq!(status("/nothing", &[]), "404");
    assert_eq!(status("/healthz", &["--data", "x=y"]), "405");

    let begin = Instant::now();
    let samples = loop {
        let text = ask("/metrics", &["--fail"]);
        let mut parser = Command::new(&python);
        parser
            .args(["-c", PARSER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut parser = parser.spawn().unwrap();
        parser
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let parsed = parser.wait_with_output().unwrap();
        assert!(parsed.status.success(), "{text}");
        let samples = String::from_utf8(parsed.stdout).unwrap();
        // What an open session did counts when its turn is over.
        if samples.contains("counter linecho_lines_total 1") {
            break samples;
        }
        assert!(begin.elapsed() < PATIENCE, "{samples}");
    };
    for sample in [
        "gauge linecho_connections 1",
        "gauge linecho_ready 1",
        "counter linecho_sessions_opened_total 1",
        "counter linecho_sessions_closed_total peer_closed 0",
        "counter linecho_received_bytes_total 9",
        "counter linecho_accept_pauses_total max_connections 0",
        "counter linecho_dropped_log_lines_total 0",
    ] {
        assert!(samples.lines().any(|line| line == sample), "{samples}");
    }

    terminate(&server);
    line(&log, "about to shut down");
    let begin = Instant::now();
    while status("/readyz", &[]) != "503" {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert_eq!(status("/healthz", &[]), "200");
    Ok(())
}
