//! Every scenario over linecho-smoltcp on a link in memory: a clean one, and one that loses, doubles, reorders and
//! damages a fifth of the frames, in virtual time. Then 1,000 seeds of clients of all kinds on the bad one.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use linecho_tests::reach::link::Link;
use linecho_tests::{conformance, soak};

fn main() -> ExitCode {
    let mut trials =
        conformance::trials(vec![Arc::new(Link::clean()), Arc::new(Link::faulty(200))]);
    trials.push(Trial::test("link_faulty::thousand_seeds", || {
        let outcome = soak::run(&Link::faulty(200), 1, 1000, |_, _| {});
        match outcome.failures.first() {
            None => Ok(()),
            Some((seed, why)) => {
                let replay =
                    format!("cargo run --release -p linecho-tests --bin soak -- --seed {seed}");
                let count = outcome.failures.len();
                Err(
                    format!("{count} seeds failed, the first is {seed}: {why}\nreplay: {replay}")
                        .into(),
                )
            }
        }
    }));
    conformance::conclude(trials)
}
