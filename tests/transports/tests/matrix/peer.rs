//! The other side of a connection: plain reads and writes, without anything of ours.

use embedded_io_adapters::{futures_03::FromFutures, tokio_1::FromTokio};
use embedded_io_async::{Read, Write};
use futures_util::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

pub(crate) trait Peer {
    type Reader<'a>: Read
    where
        Self: 'a;
    type Writer<'a>: Write
    where
        Self: 'a;

    /// True if one side of the connection can be closed alone.
    const HALF_CLOSES: bool = true;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);

    /// Shuts down the sending side.
    async fn half_close(&mut self) {
        unreachable!("only called if HALF_CLOSES")
    }
}

/// A stream of tokio.
pub(crate) struct Tokio<T>(pub(crate) T);

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Peer for Tokio<T> {
    type Reader<'a>
        = FromTokio<tokio::io::ReadHalf<&'a mut T>>
    where
        T: 'a;
    type Writer<'a>
        = FromTokio<tokio::io::WriteHalf<&'a mut T>>
    where
        T: 'a;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>) {
        let (reader, writer) = tokio::io::split(&mut self.0);
        (FromTokio::new(reader), FromTokio::new(writer))
    }

    async fn half_close(&mut self) {
        self.0.shutdown().await.expect("shutdown");
    }
}

/// A stream of futures that has no half-close: a terminal.
pub(crate) struct Futures<T>(pub(crate) T);

impl<T: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin> Peer for Futures<T> {
    type Reader<'a>
        = FromFutures<futures_util::io::ReadHalf<&'a mut T>>
    where
        T: 'a;
    type Writer<'a>
        = FromFutures<futures_util::io::WriteHalf<&'a mut T>>
    where
        T: 'a;
    const HALF_CLOSES: bool = false;

    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>) {
        let (reader, writer) = (&mut self.0).split();
        (FromFutures::new(reader), FromFutures::new(writer))
    }
}
