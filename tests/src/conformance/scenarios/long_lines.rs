//! Lines that fit just so, or do not fit.

use linecho_core::Totals;
use linecho_trials::Stop;

use super::{Plan, Stage, text};

pub(super) fn exactly_the_buffer(stage: &mut Stage) -> Result<(), Stop> {
    let buffer = stage.facts().buffer;
    let text = [
        text::line_of("fits ", buffer),
        b"short\n".to_vec(),
        text::line_of("again ", buffer),
    ]
    .concat();
    let client = stage.client(text, Plan::default())?;
    stage.finished(&[client])?;
    overlong_lines_are(stage, 0)
}

pub(super) fn longer_is_flushed(stage: &mut Stage) -> Result<(), Stop> {
    let buffer = stage.facts().buffer;
    let one_more = text::line_of("too long ", buffer + 1);
    let client = stage.client(
        [&one_more[..], b"next\nrest"].concat(),
        Plan {
            half_close: false,
            ..Plan::default()
        },
    )?;
    // The full buffer comes back without its end.
    stage[client].plan.send_up_to = buffer;
    stage.answered(&[client])?;
    stage[client].plan.send_up_to = usize::MAX;
    stage.answered(&[client])?;
    let client = stage.client(
        text::line_of("far too long ", 5 * buffer + 3),
        Plan::default(),
    )?;
    stage.finished(&[client])
}

pub(super) fn longer_is_discarded(stage: &mut Stage) -> Result<(), Stop> {
    let buffer = stage.facts().buffer;
    let text = [
        b"before\n".to_vec(),
        text::line_of("too long ", buffer + 1),
        b"between\n".to_vec(),
        text::line_of("far too long ", 5 * buffer + 3),
        b"after\nrest".to_vec(),
    ]
    .concat();
    let client = stage.client(text, Plan::default())?;
    stage.finished(&[client])?;
    overlong_lines_are(stage, 2)
}

/// The lines before the long one come back. The client goes on to send, and is not reset before it
/// has them.
pub(super) fn longer_closes(stage: &mut Stage) -> Result<(), Stop> {
    let buffer = stage.facts().buffer;
    for length in [buffer + 1, 5 * buffer + 3] {
        let text = [
            b"one\ntwo\n".to_vec(),
            text::line_of("too long ", length),
            b"never back\n".to_vec(),
        ]
        .concat();
        let client = stage.client(
            text,
            Plan {
                half_close: false,
                ..Plan::default()
            },
        )?;
        stage.finished(&[client])?;
    }
    overlong_lines_are(stage, 2)
}

/// Far longer than any buffer, whatever the policy.
pub(super) fn one_mebibyte(stage: &mut Stage) -> Result<(), Stop> {
    const MEBIBYTE: usize = 1 << 20;
    let facts = stage.facts();
    if facts.bulk < MEBIBYTE {
        return Err(Stop::NotApplicable(format!(
            "{} bytes are the most that this link is made to carry",
            facts.bulk
        )));
    }
    let text = [
        b"before\n".to_vec(),
        text::line_of("far too long ", MEBIBYTE),
        b"after\nrest".to_vec(),
    ]
    .concat();
    // Where the server closes, it need not take in all of the mebibyte first.
    let plan = Plan {
        may_break: true,
        ..Plan::default()
    };
    let client = stage.client(text, plan)?;
    stage.until("everything comes back", |stage| {
        stage[client].is_all_back() && stage[client].end().is_some()
    })?;
    overlong_lines_are(stage, 1)
}

pub(super) fn discard_finds_the_next_line(stage: &mut Stage) -> Result<(), Stop> {
    let buffer = stage.facts().buffer;
    let mut text = Vec::new();
    for line in 0..20 {
        let around_the_buffer = stage.rng.usize(buffer.saturating_sub(3).max(1)..buffer + 4);
        let length = if stage.rng.bool() {
            around_the_buffer
        } else {
            stage.rng.usize(1..3 * buffer)
        };
        text.extend(text::line_of(&format!("line {line} "), length));
    }
    let pieces = Plan {
        pieces: 2 * buffer,
        ..Plan::default()
    };
    let client = stage.client(text, pieces)?;
    stage.finished(&[client])
}

/// The totals tell of each long line once, where they can be read.
fn overlong_lines_are(stage: &mut Stage, overlong: u64) -> Result<(), Stop> {
    match stage.totals() {
        Err(_) => Ok(()),
        Ok(_) => stage.counted("the long lines are counted", |totals: &Totals| {
            totals.counters.overlong == overlong
        }),
    }
}
