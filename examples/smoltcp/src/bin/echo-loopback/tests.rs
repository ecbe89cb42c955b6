//! Trouble is found, and told in words.

use linecho_smoltcp::Wake;
use linecho_smoltcp::smoltcp::phy::{self, DeviceCapabilities};
use linecho_smoltcp::smoltcp::time as stack;

use super::*;

/// A loopback that flips a bit of one byte in the first long frame, which no checksum gives away.
struct Flipping {
    inner: Loopback,
    is_done: bool,
}

struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl Device for Flipping {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = <Loopback as Device>::TxToken<'a>;

    fn receive(&mut self, now: stack::Instant) -> Option<(RxToken, Self::TxToken<'_>)> {
        let (rx, tx) = self.inner.receive(now)?;
        let mut frame = phy::RxToken::consume(rx, <[u8]>::to_vec);
        if frame.len() > 1000 && !self.is_done {
            self.is_done = true;
            if let Some(last) = frame.last_mut() {
                *last ^= 1;
            }
        }
        Some((RxToken(frame), tx))
    }

    fn transmit(&mut self, now: stack::Instant) -> Option<Self::TxToken<'_>> {
        self.inner.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.inner.capabilities()
    }
}

impl Time<Flipping> for Clock {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn pass(&mut self, _: Wake, _: &Flipping) {}
}

#[test]
fn the_place_of_the_first_difference_is_told() {
    let mut device = Flipping {
        inner: Loopback::new(Medium::Ip),
        is_done: false,
    };
    let arguments = "echo-loopback --connections 1 --lines 100 --length 100 --window 20";
    let arguments = Arguments::parse_from(arguments.split(' '));
    let error = stream(&arguments, &mut device, Clock::start()).expect_err("a byte is wrong");
    // The last byte of the first 20 lines, all in one frame, was their newline.
    let expected = r"connection 1: line 20, byte 100: '\n' came back as '\x0b'";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn one_is_no_plural() {
    let mut watch = Watch::start(Instant::ZERO);
    watch.look(Instant::ZERO, 1).expect("a byte came");
    let late = watch.look(Instant::ZERO + PATIENCE, 1);
    let text = late.expect_err("no other byte came");
    assert!(text.starts_with("1 byte came back, "), "{text}");

    let text = check(&Totals::default(), 1, 1).expect_err("the server saw nothing");
    assert!(
        text.starts_with("1 client sent 1 byte and closed, "),
        "{text}"
    );
}
