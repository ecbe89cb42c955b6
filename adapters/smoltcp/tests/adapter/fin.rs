//! The FIN goes alone, when all that was echoed is acknowledged: smoltcp 0.14 at the other end
//! loses data that share a segment with a FIN, when segments overtake each other.

use std::time::Duration;

use crate::kit::Kit;
use crate::kit::raw::Raw;
use linecho_smoltcp::smoltcp::wire::{IpAddress, TcpControl};
use linecho_smoltcp::{Options, Reason};

#[test]
fn the_fin_waits_for_the_acknowledgement_of_the_data() {
    let mut kit = Kit::<2>::new(Options::DEFAULT);
    let mut peer = Raw::new(IpAddress::v4(10, 0, 0, 9), 1);
    peer.connect(&mut kit);
    peer.fin(&mut kit, b"one\nrest");
    kit.pass(Duration::from_millis(100));

    let echo = peer.take_and_note(&kit);
    let bytes: Vec<u8> = echo
        .iter()
        .flat_map(|segment| segment.payload.clone())
        .collect();
    assert_eq!(bytes, b"one\nrest");
    assert!(
        echo.iter()
            .all(|segment| segment.control != TcpControl::Fin),
        "{echo:?}"
    );

    peer.ack(&mut kit);
    kit.pass(Duration::from_millis(100));
    let end = peer.take_and_note(&kit);
    let fins: Vec<_> = end
        .iter()
        .filter(|segment| segment.control == TcpControl::Fin)
        .collect();
    assert_eq!((fins.len(), end.len()), (1, 1), "{end:?}");
    assert_eq!(fins[0].payload, b"");

    peer.ack(&mut kit);
    kit.pass(Duration::from_millis(100));
    assert_eq!(kit.reasons(), [Reason::PeerClosed]);
}
