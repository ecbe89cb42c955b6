//! Clients that stand still.

use linecho_trials::Stop;

use super::{Id, Plan, Reads, Stage, text};

/// A client that is silent is closed when its time is up, and not before.
pub(super) fn idle(stage: &mut Stage) -> Result<(), Stop> {
    let silent = Plan {
        half_close: false,
        may_break: true,
        ..Plan::default()
    };
    let began = stage.now();
    let mut clients = vec![stage.client(*b"hello\nunfinished", silent.clone())?];
    if stage.facts().sees_silent {
        clients.push(stage.client(*b"", silent)?);
    }
    stage.ended(&clients)?;
    not_before(stage, began)?;
    if stage.totals().is_ok() {
        let count = clients.len() as u64;
        stage.counted("all ended as idle", |totals| {
            totals.idle == count && totals.closed() == count
        })?;
    }
    Ok(())
}

/// A client whose lines come and go stays for longer than the timeout.
pub(super) fn progress_moves_the_deadline(stage: &mut Stage) -> Result<(), Stop> {
    const LINE: &[u8] = b"still here\n";
    let began = stage.now();
    let slow = Plan {
        send_up_to: 0,
        ..Plan::default()
    };
    // Enough for two timeouts.
    let client = stage.client(LINE.repeat(2 * STEPS), slow)?;
    in_steps(stage, client, LINE.len(), "all lines come back", |stage| {
        stage[client].is_finished()
    })?;
    not_before(stage, began)
}

/// A client that sends bytes of one endless line, so few that they fit, makes no progress.
pub(super) fn unfinished_line_is_no_progress(stage: &mut Stage) -> Result<(), Stop> {
    let unfinished = text::line_of("never finished ", stage.facts().buffer);
    let slow = Plan {
        half_close: false,
        may_break: true,
        send_up_to: 0,
        ..Plan::default()
    };
    let began = stage.now();
    let client = stage.client(&unfinished[..unfinished.len() - 1], slow)?;
    in_steps(
        stage,
        client,
        1,
        "the server ends the connection",
        |stage| stage[client].has_ended(),
    )?;
    not_before(stage, began)?;
    if stage[client].sent() == unfinished.len() - 1 {
        return Err(Stop::Failed(
            "the line was sent before the server closed: the deadline was moved".into(),
        ));
    }
    if stage.totals().is_ok() {
        stage.counted("it ended as idle", |totals| {
            totals.idle == 1 && totals.closed() == 1
        })?;
    }
    Ok(())
}

/// A client that sends and never reads is given up when nothing has gone back for the time.
pub(super) fn write_stall(stage: &mut Stage) -> Result<(), Stop> {
    let never_reads = Plan {
        reads: Reads::Nothing,
        half_close: false,
        may_break: true,
        ..Plan::default()
    };
    let began = stage.now();
    let more_than_fits = stage.facts().in_transit + 20_000;
    let stalled = stage.client(text::numbered(more_than_fits), never_reads)?;
    let others_go_on = stage.client(
        *b"in between\n",
        Plan {
            half_close: false,
            ..Plan::default()
        },
    )?;
    stage.answered(&[others_go_on])?;
    stage.until("the stalled client is given up", |stage| {
        match stage.totals() {
            Ok(totals) => totals.write_stalled == 1,
            Err(_) => stage[stalled].has_ended(),
        }
    })?;
    not_before(stage, began)
}

/// The number of steps in a timeout: if each moved the deadline, or none, that would show.
const STEPS: usize = 10;

/// Has `client` send `step` bytes more in each step, until `condition`, which is called `what`.
fn in_steps(
    stage: &mut Stage,
    client: Id,
    step: usize,
    what: &str,
    condition: impl Fn(&Stage) -> bool,
) -> Result<(), Stop> {
    let (pause, mut next) = (stage.pace() * 2 / STEPS as u32, stage.now());
    stage.until(what, |stage| {
        if stage.now() >= next {
            next = stage.now() + pause;
            stage[client].plan.send_up_to += step;
        }
        condition(stage)
    })
}

/// The timeouts here are twice the pace.
fn not_before(stage: &Stage, began: std::time::Duration) -> Result<(), Stop> {
    let passed = stage.now() - began;
    if passed < stage.pace() * 2 {
        return Err(Stop::Failed(format!(
            "given up after {passed:.2?}, before the deadline"
        )));
    }
    Ok(())
}
