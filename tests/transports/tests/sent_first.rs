//! A peer that sends everything before it reads anything, over transports that hold back what was
//! written: all of it comes back, and then the end.

#![cfg(target_os = "linux")]

use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use linecho_core::{Config, Instant, Reason, Session, asynchronous};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[path = "common/tls.rs"]
mod tls;

const LIMIT: Duration = Duration::from_secs(100);

#[tokio::test]
async fn over_a_buffered_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    comes_back_whole(BufStream::new(accepted.unwrap().0), connected.unwrap()).await;
}

#[tokio::test]
async fn over_tls_on_a_small_transport() {
    let (server, client) = tls::tls_pair().await;
    comes_back_whole(server, client).await;
}

async fn comes_back_whole(
    ours: impl AsyncRead + AsyncWrite + Unpin,
    theirs: impl AsyncRead + AsyncWrite + Unpin,
) {
    let text = [&[b'x'; 99][..], b"\n"].concat().repeat(320);
    let serving = async {
        let mut session = Session::new([0; 1024], Config::new(), Instant::ZERO);
        let mut io = FromTokio::new(ours);
        let (now, no_sleep) = (|| Instant::ZERO, async |_| unreachable!("no deadlines"));
        let reason = asynchronous::serve(&mut session, &mut io, now, no_sleep).await;
        // The driver flushes before it ends; only the end is left to send.
        io.into_inner().shutdown().await.unwrap();
        reason
    };
    let peer = async {
        let (mut reader, mut writer) = tokio::io::split(theirs);
        writer.write_all(&text).await.unwrap();
        let mut back = Vec::new();
        let (_, read) = tokio::join!(writer.shutdown(), reader.read_to_end(&mut back));
        read.unwrap();
        assert_eq!(back.len(), text.len());
        assert!(back == text);
    };
    let both = async { tokio::join!(serving, peer) };
    let (reason, ()) = timeout(LIMIT, both).await.expect("done in time");
    assert_eq!(reason, Reason::PeerClosed);
}
