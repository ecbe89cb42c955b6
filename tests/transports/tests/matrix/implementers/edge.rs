//! The sockets of edge-nal on a desktop.

use async_io::Async as Polling;
use edge_nal_std::TcpSocket;
use tokio::net::TcpStream;

use super::tokio::tcp_pair;
use crate::driven::{Async, Close};
use crate::peer::Tokio;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![row("`edge_nal_std::TcpSocket`", "edge-nal-std", tcp)]
}

impl Close for TcpSocket {
    async fn close(&mut self) {
        let closed = edge_nal::TcpShutdown::close(self, edge_nal::Close::Write).await;
        closed.expect("close");
    }
}

async fn tcp() -> (Async<TcpSocket>, Tokio<TcpStream>) {
    let (ours, theirs) = tcp_pair().await;
    let ours = Polling::new(ours.into_std().expect("a stream")).expect("a stream");
    (Async(TcpSocket::new(ours)), Tokio(theirs))
}
