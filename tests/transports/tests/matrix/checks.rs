//! The checks that every transport has to pass.

use std::fmt::Debug;
use std::future::{Future, pending};
use std::time::Duration;

use embedded_io_async::{Read, Write};
use fastrand::Rng;
use linecho_core::Reason;
use tokio::time::timeout;

use crate::driven::{Driven, LINE, session};
use crate::peer::Peer;

/// A writer that was taken nothing from for so long is taken to be stuck.
const STUCK: Duration = Duration::from_millis(200);
/// More than any transport here holds, with the buffers of both its ends.
const MORE_THAN_FITS: usize = 2_000_000;

/// Checks that what is due goes back while the peer waits for it: a line, also one that is longer
/// than every buffer, and a line buffer that is full.
pub(crate) async fn answered(driven: impl Driven, mut peer: impl Peer) {
    let peer = async move {
        let (mut reader, mut writer) = peer.split();
        let long = [&[b'x'; 20 * LINE][..], b"\n"].concat();
        for line in [b"hello\n", &b"\n"[..], &[b'x'; LINE], &long, b"again\n"] {
            let sending = async {
                send(&mut writer, line).await;
            };
            let (back, ()) = tokio::join!(read_exactly(&mut reader, line.len()), sending);
            assert!(back == line, "another line came back");
        }
    };
    serve_until(driven.serve(session()), peer).await;
}

/// All bytes come back, however they are chopped.
pub(crate) async fn exact(driven: impl Driven, mut peer: impl Peer) {
    let peer = async move {
        stream_through(&mut peer).await;
    };
    serve_until(driven.serve(session()), peer).await;
}

/// The same, with every wait of the driver given up and begun anew.
pub(crate) async fn cancelled(driven: impl Driven, mut peer: impl Peer) {
    let peer = async move {
        stream_through(&mut peer).await;
    };
    serve_until(driven.serve_cancelled(session()), peer).await;
}

/// After a half-close the unfinished line comes back, too, and then the end.
pub(crate) async fn half_close(driven: impl Driven, mut peer: impl Peer) {
    let peer = async move {
        let rest = stream_through(&mut peer).await;
        peer.half_close().await;
        assert_eq!(read_to_end(&mut peer.split().0).await, rest);
    };
    let (reason, ()) = tokio::join!(driven.serve(session()), peer);
    assert_eq!(reason, Reason::PeerClosed);
}

/// Sends lines of all kinds, and the beginning of another, in pieces; reads the lines back, and
/// returns the beginning.
async fn stream_through(peer: &mut impl Peer) -> &'static [u8] {
    let mut random = Rng::with_seed(7);
    let mut text = text(&mut random, 32_000);
    let lines = text.len();
    text.extend(b"rest");
    let (mut reader, mut writer) = peer.split();
    let sending = async {
        for piece in chop(&mut random, &text) {
            write(&mut writer, piece).await;
            // Half of them leave by themselves.
            if piece.len() % 2 == 0 {
                flush(&mut writer).await;
            }
        }
        flush(&mut writer).await;
    };
    let (back, ()) = tokio::join!(read_exactly(&mut reader, lines), sending);
    assert!(back == text[..lines], "other bytes came back");
    b"rest"
}

/// A peer that does not read is not read from for ever; when it reads, nothing is missing.
pub(crate) async fn full(driven: impl Driven, mut peer: impl Peer) {
    let peer = async move {
        let (mut reader, mut writer) = peer.split();
        let text = [&[b'x'; 99][..], b"\n"]
            .concat()
            .repeat(MORE_THAN_FITS / 100);
        let mut sent = 0;
        while let Ok(n) = timeout(STUCK, writer.write(&text[sent..])).await {
            sent += some(n);
            assert!(sent < text.len(), "took in {sent} bytes that nobody reads");
        }
        let sending = async {
            send(&mut writer, &text[sent..]).await;
        };
        let (back, ()) = tokio::join!(read_exactly(&mut reader, text.len()), sending);
        assert!(back == text, "other bytes came back");
    };
    serve_until(driven.serve(session()), peer).await;
}

/// A probe that sends and then receives gets its lines back.
pub(crate) async fn probe(driven: impl Driven, mut peer: impl Peer) {
    let long = [&[b'x'; 49][..], b"\n"].concat();
    let lines = [&b"hello\n"[..], &long, b"\n", b"again\n"].map(<[u8]>::to_vec);
    let echo = async move {
        let (mut reader, mut writer) = peer.split();
        let mut buffer = [0; 1000];
        // It fails when the probe is done and has gone.
        while let Ok(n @ 1..) = reader.read(&mut buffer).await {
            send(&mut writer, &buffer[..n]).await;
        }
        pending::<()>().await;
    };
    tokio::select! {
        result = driven.probe(lines.to_vec()) => result.expect("the lines come back"),
        () = echo => {}
    }
}

/// Serves until the peer is done.
async fn serve_until(serving: impl Future<Output = Reason>, peer: impl Future<Output = ()>) {
    tokio::select! {
        reason = serving => panic!("the session ended: {reason}"),
        () = peer => {}
    }
}

/// Lines of all lengths and bytes.
fn text(random: &mut Rng, len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < len {
        let longest = if random.u8(..) < 20 { 4 * LINE } else { 40 };
        let len = random.usize(..longest);
        text.extend(std::iter::repeat_with(|| random.u8(..)).take(len));
        text.push(b'\n');
    }
    text
}

fn chop<'a>(random: &mut Rng, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let most = if random.bool() { 3 } else { 1500 };
        let (piece, rest) = bytes.split_at(random.usize(1..=most).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

async fn send(writer: &mut impl Write, bytes: &[u8]) {
    write(writer, bytes).await;
    flush(writer).await;
}

async fn write(writer: &mut impl Write, bytes: &[u8]) {
    some(writer.write_all(bytes).await);
}

async fn flush(writer: &mut impl Write) {
    some(writer.flush().await);
}

async fn read_exactly(reader: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    some(reader.read_exact(&mut bytes).await);
    bytes
}

async fn read_to_end(reader: &mut impl Read) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 700]);
    loop {
        match some(reader.read(&mut buffer).await) {
            0 => return bytes,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

/// The peer's own calls do not fail.
fn some<T, E: Debug>(result: Result<T, E>) -> T {
    result.expect("the peer's side works")
}
