//! tokio's streams, and what buffers them.

use ::tokio::io::{
    AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream, BufWriter, DuplexStream, duplex,
};
use ::tokio::net::{TcpSocket, TcpStream, UnixStream};
use embedded_io_adapters::tokio_1::FromTokio;

use crate::driven::{Async, Close};
use crate::peer::Tokio;
use crate::table::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("`tokio::net::TcpStream`", "tokio", tcp),
        row("`tokio::net::UnixStream`", "tokio", unix),
        row("`tokio::io::duplex`", "tokio", memory),
        row("`tokio::io::BufStream`", "tokio", buffered),
        row("`tokio::io::BufWriter`", "tokio", buffered_writes),
    ]
}

impl<T: AsyncRead + AsyncWrite + Unpin> Close for FromTokio<T> {
    async fn close(&mut self) {
        self.inner_mut().shutdown().await.expect("shutdown");
    }
}

/// A connection with small buffers, so that it fills.
pub(super) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let socket = || {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(8192).expect("a buffer");
        socket.set_recv_buffer_size(8192).expect("a buffer");
        socket
    };
    let listening = socket();
    listening
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let listener = listening.listen(1).expect("listen");
    let address = listener.local_addr().expect("an address");
    let (accepted, connected) = ::tokio::join!(listener.accept(), socket().connect(address));
    (accepted.expect("accept").0, connected.expect("connect"))
}

async fn tcp() -> (Async<FromTokio<TcpStream>>, Tokio<TcpStream>) {
    let (ours, theirs) = tcp_pair().await;
    (Async(FromTokio::new(ours)), Tokio(theirs))
}

async fn unix() -> (Async<FromTokio<UnixStream>>, Tokio<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    (Async(FromTokio::new(ours)), Tokio(theirs))
}

async fn memory() -> (Async<FromTokio<DuplexStream>>, Tokio<DuplexStream>) {
    let (ours, theirs) = duplex(64);
    (Async(FromTokio::new(ours)), Tokio(theirs))
}

async fn buffered() -> (Async<FromTokio<BufStream<TcpStream>>>, Tokio<TcpStream>) {
    let (ours, theirs) = tcp_pair().await;
    (Async(FromTokio::new(BufStream::new(ours))), Tokio(theirs))
}

async fn buffered_writes() -> (
    Async<FromTokio<BufWriter<DuplexStream>>>,
    Tokio<DuplexStream>,
) {
    let (ours, theirs) = duplex(1000);
    (Async(FromTokio::new(BufWriter::new(ours))), Tokio(theirs))
}
