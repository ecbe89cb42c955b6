//! Every scenario over linecho-smoltcp on a link in memory: a clean one, and one that loses, doubles, reorders and
//! damages a fifth of the frames, in virtual time; with either listener. Then 1,000 seeds of clients of all kinds on the
//! bad one.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use linecho_tests::conformance::reach::link::Link;
use linecho_tests::conformance::{self, soak};

fn main() -> ExitCode {
    let mut trials = conformance::trials(vec![
        Arc::new(Link::clean()),
        Arc::new(Link::faulty(200)),
        Arc::new(Link::clean().hashed("hashed_clean")),
        Arc::new(Link::faulty(200).hashed("hashed_faulty")),
    ]);
    for link in [Link::faulty(200), Link::faulty(200).hashed("hashed_faulty")] {
        let name = format!("{}::thousand_seeds", link.name);
        trials.push(Trial::test(name, move || thousand_seeds(&link)));
    }
    conformance::conclude(trials)
}

fn thousand_seeds(link: &Link) -> Result<(), Failed> {
    let outcome = soak::run(link, 1, 1000, |_, _| {});
    let Some((seed, why)) = outcome.failures.first() else {
        return Ok(());
    };
    let hashed = if link.hashed { " --hashed" } else { "" };
    let replay =
        format!("cargo run --release -p linecho-tests --bin soak -- --seed {seed}{hashed}");
    let count = outcome.failures.len();
    Err(format!("{count} seeds failed, the first is {seed}: {why}\nreplay: {replay}").into())
}
