//! 100 seeds of clients of all kinds on a link that loses, doubles, reorders and damages a fifth of
//! the frames. The gate plays 1,000 (`soak link`), optimised.

use linecho_tests::conformance::reach::link::Link;
use linecho_tests::conformance::soak;
use linecho_trials::{Stop, Trial, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let links = [Link::faulty(200), Link::faulty(200).hashed("hashed_faulty")];
    let trial = |link: Link| {
        let name = format!("{}::hundred_seeds", link.name);
        trial(name, move || hundred_seeds(&link))
    };
    links.map(trial).into()
}

fn hundred_seeds(link: &Link) -> Result<(), Stop> {
    let outcome = soak::run(link, 1, 100, |_, _| {});
    let Some((seed, why)) = outcome.failures.first() else {
        return Ok(());
    };
    let hashed = if link.hashed { " --hashed" } else { "" };
    let replay =
        format!("cargo run --release -p linecho-tests --bin soak -- link --seed {seed}{hashed}");
    let count = outcome.failures.len();
    Err(Stop::Failed(format!(
        "{count} seeds failed, the first is {seed}: {why}\nreplay: {replay}"
    )))
}
