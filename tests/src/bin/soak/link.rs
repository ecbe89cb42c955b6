//! Many seeds on a link with faults, in virtual time.

use std::path::PathBuf;
use std::time::Instant;

use linecho_tests::bench::estimate::Estimate;
use linecho_tests::bench::report::{Bound, Limit, Report, Row, Section};
use linecho_tests::conformance::reach::link::Link;
use linecho_tests::conformance::soak;

/// Plays many seeds on a link with faults, and fails when a byte was lost or invented.
///
/// For each seed, clients of all kinds talk to the listener of linecho-smoltcp over a link in
/// memory that loses, doubles, reorders and damages frames, in virtual time: with long lines
/// flushed, discarded and refused. Sizes of buffers, texts and what happens to each frame follow
/// from the seed, so that `soak link --seed 17` plays seed 17 again. Exits 1 when a byte was lost
/// or invented, a connection broke or hung, or a session did not end for exactly one reason.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Number of seeds to play
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first: u64,

    /// Play this seed alone
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,

    /// Of 100 frames, so many are lost
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    loss: u16,

    /// Of 100 frames, so many arrive twice
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    duplicate: u16,

    /// Of 100 frames, so many are held back until later ones have overtaken them
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    reorder: u16,

    /// Of 100 frames, so many arrive with a bit flipped
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    corrupt: u16,

    /// Serve with a `HashedListener`, in place of a `Listener`
    #[arg(long)]
    hashed: bool,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// With more than half of the frames gone, TCP gives up in good faith.
fn percent() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(0..=40)
}

pub(crate) fn soak(arguments: &Arguments) -> Report {
    let mut link = Link::faulty(0);
    link.faults.loss_permille = arguments.loss * 10;
    link.faults.duplicate_permille = arguments.duplicate * 10;
    link.faults.reorder_permille = arguments.reorder * 10;
    link.faults.corrupt_permille = arguments.corrupt * 10;
    if arguments.hashed {
        link = link.hashed("hashed_faulty");
    }
    let hashed = if arguments.hashed { " --hashed" } else { "" };
    let (first, count) = arguments
        .seed
        .map_or((arguments.first, arguments.seeds), |seed| (seed, 1));

    let began = Instant::now();
    let outcome = soak::run(&link, first, count, |seed, why| {
        let Arguments {
            loss,
            duplicate,
            reorder,
            corrupt,
            ..
        } = arguments;
        eprintln!("seed {seed}: {why}");
        eprintln!(
            "  replay: cargo run --release -p linecho-tests --bin soak -- link --seed {seed} --loss {loss} \
             --duplicate {duplicate} --reorder {reorder} --corrupt {corrupt}{hashed}"
        );
    });
    let frames = outcome.frames;
    let failed = outcome.failures.len() as f64;
    Report {
        sections: vec![Section::totals(
            format!(
                "seeds {first} to {}",
                first.saturating_add(count.saturating_sub(1))
            ),
            vec![
                Row::total("seeds", "seeds", outcome.seeds as f64),
                Row::total("connections", "connections", frames.connections as f64),
                Row::total("bytes", "bytes echoed and checked", frames.bytes as f64),
                Row::total("sent", "frames sent", frames.sent as f64),
                Row::total("lost", "lost", frames.lost as f64),
                Row::total("duplicated", "doubled", frames.duplicated as f64),
                Row::total("reordered", "held back", frames.held_back as f64),
                Row::total("corrupted", "damaged", frames.corrupted as f64),
                Row::total(
                    "hours",
                    "hours of virtual time",
                    frames.virtual_seconds / 3600.0,
                ),
                Row::total("seconds", "seconds it took", began.elapsed().as_secs_f64()),
                Row::total("failed", "seeds that failed", failed),
            ],
        )],
        bounds: vec![Bound {
            what: "seeds with a byte lost or invented, a connection broken or hung".into(),
            reached: Estimate::exact(failed),
            limit: Limit::AtMost(0.0),
        }],
    }
}
