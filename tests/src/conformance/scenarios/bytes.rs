//! One client: what comes back, and when.

use linecho_trials::Stop;

use super::{Plan, Stage, text};

/// A client that stays connected when it has sent its text.
fn stays() -> Plan {
    Plan {
        half_close: false,
        ..Plan::default()
    }
}

pub(super) fn any_bytes_in_any_pieces(stage: &mut Stage) -> Result<(), Stop> {
    let length = stage.facts().bulk.min(16 * 1024);
    let longest = stage.facts().buffer + 20;
    let text = text::lines(&mut stage.rng, length, longest.min(1000));
    let pieces = Plan {
        pieces: 300,
        reads: super::Reads::Pieces(200),
        ..Plan::default()
    };
    let client = stage.client(text, pieces)?;
    stage.finished(&[client])
}

pub(super) fn one_byte_at_a_time(stage: &mut Stage) -> Result<(), Stop> {
    let text = text::lines(&mut stage.rng, 300, 40);
    let single = Plan {
        pieces: 1,
        ..Plan::default()
    };
    let client = stage.client(text, single)?;
    stage.finished(&[client])
}

pub(super) fn empty_lines(stage: &mut Stage) -> Result<(), Stop> {
    let only_newlines = stage.client(*b"\n\n\n\n\n\n\n\n\n\n", Plan::default())?;
    stage.finished(&[only_newlines])?;
    let many = stage.client(vec![b'\n'; 2000], Plan::default())?;
    stage.finished(&[many])
}

pub(super) fn crlf_split_over_writes(stage: &mut Stage) -> Result<(), Stop> {
    let client = stage.client(*b"one\r\n\r\ntwo\r\n", stays())?;
    // Between \r and \n each time: the \n completes the line, and the \r is a byte of it.
    for (sent, back) in [(4, 0), (6, 5), (11, 7), (12, 12)] {
        stage[client].plan.send_up_to = sent;
        stage.answered(&[client])?;
        if stage[client].returned() != back {
            let why = format!(
                "{} bytes back for {sent} sent, not {back}",
                stage[client].returned()
            );
            return Err(Stop::Failed(why));
        }
    }
    Ok(())
}

pub(super) fn nul_and_0xff(stage: &mut Stage) -> Result<(), Stop> {
    let client = stage.client(
        *b"\0\n\xff\n\xff\0\xfe\n\0\0\0\n\xc3\n\x28\x80\n\0",
        Plan::default(),
    )?;
    stage.finished(&[client])?;
    let every_byte: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let client = stage.client(every_byte, Plan::default())?;
    stage.finished(&[client])
}

pub(super) fn many_rounds_on_one_connection(stage: &mut Stage) -> Result<(), Stop> {
    const ROUNDS: usize = 100;
    let length = 30.min(stage.facts().buffer);
    let lines: Vec<u8> = (0..ROUNDS)
        .flat_map(|round| text::line_of(&format!("round {round} "), length))
        .collect();
    let client = stage.client(lines, stays())?;
    for round in 1..=ROUNDS {
        stage[client].plan.send_up_to = round * length;
        stage.answered(&[client])?;
    }
    stage[client].plan.half_close = true;
    stage.finished(&[client])
}

pub(super) fn nothing_before_the_newline(stage: &mut Stage) -> Result<(), Stop> {
    let text = *b"first\nunfinished\n";
    let client = stage.client(text, stays())?;
    stage[client].plan.send_up_to = text.len() - 1;
    // Clients check that no byte comes back before it is due; here it has the time to.
    stage.answered(&[client])?;
    stage.pass(stage.pace())?;
    stage[client].plan.send_up_to = text.len();
    stage.answered(&[client])
}

pub(super) fn half_close_with_a_rest(stage: &mut Stage) -> Result<(), Stop> {
    for text in [&b"x\ny"[..], b"y", b"x\ny\n", b"\n\r"] {
        let client = stage.client(text, Plan::default())?;
        stage.finished(&[client])?;
    }
    Ok(())
}

pub(super) fn half_close_at_once(stage: &mut Stage) -> Result<(), Stop> {
    let client = stage.client(*b"", Plan::default())?;
    stage.finished(&[client])
}

/// A client that sends and sends without reading is slowed down by TCP: the server keeps no more
/// than its buffer. When the client reads after all, nothing is lost.
pub(super) fn pipelined_without_reading(stage: &mut Stage) -> Result<(), Stop> {
    let facts = stage.facts();
    if facts.bulk <= facts.in_transit {
        let why = format!(
            "up to {} bytes are in transit, more than this link is made to carry",
            facts.in_transit
        );
        return Err(Stop::NotApplicable(why));
    }
    let sends_only = Plan {
        reads: super::Reads::Nothing,
        ..Plan::default()
    };
    let client = stage.client(text::numbered(facts.bulk), sends_only)?;
    stage.sent_what_goes(&[client])?;
    let sent = stage[client].sent();
    if sent > facts.in_transit {
        let why = format!(
            "{sent} bytes went out and none came back; only {} can be in transit",
            facts.in_transit
        );
        return Err(Stop::Failed(why));
    }
    // It goes on with a part of its text: all of it is long where the kernel keeps much.
    stage.shorten(client, sent + (1 << 20));
    stage[client].plan.reads = super::Reads::All;
    stage.finished(&[client])
}
