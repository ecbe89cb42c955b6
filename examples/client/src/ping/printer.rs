//! What a ping prints.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use linecho_examples::words::counted;
use linecho_std::{Cause, Endpoint, Outage, PingEvent, PingStats};
use serde_json::{Value, json};

use super::PingOptions;
use crate::Outcome;
use crate::failure::Failure;
use crate::latency;
use crate::output::{self, Output, millis};

#[derive(Clone)]
pub(super) struct Printer {
    pub(super) options: PingOptions,
    pub(super) output: Output,
    pub(super) name: String,
    /// In nanoseconds.
    pub(super) round_trips: Arc<Mutex<Histogram<u64>>>,
}

impl Printer {
    fn histogram(&self) -> MutexGuard<'_, Histogram<u64>> {
        let histogram = self.round_trips.lock();
        histogram.unwrap_or_else(PoisonError::into_inner)
    }

    fn percentile(&self, percent: f64) -> Duration {
        latency::percentile(&self.histogram(), percent)
    }

    pub(super) fn begin(&self) {
        if self.options.csv {
            self.output.line("time_s,seq,bytes,rtt_ms,cause");
        } else if !self.options.quiet {
            self.output.line(&format!(
                "PING {} with lines of {}",
                self.name,
                counted(self.options.size, "byte")
            ));
        }
    }

    pub(super) fn event(&self, event: &PingEvent, peer: Option<&Endpoint>) {
        let time = SystemTime::now();
        if let PingEvent::Reply { round_trip, .. } = event {
            latency::record(&mut self.histogram(), *round_trip);
        }
        if self.options.quiet {
            return;
        }
        self.object(event, peer, time);
        let text = match (event, self.options.csv) {
            (
                PingEvent::Reply {
                    number,
                    bytes,
                    round_trip,
                    ..
                },
                true,
            ) => {
                format!("{},{number},{bytes},{:.6},", unix(time), ms(*round_trip))
            }
            (
                PingEvent::Lost {
                    numbers: Some((first, last)),
                    cause,
                    ..
                },
                true,
            ) => {
                let lines: Vec<_> = (*first..=*last)
                    .map(|number| format!("{},{number},{},,{cause}", unix(time), self.options.size))
                    .collect();
                lines.join("\n")
            }
            (_, true) => return,
            (PingEvent::Connected { peer, took }, _) => {
                format!("connected to {peer} in {:.3} ms", ms(*took))
            }
            (
                PingEvent::Reply {
                    number,
                    bytes,
                    round_trip,
                    backend,
                },
                _,
            ) => {
                let mut from = peer.map_or_else(|| self.name.clone(), ToString::to_string);
                if let Some(backend) = backend {
                    from += &format!(" ({})", backend.name.escape_debug());
                }
                format!(
                    "{} from {from}: seq={number} time={:.3} ms",
                    counted(*bytes as u64, "byte"),
                    ms(*round_trip)
                )
            }
            (
                PingEvent::Lost {
                    numbers,
                    cause,
                    reason,
                },
                _,
            ) => match numbers {
                None => format!("connection lost: {cause}: {reason}"),
                Some((first, last)) if first == last => {
                    format!("lost seq={first}: {cause}: {reason}")
                }
                Some((first, last)) => format!("lost seq={first}-{last}: {cause}: {reason}"),
            },
            (PingEvent::Recovered(outage), _) => {
                format!("service is back after {:.3} s", outage.length.as_secs_f64())
            }
            _ => return,
        };
        match self.options.timestamps && !self.options.csv {
            true => self.output.line(&format!("[{}] {text}", unix(time))),
            false => self.output.line(&text),
        }
    }

    fn object(&self, event: &PingEvent, peer: Option<&Endpoint>, time: SystemTime) {
        let time: Value = json!((since_epoch(time).as_secs_f64() * 1e6).round() / 1e6);
        let (kind, fields) = match event {
            PingEvent::Connected { peer, took } => (
                "connected",
                json!({"time_s": time, "peer": peer.to_string(), "connect_ms": millis(*took)}),
            ),
            PingEvent::Reply {
                number,
                bytes,
                round_trip,
                backend,
            } => (
                "reply",
                json!({
                    "time_s": time, "seq": number, "bytes": bytes, "rtt_ms": millis(*round_trip),
                    "peer": peer.map(ToString::to_string),
                    "backend": backend.as_ref().map(|it| &it.name),
                }),
            ),
            PingEvent::Lost {
                numbers,
                cause,
                reason,
            } => (
                "lost",
                json!({
                    "time_s": time, "seq_first": numbers.map(|it| it.0), "seq_last": numbers.map(|it| it.1),
                    "cause": cause.as_str(), "error": reason,
                }),
            ),
            PingEvent::Recovered(outage) => ("outage", outage_object(outage)),
            _ => return,
        };
        self.output.object(kind, &fields);
    }

    /// The line that SIGQUIT asks for, on stderr as ping(8) prints it.
    pub(super) fn status(&self, stats: &PingStats) {
        let PingStats {
            sent, echoed, lost, ..
        } = stats;
        let round_trips = &stats.round_trips;
        let _ = writeln!(
            io::stderr(),
            "{sent} sent, {echoed} echoed, {lost} lost, rtt min/avg/max = {:.3}/{:.3}/{:.3} ms",
            ms(round_trips.min()),
            ms(round_trips.mean()),
            ms(round_trips.max()),
        );
    }

    pub(super) fn summary(&self, stats: &PingStats) {
        let outages = stats.outages();
        let longest = outages.iter().max_by_key(|outage| outage.length);
        self.output
            .object("summary", &summary_object(self, stats, &outages));
        if self.options.csv {
            return;
        }
        let PingStats {
            sent, echoed, lost, ..
        } = stats;
        let on_the_way = sent - echoed - lost;
        let on_the_way = match on_the_way {
            0 => String::new(),
            n => format!(", {n} on the way"),
        };
        let percent = *lost as f64 * 100.0 / (*sent).max(1) as f64;
        self.output.line(&format!(
            "\n--- {} ---\n{sent} sent, {echoed} echoed, {lost} lost ({percent:.1} %){on_the_way}, \
             {}, {:.3} s",
            self.name,
            counted(stats.connections, "connection"),
            stats.elapsed().as_secs_f64()
        ));
        let it = &stats.round_trips;
        if *echoed > 0 {
            self.output.line(&format!(
                "rtt min/avg/max/mdev = {:.3}/{:.3}/{:.3}/{:.3} ms, p50/p90/p99 = {:.3}/{:.3}/{:.3} ms",
                ms(it.min()), ms(it.mean()), ms(it.max()), ms(it.deviation()),
                ms(self.percentile(50.0)), ms(self.percentile(90.0)), ms(self.percentile(99.0)),
            ));
        }
        for line in output::backend_lines(&stats.backends) {
            self.output.line(&line);
        }
        for (cause, number) in stats.causes.iter().filter(|(_, number)| **number > 0) {
            self.output.line(&format!("{number} lost by {cause}"));
        }
        if let Some(longest) = longest {
            self.output.line(&format!(
                "{}, the longest {:.3} s from {}{}",
                counted(outages.len() as u64, "outage"),
                longest.length.as_secs_f64(),
                humantime::format_rfc3339_millis(longest.began),
                if longest.over { "" } else { ", not over" },
            ));
        }
    }

    /// As ping(8): at least one came back; with a count and a deadline, all of them.
    pub(super) fn verdict(&self, stats: &PingStats) -> Outcome {
        let needed = match (self.options.count, self.options.deadline) {
            (Some(count), Some(_)) => count,
            _ => 1,
        };
        match stats.echoed >= needed {
            true => Ok(()),
            false => Err(Failure::told(main_cause(stats))),
        }
    }
}

fn main_cause(stats: &PingStats) -> Cause {
    let causes = stats.causes.iter().max_by_key(|(_, number)| **number);
    causes.map_or(Cause::Timeout, |(cause, _)| *cause)
}

fn summary_object(printer: &Printer, stats: &PingStats, outages: &[Outage]) -> Value {
    let it = &stats.round_trips;
    let rtt = |time: Duration| match stats.echoed {
        0 => Value::Null,
        _ => millis(time),
    };
    let causes: serde_json::Map<_, _> = stats
        .causes
        .iter()
        .map(|(cause, number)| (cause.as_str().to_owned(), json!(number)))
        .collect();
    let ok = printer.verdict(stats).is_ok();
    json!({
        "ok": ok,
        "cause": if ok { Value::Null } else { main_cause(stats).as_str().into() },
        "sent": stats.sent,
        "echoed": stats.echoed,
        "lost": stats.lost,
        "lost_by_cause": causes,
        "connections": stats.connections,
        "backends": output::backends(&stats.backends),
        "elapsed_ms": millis(stats.elapsed()),
        "rtt_min_ms": rtt(it.min()),
        "rtt_avg_ms": rtt(it.mean()),
        "rtt_max_ms": rtt(it.max()),
        "rtt_mdev_ms": rtt(it.deviation()),
        "rtt_p50_ms": rtt(printer.percentile(50.0)),
        "rtt_p90_ms": rtt(printer.percentile(90.0)),
        "rtt_p99_ms": rtt(printer.percentile(99.0)),
        "outages": outages.iter().map(outage_object).collect::<Vec<_>>(),
        "outage_longest_ms": outages.iter().map(|it| it.length).max().map(millis),
    })
}

fn outage_object(outage: &Outage) -> Value {
    json!({
        "began_s": (since_epoch(outage.began).as_secs_f64() * 1e3).round() / 1e3,
        "length_ms": millis(outage.length),
        "over": outage.over,
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn unix(time: SystemTime) -> String {
    format!("{:.6}", since_epoch(time).as_secs_f64())
}
