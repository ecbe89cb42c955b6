//! std's streams, which block, and what buffers them.

use std::io::{BufWriter, LineWriter};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use embedded_io_adapters::std::FromStd;
use linecho_core::transport::Join;

use super::tokio::tcp_pair;
use crate::driven::Blocking;
use crate::peer::Tokio;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("`std::net::TcpStream`", "", tcp),
        row("`std::os::unix::net::UnixStream`", "", unix),
        row("`std::io::BufWriter`", "", buffered),
        row("`std::io::LineWriter`", "", line_buffered),
    ]
}

async fn tcp() -> (Blocking<FromStd<TcpStream>>, Tokio<tokio::net::TcpStream>) {
    let (ours, theirs) = tcp_pair().await;
    let ours = ours.into_std().expect("a stream");
    ours.set_nonblocking(false).expect("a mode");
    (Blocking(FromStd::new(ours)), Tokio(theirs))
}

type UnixPeer = Tokio<tokio::net::UnixStream>;

pub(super) fn unix_pair() -> (UnixStream, UnixPeer) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    theirs.set_nonblocking(true).expect("a mode");
    let theirs = tokio::net::UnixStream::from_std(theirs).expect("a stream");
    (ours, Tokio(theirs))
}

async fn unix() -> (Blocking<FromStd<UnixStream>>, UnixPeer) {
    let (ours, theirs) = unix_pair();
    (Blocking(FromStd::new(ours)), theirs)
}

async fn buffered() -> (Blocking<Halves<BufWriter<UnixStream>>>, UnixPeer) {
    let (ours, theirs) = unix_pair();
    let writer = BufWriter::new(ours.try_clone().expect("a clone"));
    (Blocking(halves(ours, writer)), theirs)
}

async fn line_buffered() -> (Blocking<Halves<LineWriter<UnixStream>>>, UnixPeer) {
    let (ours, theirs) = unix_pair();
    let writer = LineWriter::new(ours.try_clone().expect("a clone"));
    (Blocking(halves(ours, writer)), theirs)
}

type Halves<W> = Join<FromStd<UnixStream>, FromStd<W>>;

fn halves<W>(reader: UnixStream, writer: W) -> Halves<W> {
    Join::new(FromStd::new(reader), FromStd::new(writer))
}
