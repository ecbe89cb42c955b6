//! A picture of a load: latency over time, and its distribution.

use std::error::Error;
use std::time::Duration;

use hdrhistogram::Histogram;
use plotters::prelude::*;

/// Latencies in parts of the time, at most [`MOST`] of them.
pub(crate) struct Timeline {
    width: Duration,
    parts: Vec<Histogram<u64>>,
}

const MOST: usize = 256;

impl Timeline {
    pub(crate) fn new() -> Self {
        Self {
            width: Duration::from_millis(20),
            parts: Vec::new(),
        }
    }

    pub(crate) fn record(&mut self, at: Duration, latency: Duration) {
        let mut number = self.number(at);
        while number >= MOST {
            self.halve();
            number = self.number(at);
        }
        // Two digits are enough for a picture.
        let empty = || Histogram::new_with_bounds(1_000, 3_600_000_000_000, 2);
        while self.parts.len() <= number {
            self.parts.push(empty().expect("these bounds are right"));
        }
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.parts[number].saturating_record(nanos);
    }

    fn number(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    /// Makes one part of each two.
    fn halve(&mut self) {
        self.width *= 2;
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        while let Some(mut first) = parts.next() {
            if let Some(second) = parts.next() {
                // Both have the same bounds.
                let _ = first.add(second);
            }
            self.parts.push(first);
        }
    }

    /// Seconds and milliseconds of this percentile in each part that has any.
    fn curve(&self, percent: f64) -> Vec<(f64, f64)> {
        let parts = self
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !part.is_empty());
        parts
            .map(|(number, part)| {
                let middle = self.width.as_secs_f64() * (number as f64 + 0.5);
                (middle, part.value_at_percentile(percent) as f64 / 1e6)
            })
            .collect()
    }
}

/// Draws both curves as SVG.
pub(crate) fn svg(
    title: &str,
    timeline: &Timeline,
    all: &Histogram<u64>,
) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (960, 720)).into_drawing_area();
        root.fill(&WHITE)?;
        let root = root.titled(title, ("sans-serif", 22))?;
        let (upper, lower) = root.split_vertically(350);
        over_time(&upper, timeline, all)?;
        distribution(&lower, all)?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The least and the most, in milliseconds, with a little room for the curves.
fn range(all: &Histogram<u64>) -> std::ops::Range<f64> {
    let low = all.value_at_quantile(0.0).max(1_000) as f64 / 1e6;
    let high = all.max().max(2_000) as f64 / 1e6;
    low * 0.8..high * 1.25
}

fn over_time(area: &Area, timeline: &Timeline, all: &Histogram<u64>) -> Result<(), Box<dyn Error>> {
    let end = timeline.width.as_secs_f64() * timeline.parts.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Latency over time", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end, range(all).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("time since the beginning (s)")
        .y_desc("latency (ms)")
        .light_line_style(WHITE)
        .draw()?;
    for (name, percent, color) in [
        ("max", 100.0, RED),
        ("p99", 99.0, MAGENTA),
        ("p50", 50.0, BLUE),
    ] {
        chart
            .draw_series(LineSeries::new(
                timeline.curve(percent),
                color.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(())
}

fn distribution(area: &Area, all: &Histogram<u64>) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption("Distribution", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(range(all).log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("latency (ms)")
        .y_desc("lines that took no longer (%)")
        .light_line_style(WHITE)
        .draw()?;
    let points = all.iter_recorded().map(|value| {
        let millis = value.value_iterated_to().max(1_000) as f64 / 1e6;
        (millis, value.percentile())
    });
    chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency;

    #[test]
    fn a_long_time_has_wider_parts_and_loses_none() {
        let mut timeline = Timeline::new();
        for second in 0..3_000 {
            timeline.record(
                Duration::from_secs(second),
                Duration::from_micros(second + 1),
            );
        }
        assert!(timeline.parts.len() <= MOST);
        let all: u64 = timeline.parts.iter().map(Histogram::len).sum();
        assert_eq!(all, 3_000);
        let curve = timeline.curve(100.0);
        assert!(
            curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
            "{curve:?}"
        );
    }

    #[test]
    fn the_picture_has_axes_units_and_curves() {
        let (mut timeline, mut all) = (Timeline::new(), latency::histogram());
        for i in 1..1_000 {
            let time = Duration::from_micros(i * 10);
            timeline.record(Duration::from_millis(i), time);
            latency::record(&mut all, time);
        }
        let text = svg("LOAD host:7", &timeline, &all).unwrap();
        for part in [
            "LOAD host:7",
            "time since the beginning (s)",
            "latency (ms)",
            "lines that took no longer (%)",
            "p99",
        ] {
            assert!(text.contains(part), "{part}");
        }
        // Three curves over time and their legend, and the distribution.
        assert!(text.matches("<polyline").count() >= 7);
    }
}
