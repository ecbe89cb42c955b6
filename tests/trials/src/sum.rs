//! The sum of what a run of `cargo test` has skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use crate::record::{self, Skipped};

/// All tests that a run of `cargo test` has skipped.
#[derive(Debug)]
pub struct Sum(Vec<Skipped>);

impl Sum {
    /// Sums up what the test programs before this one have recorded, and forgets it.
    ///
    /// # Errors
    ///
    /// When the records cannot be read.
    pub fn take() -> io::Result<Self> {
        record::take().map(Self)
    }
}

/// One list: each thing that is lacking, the command that mends it, and how many tests of which
/// programs need it.
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests = |count: usize| format!("{count} test{}", if count == 1 { "" } else { "s" });
        if self.0.is_empty() {
            return write!(
                f,
                "No test was skipped: this machine has all that they need."
            );
        }
        let mut lacking = BTreeMap::<(&str, &str), BTreeMap<&str, usize>>::new();
        for skipped in &self.0 {
            let programs = lacking.entry((&skipped.why, &skipped.enable)).or_default();
            *programs.entry(&skipped.program).or_default() += 1;
        }
        write!(
            f,
            "{} skipped for what this machine lacks:",
            tests(self.0.len())
        )?;
        for ((why, enable), programs) in lacking {
            write!(f, "\n- {why}")?;
            for (program, count) in programs {
                write!(f, "\n    {} of {program}", tests(count))?;
            }
            write!(f, "\n    to run them: {enable}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(program: &str, why: &str) -> Skipped {
        Skipped {
            program: program.into(),
            test: "a_test".into(),
            why: why.into(),
            enable: format!("mend {why}"),
        }
    }

    #[test]
    fn each_lack_is_named_once_with_all_who_need_it() {
        let sum = Sum(vec![
            skipped("echo_tap", "no TAP"),
            skipped("firmware", "no QEMU"),
            skipped("echo_tap", "no TAP"),
            skipped("devices", "no TAP"),
        ]);
        assert_eq!(
            sum.to_string(),
            "4 tests skipped for what this machine lacks:\n\
             - no QEMU\n    1 test of firmware\n    to run them: mend no QEMU\n\
             - no TAP\n    1 test of devices\n    2 tests of echo_tap\n    to run them: mend no TAP"
        );
    }

    #[test]
    fn a_whole_machine_is_told_so() {
        let text = Sum(Vec::new()).to_string();
        assert!(text.starts_with("No test was skipped"), "{text}");
    }
}
