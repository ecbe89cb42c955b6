//! Clients of all kinds at once, as chance has it.

use linecho_trials::Stop;

use super::{Id, Plan, Reads, Stage, text};

/// The most that a client of the mixture sends, in bytes.
const LONGEST_TEXT: usize = 8_000;

/// In several waves, clients that send and read in pieces of any size; some go away in the middle.
/// Those that stay get all that is theirs.
pub(super) fn clients_of_all_kinds(stage: &mut Stage) -> Result<(), Stop> {
    for _ in 0..3 {
        let places = stage.facts().connections.min(10);
        let count = stage.rng.usize(1..=places);
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(client(stage)?);
        }
        let (leave, stay) = clients.split_at(stage.rng.usize(0..=count / 2));
        stage.until("those that leave have begun", |stage| {
            leave
                .iter()
                .all(|&id| stage[id].sent() > 0 || stage[id].end().is_some())
        })?;
        for &client in leave {
            stage.reset(client);
        }
        stage.finished(stay)?;
    }
    Ok(())
}

fn client(stage: &mut Stage) -> Result<Id, Stop> {
    let buffer = stage.facts().buffer;
    let rng = &mut stage.rng;
    let (length, longest) = (rng.usize(1..LONGEST_TEXT), rng.usize(2..2 * buffer + 2));
    let mut text = text::lines(rng, length, longest);
    // Half of them lack the last newline.
    text.truncate(text.len() - usize::from(rng.bool()));
    let plan = Plan {
        pieces: rng.usize(1..LONGEST_TEXT),
        reads: if rng.bool() {
            Reads::All
        } else {
            Reads::Pieces(rng.usize(50..LONGEST_TEXT))
        },
        tries_again: true,
        ..Plan::default()
    };
    stage.client(text, plan)
}
