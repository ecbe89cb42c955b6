//! A picture of a load: latency over time, and its distribution.

use std::error::Error;
use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Latencies by the time at which lines were due, in parts of it, at most [`MOST`] of them.
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

/// The size of the picture, in pixels.
const SIZE: (u32, u32) = (960, 760);
/// The height of the titles.
const HEAD: u32 = 64;
/// The room for a legend at the right.
const LEGEND: u32 = 150;

// Colours that people with any kind of colour vision tell apart, and that differ in brightness.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const GREY: RGBColor = RGBColor(90, 90, 90);

/// The percentiles with names.
const MARKS: [(&str, f64, RGBColor); 5] = [
    ("max", 100.0, GREY),
    ("p99.9", 99.9, PURPLE),
    ("p99", 99.0, ORANGE),
    ("p90", 90.0, GREEN),
    ("p50", 50.0, BLUE),
];

/// The words above the curves.
pub(crate) struct Titles {
    pub(crate) title: String,
    pub(crate) details: String,
}

/// Draws both curves as SVG.
pub(crate) fn svg(
    titles: &Titles,
    timeline: &Timeline,
    all: &Histogram<u64>,
) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, curves) = root.split_vertically(HEAD);
        let centre = |size| {
            let style = TextStyle::from(("sans-serif", size).into_font());
            style.pos(Pos::new(HPos::Center, VPos::Top))
        };
        let middle = SIZE.0.cast_signed() / 2;
        head.draw_text(&titles.title, &centre(22), (middle, 10))?;
        head.draw_text(&titles.details, &centre(14), (middle, 40))?;
        let (upper, lower) = curves.split_vertically((SIZE.1 - HEAD) / 2);
        over_time(&upper, timeline, all)?;
        distribution(&lower, all)?;
        root.present()?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Returns the whole decades, in milliseconds, that the latencies lie in.
fn range(all: &Histogram<u64>) -> Range<f64> {
    let low = millis(all.min()).log10().floor();
    let high = millis(all.max()).log10().ceil().max(low + 1.0);
    // A little more, so that rounding takes no label from the ends.
    10_f64.powf(low) * 0.9999..10_f64.powf(high) * 1.0001
}

/// A number of nanoseconds as milliseconds, at least the microsecond that histograms begin with.
fn millis(nanos: u64) -> f64 {
    nanos.max(1_000) as f64 / 1e6
}

/// A number with as many digits as it needs.
fn short(number: &f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn over_time(area: &Area, timeline: &Timeline, all: &Histogram<u64>) -> Result<(), Box<dyn Error>> {
    let end = timeline.width.as_secs_f64() * timeline.parts.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Latency over time", ("sans-serif", 18))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end, range(all).log_scale())?;
    chart
        .configure_mesh()
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .x_desc("when a line was due, since the beginning (s)")
        .y_desc("latency (ms)")
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .light_line_style(BLACK.mix(0.06))
        .draw()?;
    let curves = MARKS.map(|(name, percent, color)| match name {
        "max" => Some((name, percent, color.stroke_width(1))),
        "p99" | "p50" => Some((name, percent, color.stroke_width(2))),
        // More than three curves would hide one another.
        _ => None,
    });
    let curves: Vec<_> = curves.into_iter().flatten().collect();
    for &(_, percent, style) in &curves {
        let points = timeline.curve(percent);
        // A few points make no line that can be seen.
        if points.len() < 32 {
            let dots = points.iter().map(|&at| Circle::new(at, 3, style.filled()));
            chart.draw_series(dots)?;
        }
        chart.draw_series(LineSeries::new(points, style))?;
    }
    let rows = curves
        .iter()
        .map(|(name, _, style)| ((*name).into(), *style));
    legend(area, rows)
}

fn distribution(area: &Area, all: &Histogram<u64>) -> Result<(), Box<dyn Error>> {
    let range = range(all);
    let mut chart = ChartBuilder::on(area)
        .caption("Distribution", ("sans-serif", 18))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(range.clone().log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .x_desc("latency (ms)")
        .y_desc("lines that took no longer (%)")
        .x_label_formatter(&short)
        .y_label_formatter(&short)
        .light_line_style(BLACK.mix(0.06))
        .draw()?;
    let mut below = 0.0;
    let steps = all.iter_recorded().flat_map(|step| {
        let at = millis(step.value_iterated_to());
        let from = std::mem::replace(&mut below, step.percentile());
        [(at, from), (at, below)]
    });
    chart.draw_series(LineSeries::new(steps, BLACK.stroke_width(2)))?;
    let marks = MARKS.map(|(name, percent, color)| {
        let at = millis(all.value_at_percentile(percent)).min(range.end);
        (name, percent, at, color)
    });
    for (_, percent, at, color) in marks {
        let style = color.stroke_width(2);
        chart.draw_series(DashedLineSeries::new(
            [(at, 0.0), (at, percent)],
            5,
            4,
            style,
        ))?;
        chart.draw_series([Circle::new((at, percent), 4, color.filled())])?;
    }
    let rows = marks.iter().map(|(name, _, at, color)| {
        let text = format!("{name}  {at:.3} ms");
        (text, color.stroke_width(2))
    });
    legend(area, rows)
}

/// Draws a row for each line, at the right of its chart, where it hides nothing.
fn legend(
    area: &Area,
    rows: impl Iterator<Item = (String, ShapeStyle)>,
) -> Result<(), Box<dyn Error>> {
    let left = (SIZE.0 - LEGEND).cast_signed() + 8;
    let font = TextStyle::from(("sans-serif", 13).into_font());
    let font = font.pos(Pos::new(HPos::Left, VPos::Center));
    for (number, (text, style)) in (0..).zip(rows) {
        let y = 50 + 22 * number;
        area.draw(&PathElement::new([(left, y), (left + 18, y)], style))?;
        area.draw_text(&text, &font, (left + 24, y))?;
    }
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
        let titles = Titles {
            title: "load host:7".into(),
            details: "50 connections".into(),
        };
        let text = svg(&titles, &timeline, &all).unwrap();
        for part in [
            "load host:7",
            "50 connections",
            "since the beginning (s)",
            "latency (ms)",
            "lines that took no longer (%)",
            "p99.9",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn an_axis_spans_whole_decades() {
        let mut all = latency::histogram();
        latency::record(&mut all, Duration::from_micros(120));
        let decades = |all: &Histogram<u64>| {
            let range = range(all);
            [range.start, range.end].map(|it| it.log10().round())
        };
        assert_eq!(decades(&all), [-1.0, 0.0]);
        latency::record(&mut all, Duration::from_millis(700));
        assert_eq!(decades(&all), [-1.0, 3.0]);
    }
}
