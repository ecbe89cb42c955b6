//! Any text, in any pieces, gives what the oracle gives.

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::{feed, session, stream, take};
use crate::{LongLines, Reason, Session, oracle};

/// Takes the storage back if nothing is held, as a pool does, and lends another that others have
/// used.
fn lend_other_storage(session: &mut Session<Box<[u8]>>) {
    let used = vec![b'\n'; session.capacity()].into_boxed_slice();
    if session.held() == 0 {
        session.replace_storage(Box::default()).unwrap();
        assert!(session.input().is_empty());
    }
    session.replace_storage(used).unwrap();
}

fn policies() -> impl Strategy<Value = LongLines> {
    prop_oneof![
        Just(LongLines::Flush),
        Just(LongLines::Discard),
        Just(LongLines::Close)
    ]
}

/// Generates bytes with many newlines, so that lines of every length around the capacity occur.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_chopping_gives_what_the_oracle_gives(
        text in text(),
        capacity in 1usize..20,
        policy in policies(),
        pieces in prop::collection::vec((1usize..12, 0usize..12, any::<bool>()), 1..40),
        shuts_down in any::<bool>(),
    ) {
        let mut session = session(capacity, policy);
        let (mut fed, mut output) = (0, Vec::new());
        for (offer, reads, other_storage) in pieces.into_iter().cycle().take(200) {
            if other_storage {
                lend_other_storage(&mut session);
            }
            let offered = &text[fed..text.len().min(fed + offer)];
            fed += feed(&mut session, offered);
            output.extend(take(&mut session, reads));
            let now = oracle::echo(&text[..fed], capacity, policy, false).collect::<Vec<_>>().concat();
            prop_assert!(now.starts_with(&output));
            prop_assert_eq!(now.len(), output.len() + session.output().len());
            prop_assert!(session.held() <= capacity);
        }
        output.extend(take(&mut session, usize::MAX));
        stream(&mut session, &text[fed..], &mut output);
        if shuts_down {
            session.shutdown();
        }
        session.end_of_input();
        output.extend(take(&mut session, usize::MAX));

        let whole = oracle::echo(&text, capacity, policy, true).collect::<Vec<_>>().concat();
        prop_assert_eq!(&output, &whole);
        let counters = session.counters();
        prop_assert_eq!((counters.lines, counters.overlong), oracle::count(&text, capacity, policy));
        prop_assert_eq!(counters.bytes_out, output.len() as u64);
        let reason = match policy {
            LongLines::Close if counters.overlong > 0 => Reason::LineTooLong,
            _ if shuts_down => Reason::Shutdown,
            _ => Reason::PeerClosed,
        };
        prop_assert_eq!(session.ended(), Some(reason));
        prop_assert_eq!(session.scanned, counters.bytes_in);
        prop_assert!(session.buffer.moved <= counters.bytes_in);
    }
}
