//! Streams of the futures traits: those of smol, and what buffers them.

use std::os::unix::net::UnixStream;

use async_io::Async as Polling;
use embedded_io_adapters::futures_03::FromFutures;
use embedded_io_adapters::tokio_1::FromTokio;
use futures_util::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::io::DuplexStream;

use super::std::unix_pair;
use crate::driven::{Async, Close};
use crate::peer::Tokio;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("`async_io::Async<UnixStream>`", "async-io", smol),
        row("`futures::io::BufWriter`", "futures-util", buffered),
        row(
            "`buffered_io::asynch::BufferedWrite`",
            "buffered-io",
            buffered_io,
        )
        // A flush that is given up sends what it had sent again.
        .fails(&["cancelled"]),
    ]
}

impl<T: AsyncRead + AsyncWrite + Unpin> Close for FromFutures<T> {
    async fn close(&mut self) {
        self.inner_mut().close().await.expect("close");
    }
}

type Peer = Tokio<tokio::net::UnixStream>;

fn pair() -> (Polling<UnixStream>, Peer) {
    let (ours, theirs) = unix_pair();
    (Polling::new(ours).expect("a stream"), theirs)
}

async fn smol() -> (Async<FromFutures<Polling<UnixStream>>>, Peer) {
    let (ours, theirs) = pair();
    (Async(FromFutures::new(ours)), theirs)
}

async fn buffered() -> (Async<FromFutures<BufWriter<Polling<UnixStream>>>>, Peer) {
    let (ours, theirs) = pair();
    (Async(FromFutures::new(BufWriter::new(ours))), theirs)
}

type Buffered = buffered_io::asynch::BufferedWrite<'static, FromTokio<DuplexStream>>;

impl Close for Buffered {}

async fn buffered_io() -> (Async<Buffered>, Tokio<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(1000);
    let buffer = Box::leak(Box::new([0; 512]));
    (
        Async(Buffered::new(FromTokio::new(ours), buffer)),
        Tokio(theirs),
    )
}
