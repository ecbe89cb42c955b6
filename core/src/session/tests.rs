mod chopping;
mod deadlines;
mod ends;
mod lines;
mod storage;
mod work;

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use super::*;

fn session(capacity: usize, policy: LongLines) -> Session<Box<[u8]>> {
    let config = Config::new().long_lines(policy);
    Session::new(vec![0; capacity].into_boxed_slice(), config, Instant::ZERO)
}

/// Offers `bytes`, and says how many were taken.
fn feed<S: AsRef<[u8]> + AsMut<[u8]>>(session: &mut Session<S>, bytes: &[u8]) -> usize {
    let input = session.input();
    let n = input.len().min(bytes.len());
    input[..n].copy_from_slice(&bytes[..n]);
    session.received(n);
    n
}

/// Takes at most `limit` bytes of output.
fn take<S: AsRef<[u8]> + AsMut<[u8]>>(session: &mut Session<S>, limit: usize) -> Vec<u8> {
    let output = session.output();
    let taken = output[..output.len().min(limit)].to_vec();
    session.sent(taken.len());
    taken
}

/// Feeds all of `bytes` to a session whose peer reads everything at once.
fn stream(session: &mut Session<Box<[u8]>>, mut bytes: &[u8], output: &mut Vec<u8>) {
    // The first turn may find the buffer full; after that each takes a byte in.
    for _ in 0..=bytes.len() {
        if session.reason.is_none() {
            bytes = &bytes[feed(session, bytes)..];
            output.extend(take(session, usize::MAX));
        }
    }
    assert!(bytes.is_empty() || session.reason.is_some());
}
