//! The figures of all servers over all rounds, and what is made of them: medians, and ratios to the
//! control.

use std::collections::BTreeMap;

use super::metric::Metric;
use super::workloads::{Figure, Workload};
use crate::bench::estimate::Estimate;

/// The figures of all rounds: for each server, of each metric under each workload, in the order of
/// the rounds. Servers are numbered.
#[derive(Default)]
pub struct Figures(BTreeMap<(usize, Metric, Workload), Vec<f64>>);

impl Figures {
    /// Adds what `server` reached in its next round.
    pub fn add(&mut self, server: usize, (metric, workload, value): Figure) {
        let rounds = self.0.entry((server, metric, workload)).or_default();
        rounds.push(value);
    }

    /// The figures of `server`, if it was asked.
    #[must_use]
    pub fn estimate(&self, server: usize, metric: Metric, workload: Workload) -> Option<Estimate> {
        Some(Estimate::of(self.0.get(&(server, metric, workload))?))
    }

    /// The ratio of what `server` reached to what the `controls` reached on average in the same
    /// round.
    #[must_use]
    pub fn ratio(
        &self,
        server: usize,
        controls: &[usize],
        metric: Metric,
        workload: Workload,
    ) -> Option<Estimate> {
        let reached = self.0.get(&(server, metric, workload))?;
        let controls = controls
            .iter()
            .map(|&control| self.0.get(&(control, metric, workload)))
            .collect::<Option<Vec<_>>>()
            .filter(|controls| !controls.is_empty())?;
        let ratios = reached.iter().enumerate().map(|(round, value)| {
            let sum: f64 = controls.iter().map(|rounds| rounds[round]).sum();
            value / (sum / controls.len() as f64)
        });
        Some(Estimate::of(&ratios.collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Metric, Workload};

    #[test]
    fn ratios_are_taken_within_a_round() {
        const OF: (Metric, Workload) = (Metric::LinesPerSecond, Workload::One);
        let mut figures = Figures::default();
        for (factor, ours) in [(1.0, 5.0), (10.0, 8.0), (100.0, 2.0)] {
            for (server, value) in [9.0, 11.0, ours].into_iter().enumerate() {
                figures.add(server, (OF.0, OF.1, value * factor));
            }
        }
        let ratio = figures.ratio(2, &[0, 1], OF.0, OF.1).unwrap();
        for (is, expected) in [(ratio.low, 0.2), (ratio.median, 0.5), (ratio.high, 0.8)] {
            assert!((is - expected).abs() < 1e-9, "{is}");
        }
        assert!(figures.ratio(2, &[], OF.0, OF.1).is_none());
        assert!(figures.estimate(2, Metric::P50, Workload::One).is_none());
    }
}
