//! Runs drawn at random: inputs of any length over `a`, `\n`, `\r` and NUL, larger buffers, and the
//! polled drivers over a transport that is short, blocked, interrupted and failing at random.

use std::time::Duration;

use fastrand::Rng;
use linecho_core::polled::{self, ProbeTurn, Turn};
use linecho_core::{Config, Instant, LongLines, Position, Probe, ProbeError, Reason, Session};

use crate::oracle;
use crate::wire::{LONGEST, Peer, Wire};

/// The longest buffer, in bytes.
const LARGEST: usize = 32;
/// The lines that a probe has in flight at most.
const WINDOW: usize = 4;
/// No run takes more turns, however often it is blocked.
const MOST_TURNS: usize = 10_000;
const POLICIES: [LongLines; 3] = [LongLines::Flush, LongLines::Discard, LongLines::Close];

/// Returns up to `most` bytes, in lines that are short in some runs and long in others.
fn text(rng: &mut Rng, most: usize) -> ([u8; LONGEST], usize) {
    let others_per_newline = rng.usize(0..20);
    let mut text = [0; LONGEST];
    let len = rng.usize(0..=most);
    for byte in &mut text[..len] {
        *byte = match rng.usize(0..=others_per_newline) {
            0 => b'\n',
            _ => [b'a', b'\r', 0][rng.usize(0..3)],
        };
    }
    (text, len)
}

/// Runs the session that follows from the seed. Fails if anything is not as the oracle has it.
pub(crate) fn session(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let capacity = rng.usize(1..=LARGEST);
    let policy = POLICIES[rng.usize(0..3)];
    let (input, len) = text(&mut rng, LONGEST.min(3 * capacity));
    let budget = rng.usize(0..=2 * capacity);
    let shuts_down = rng.bool().then(|| rng.usize(0..20));
    let mut storage = [0; LARGEST];
    let config = Config::new().long_lines(policy);
    let mut session = Session::new(&mut storage[..capacity], config, Instant::ZERO);
    let mut wire = Wire::new(&mut rng, &input[..len]);

    let mut shut_down_in_time = false;
    let reason = (0..MOST_TURNS).find_map(|turn| {
        if shuts_down == Some(turn) {
            shut_down_in_time = !wire.end_was_read;
            session.shutdown();
        }
        // A budget of nothing reads nothing: the next turn has some.
        let turn = polled::serve(&mut session, &mut wire, Instant::ZERO, budget + turn % 2);
        let due = oracle::echo(wire.taken(), capacity, policy, true);
        assert!(
            starts_with(due, wire.written()),
            "seed {seed}: a wrong byte"
        );
        match turn {
            Turn::Ended(reason) => Some(reason),
            Turn::Again | Turn::Wait { .. } => None,
        }
    });

    let (_, overlong) = oracle::count(wire.taken(), capacity, policy);
    let at_end = match policy {
        LongLines::Close if overlong > 0 => Reason::LineTooLong,
        _ if shut_down_in_time => Reason::Shutdown,
        _ => Reason::PeerClosed,
    };
    let expected = wire.failure.map_or(at_end, |(_, kind)| Reason::from(kind));
    assert_eq!(reason, Some(expected), "seed {seed}");
    let reads_failed = wire.failure.is_none_or(|(reading, _)| reading);
    if reads_failed && expected != Reason::Reset {
        let is_over = wire.failure.is_none();
        let due = oracle::echo(wire.taken(), capacity, policy, is_over);
        assert!(
            due.flatten().eq(wire.written()),
            "seed {seed}: a byte is missing"
        );
    }
}

fn starts_with<'a>(whole: impl Iterator<Item = &'a [u8]>, beginning: &[u8]) -> bool {
    let mut whole = whole.flatten();
    beginning.iter().all(|byte| whole.next() == Some(byte))
}

/// Runs the probe that follows from the seed, with a peer that gives back what it was sent, or
/// changes a byte, or closes early. Fails if the probe is not of the right opinion.
pub(crate) fn probe(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let capacity = rng.usize(1..=LARGEST);
    let (text, len) = text(&mut rng, LONGEST);
    let text = &text[..len];
    let peer = match rng.usize(0..4) {
        0 => Peer::Changes(rng.usize(0..LONGEST)),
        1 => Peer::Closes(rng.usize(0..LONGEST)),
        _ => Peer::Honest,
    };
    let budget = rng.usize(0..=2 * capacity);
    let (mut storage, mut scratch) = ([0; LARGEST], [0; LARGEST]);
    let scratch = &mut scratch[..rng.usize(1..=LARGEST)];
    let mut probe = Probe::<_, WINDOW>::new(&mut storage[..capacity]);
    let mut wire = Wire::to(&mut rng, peer);

    let (mut queued, mut lines) = (0, 0);
    let result = (0..MOST_TURNS).find_map(|turn| {
        queue(&mut probe, text, &mut queued);
        let now = Instant::from_millis(turn as u64);
        let on_line = |_: Duration| lines += 1;
        let budget = budget + turn % 2;
        match polled::exchange(&mut probe, &mut wire, scratch, now, budget, on_line) {
            Ok(ProbeTurn::Done) if queued == text.len() => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    });

    let returned = &text[..probe.bytes() as usize];
    assert_eq!(lines, newlines(returned), "seed {seed}");
    let in_line = returned.iter().rev().take_while(|&&byte| byte != b'\n');
    let position = Position {
        line: lines + 1,
        byte: in_line.count() as u64 + 1,
    };
    let next = wire.written().get(returned.len()).copied();
    let expected = match (wire.failure, peer, next) {
        (Some((_, kind)), ..) => Err(ProbeError::Io(kind)),
        (_, Peer::Changes(at), Some(expected)) if at == returned.len() => {
            let got = !expected;
            Err(ProbeError::Mismatch {
                position,
                expected,
                got,
            })
        }
        (_, Peer::Closes(at), _) if at == returned.len() && at < queued => {
            let bytes = (queued - at) as u64;
            Err(ProbeError::Missing { position, bytes })
        }
        _ => Ok(()),
    };
    assert_eq!(result, Some(expected), "seed {seed}");
    let is_whole = returned.len() == text.len();
    assert!(
        expected.is_err() || is_whole,
        "seed {seed}: a byte is missing"
    );
}

/// Queues as many lines, or pieces of lines, as there is room for.
fn queue(probe: &mut Probe<&mut [u8], WINDOW>, text: &[u8], queued: &mut usize) {
    while let Some(rest) = text.get(*queued..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive(|&byte| byte == b'\n').next();
        let line = line.unwrap_or_default();
        let piece = &line[..line.len().min(probe.room())];
        if piece.is_empty() {
            return;
        }
        probe.queue(piece).expect("there was room");
        *queued += piece.len();
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}
