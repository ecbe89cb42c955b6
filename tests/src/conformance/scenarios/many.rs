//! Many clients: none delays another, whatever it does.

use linecho_trials::Stop;

use super::{Id, Plan, Reads, Stage, text};

/// Waits until all of `clients` are connected.
fn connected(stage: &mut Stage, clients: &[Id]) -> Result<(), Stop> {
    stage.until("all are connected", |stage| {
        clients.iter().all(|&id| stage[id].is_connected())
    })
}

/// A client that does nothing until it is told to.
fn silent() -> Plan {
    Plan {
        send_up_to: 0,
        half_close: false,
        ..Plan::default()
    }
}

/// Says why a server with few places cannot play this.
fn at_least(stage: &Stage, connections: usize) -> Result<(), Stop> {
    let places = stage.facts().connections;
    if places < connections {
        return Err(Stop::NotApplicable(format!(
            "it serves {places} at a time, and this takes {connections}"
        )));
    }
    Ok(())
}

pub(super) fn one_after_another(stage: &mut Stage) -> Result<(), Stop> {
    for number in 0..50 {
        let text = format!("connection {number}\nand its rest");
        let client = stage.client(
            text.into_bytes(),
            Plan {
                tries_again: true,
                ..Plan::default()
            },
        )?;
        stage.finished(&[client])?;
        stage.close(client);
    }
    Ok(())
}

pub(super) fn all_at_once(stage: &mut Stage) -> Result<(), Stop> {
    let mut clients = Vec::new();
    for _ in 0..stage.facts().connections.min(50) {
        let text = text::lines(&mut stage.rng, 500, 60);
        clients.push(stage.client(
            text,
            Plan {
                pieces: 100,
                tries_again: true,
                ..Plan::default()
            },
        )?);
    }
    stage.finished(&clients)
}

/// Half of the clients go away in the middle of a line; the others go on.
pub(super) fn reset_in_the_middle(stage: &mut Stage) -> Result<(), Stop> {
    at_least(stage, 2)?;
    let places = stage.facts().connections.min(10);
    let mut clients = Vec::new();
    for number in 0..places {
        let text = format!("client {number}\nhas begun a line\n");
        let begins = Plan {
            send_up_to: text.len() - 4,
            half_close: false,
            ..Plan::default()
        };
        clients.push(stage.client(text.into_bytes(), begins)?);
    }
    stage.answered(&clients)?;
    let (leave, stay) = clients.split_at(places / 2);
    for &client in leave {
        stage.reset(client);
    }
    for &client in stay {
        stage[client].plan.send_up_to = usize::MAX;
        stage[client].plan.half_close = true;
    }
    stage.finished(stay)?;
    if stage.totals().is_ok() {
        let resets = leave.len() as u64;
        stage.counted("the resets are counted", |totals| totals.reset == resets)?;
    }
    // Their places are free again.
    for _ in leave {
        let client = stage.client(
            *b"after the resets\n",
            Plan {
                tries_again: true,
                ..Plan::default()
            },
        )?;
        stage.finished(&[client])?;
    }
    Ok(())
}

pub(super) fn slow_reader_beside_fast_clients(stage: &mut Stage) -> Result<(), Stop> {
    at_least(stage, 2)?;
    // Far more than fits on the way back, so that its session stands still.
    let slow = Plan {
        reads: Reads::OneByteEvery(stage.pace() / 50),
        half_close: false,
        ..Plan::default()
    };
    let more_than_fits = stage.facts().in_transit + 20_000;
    let slow = stage.client(text::numbered(more_than_fits), slow)?;
    stage.until("the slow reader has begun", |stage| {
        stage[slow].returned() > 0
    })?;
    for _ in 0..3 {
        let mut fast = Vec::new();
        for _ in 0..stage.facts().connections.min(5) - 1 {
            let length = stage.facts().bulk.min(20_000);
            let text = text::lines(&mut stage.rng, length, 60);
            fast.push(stage.client(
                text,
                Plan {
                    tries_again: true,
                    ..Plan::default()
                },
            )?);
        }
        stage.finished(&fast)?;
    }
    if stage[slow].is_answered() {
        return Err(Stop::Failed(
            "the slow reader was not slow: this proves nothing".into(),
        ));
    }
    Ok(())
}

pub(super) fn silent_clients_beside_a_working_one(stage: &mut Stage) -> Result<(), Stop> {
    at_least(stage, 2)?;
    let mut clients = Vec::new();
    for _ in 0..(stage.facts().connections - 1).min(500) {
        clients.push(stage.client(*b"hello after all\n", silent())?);
    }
    connected(stage, &clients)?;
    let length = stage.facts().bulk.min(20_000);
    let text = text::lines(&mut stage.rng, length, 60);
    let working = stage.client(text, Plan::default())?;
    stage.finished(&[working])?;
    for &client in &clients {
        stage[client].plan.send_up_to = usize::MAX;
        stage[client].plan.half_close = true;
    }
    stage.finished(&clients)
}

/// Those who come late are served when others have left.
pub(super) fn more_clients_than_places(stage: &mut Stage) -> Result<(), Stop> {
    let places = stage.facts().connections;
    if places > 100 {
        return Err(Stop::NotApplicable(format!(
            "it serves {places} at a time, too many to fill its places here"
        )));
    }
    let hello = Plan {
        half_close: false,
        tries_again: true,
        ..Plan::default()
    };
    let mut early = Vec::new();
    for number in 0..places {
        early.push(stage.client(format!("early {number}\n").into_bytes(), hello.clone())?);
    }
    stage.answered(&early)?;
    let mut late = Vec::new();
    for number in 0..places + 1 {
        late.push(stage.client(format!("late {number}\n").into_bytes(), hello.clone())?);
    }
    stage.pass(stage.pace())?;
    if let Some(&served) = late.iter().find(|&&id| stage[id].returned() > 0) {
        return Err(Stop::Failed(format!(
            "{} was served, but all places were taken",
            stage[served]
        )));
    }
    for &client in early.iter().chain(&late) {
        stage[client].plan.half_close = true;
    }
    stage.finished(&early)?;
    stage.finished(&late)
}
