//! Pipes of embassy-sync, one each way: two halves, and no end.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use linecho_core::transport::Join;

use crate::driven::{Async, Close};
use crate::peer::Peer;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![row("`embassy_sync::pipe::Pipe`", "embassy-sync", pipes)]
}

type OneWay = &'static Pipe<NoopRawMutex, 100>;

/// The peer's: what it reads from, and what it writes to.
struct Ends(OneWay, OneWay);

impl Peer for Ends {
    type Reader<'a> = OneWay;
    type Writer<'a> = OneWay;
    const HALF_CLOSES: bool = false;

    fn split(&mut self) -> (OneWay, OneWay) {
        (self.0, self.1)
    }
}

impl Close for Join<OneWay, OneWay> {}

async fn pipes() -> (Async<Join<OneWay, OneWay>>, Ends) {
    let pipe = || -> OneWay { Box::leak(Box::new(Pipe::new())) };
    let (there, back) = (pipe(), pipe());
    (Async(Join::new(there, back)), Ends(back, there))
}
