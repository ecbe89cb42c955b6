//! The wrappers over transports of `embedded-io-async`.

use embedded_io_async::{ErrorKind, Read, Write};

use super::{Interpret, Join, NoFlush, kind};

impl<R: Read, W> Read for Join<R, W> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        kind(self.reader.read(buffer).await)
    }
}

impl<R, W: Write> Write for Join<R, W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        kind(self.writer.write(bytes).await)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        kind(self.writer.flush().await)
    }
}

impl<T: Read> Read for NoFlush<T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, T::Error> {
        self.0.read(buffer).await
    }
}

impl<T: Write> Write for NoFlush<T> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, T::Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), T::Error> {
        Ok(())
    }
}

impl<T, F> Read for Interpret<T, F>
where
    T: Read,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        let read = self.io.read(buffer).await;
        (self.interpret)(read)
    }
}

impl<T, F> Write for Interpret<T, F>
where
    T: Write,
    F: FnMut(Result<usize, T::Error>) -> Result<usize, ErrorKind>,
{
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let written = self.io.write(bytes).await;
        self.done_or(written, 0)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        let flushed = self.io.flush().await;
        self.done_or(flushed, ())
    }
}
