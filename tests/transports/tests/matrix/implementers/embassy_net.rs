//! Sockets of embassy-net, on two stacks with a link between them.

use embassy_net::tcp::{TcpReader, TcpSocket, TcpWriter};
use tokio::task::spawn_local;

use crate::driven::{Async, Close};
use crate::peer::Peer;
use crate::table::{Row, row};
use crate::two_stacks::{ADDRESSES, two_stacks};

const PORT: u16 = 7;

pub(super) fn rows() -> Vec<Row> {
    vec![row("`embassy_net::tcp::TcpSocket`", "embassy-net", tcp)]
}

impl Close for TcpSocket<'_> {
    async fn close(&mut self) {
        TcpSocket::close(self);
        self.flush().await.expect("the peer is there");
    }
}

impl Peer for TcpSocket<'static> {
    type Reader<'a> = TcpReader<'a>;
    type Writer<'a> = TcpWriter<'a>;

    fn split(&mut self) -> (TcpReader<'_>, TcpWriter<'_>) {
        TcpSocket::split(self)
    }

    async fn half_close(&mut self) {
        self.close();
    }
}

async fn tcp() -> (Async<TcpSocket<'static>>, TcpSocket<'static>) {
    let [mut server, mut client] = two_stacks().map(|(stack, mut runner)| {
        spawn_local(async move { runner.run().await });
        let buffer = || Box::leak(Box::new([0; 2048]));
        TcpSocket::new(stack, buffer(), buffer())
    });
    let (accepted, connected) =
        tokio::join!(server.accept(PORT), client.connect((ADDRESSES[0], PORT)));
    accepted.expect("accept");
    connected.expect("connect");
    (Async(server), client)
}
