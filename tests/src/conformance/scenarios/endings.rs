//! The ends of sessions.

use linecho_trials::Stop;

use super::{Id, Plan, Reads, Stage, text};

fn stays() -> Plan {
    Plan {
        half_close: false,
        ..Plan::default()
    }
}

/// Everything that has arrived when the server shuts down goes back, the unfinished rest too; then
/// the server closes.
pub(super) fn shutdown_drains(stage: &mut Stage) -> Result<(), Stop> {
    let mut clients = Vec::new();
    for number in 0..stage.facts().connections.min(10) {
        let text = format!("client {number}\nand its rest");
        clients.push(stage.client(text.into_bytes(), stays())?);
    }
    stage.answered(&clients)?;
    // The rest came in one piece with the line, which has come back.
    stage.shut_down()?;
    stage.finished(&clients)?;
    stage.is_down()?;
    let count = clients.len() as u64;
    if stage.totals().is_ok() {
        stage.counted("all ended by the shutdown", |totals| {
            totals.shutdown == count && totals.closed() == count
        })?;
    }
    Ok(())
}

/// Clients that have not read yet when the server shuts down: what it took in before still comes
/// back.
pub(super) fn shutdown_loses_nothing_that_was_taken(stage: &mut Stage) -> Result<(), Stop> {
    let mut clients: Vec<Id> = Vec::new();
    let length = stage.facts().in_transit.min(100_000) / 4;
    for _ in 0..stage.facts().connections.min(3) {
        let text = text::lines(&mut stage.rng, length, 60);
        clients.push(stage.client(
            text,
            Plan {
                reads: Reads::Nothing,
                may_break: true,
                ..stays()
            },
        )?);
    }
    stage.sent_what_goes(&clients)?;
    if !stage.facts().sees_silent {
        // The network took in what was sent; the server may not have heard of anybody yet.
        let all = clients.len() as u64;
        stage.counted("the server accepts all", |totals| totals.opened == all)?;
    }
    stage.shut_down()?;
    for &client in &clients {
        stage[client].plan.reads = Reads::All;
    }
    stage.ended(&clients)?;
    stage.is_down()?;
    let Ok(totals) = stage.totals() else {
        return Ok(());
    };
    let returned: usize = clients.iter().map(|&id| stage[id].returned()).sum();
    if totals.counters.bytes_in != returned as u64 {
        let taken = totals.counters.bytes_in;
        return Err(Stop::Failed(format!(
            "the server took {taken} bytes, and {returned} came back"
        )));
    }
    Ok(())
}

/// Several reasons in one run, each session counted once.
pub(super) fn each_session_ends_for_one_reason(stage: &mut Stage) -> Result<(), Stop> {
    stage.totals()?;
    let too_long = [
        b"fits\n".to_vec(),
        text::line_of("too long ", stage.facts().buffer + 1),
    ]
    .concat();
    let places = stage.facts().connections;
    for round in 1..=3 {
        let closes = stage.client(*b"done\n", Plan::default())?;
        stage.finished(&[closes])?;
        let goes_away = stage.client(*b"hello\nunfinished", stays())?;
        stage.answered(&[goes_away])?;
        stage.reset(goes_away);
        // A place must be free again before the next client comes, where there is only one.
        stage.counted("the reset is counted", |totals| totals.reset == round)?;
        let is_too_long = stage.client(too_long.clone(), stays())?;
        stage.finished(&[is_too_long])?;
        stage.close(is_too_long);
    }
    let stay = places.min(2) as u64;
    for _ in 0..stay {
        let client = stage.client(
            *b"still here\n",
            Plan {
                tries_again: true,
                ..stays()
            },
        )?;
        stage.answered(&[client])?;
    }
    stage.shut_down()?;
    stage.is_down()?;
    stage.counted("each is counted once", |totals| {
        (
            totals.peer_closed,
            totals.reset,
            totals.line_too_long,
            totals.shutdown,
        ) == (3, 3, 3, stay)
            && (totals.idle, totals.write_stalled) == (0, 0)
            && totals.opened == totals.closed()
    })
}
