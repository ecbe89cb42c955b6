//! Line buffers that connections borrow while they hold bytes.

use std::io;

use memmap2::MmapMut;

/// The storage of a session: a line buffer, or nothing.
///
/// The box makes it 8 bytes in each idle connection instead of 16.
#[derive(Debug, Default)]
pub(crate) struct Storage(Option<Box<MmapMut>>);

impl AsRef<[u8]> for Storage {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |buffer| buffer)
    }
}

impl AsMut<[u8]> for Storage {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut().map_or(&mut [], |buffer| buffer)
    }
}

/// The spare buffers of a worker. The last one to come back goes out first, since it is in the
/// cache.
pub(crate) struct Pool {
    spare: Vec<Storage>,
    lent: usize,
    buffer_bytes: usize,
    /// The number of spare buffers that are kept even if fewer are lent.
    always_kept: usize,
}

/// The memory that a worker keeps for spare buffers though none is lent.
const KEPT_BYTES: usize = 4 << 20;

impl Pool {
    /// Makes a pool of buffers of `buffer_bytes` bytes.
    pub(crate) fn new(buffer_bytes: usize) -> Self {
        Self {
            spare: Vec::new(),
            lent: 0,
            buffer_bytes,
            always_kept: (KEPT_BYTES / buffer_bytes).max(1),
        }
    }

    /// Lends a buffer. It is not zeroed between connections: a session never shows more of it than
    /// what was read into it.
    ///
    /// # Errors
    ///
    /// When there is no memory left.
    #[inline]
    pub(crate) fn take(&mut self) -> io::Result<Storage> {
        let storage = match self.spare.pop() {
            Some(storage) => storage,
            None => map(self.buffer_bytes)?,
        };
        self.lent += 1;
        Ok(storage)
    }

    /// Takes a buffer back.
    #[inline]
    pub(crate) fn put(&mut self, storage: Storage) {
        if storage.0.is_some() {
            self.lent -= 1;
            self.spare.push(storage);
            self.spare.truncate(self.lent.max(self.always_kept));
        }
    }
}

/// Maps memory, which the kernel provides page by page as it is touched: a connection that holds 10
/// bytes of a line costs one page of its buffer. An allocator would zero all of it.
#[cold]
fn map(bytes: usize) -> io::Result<Storage> {
    let buffer = MmapMut::map_anon(bytes)?;
    // With huge pages, one byte would cost 2 MiB. Not all kernels have them.
    #[cfg(target_os = "linux")]
    let _ = buffer.advise(memmap2::Advice::NoHugePage);
    Ok(Storage(Some(Box::new(buffer))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_buffers_are_as_many_as_lent_ones_or_a_few() {
        let mut pool = Pool::new(KEPT_BYTES / 4);
        let mut lent: Vec<_> = (0..20).map(|_| pool.take().unwrap()).collect();
        assert!(lent.iter().all(|it| it.as_ref().len() == KEPT_BYTES / 4));
        lent.drain(..10).for_each(|storage| pool.put(storage));
        assert_eq!(pool.spare.len(), 10);
        lent.into_iter().for_each(|storage| pool.put(storage));
        assert_eq!(pool.spare.len(), 4);
    }

    #[test]
    fn the_last_buffer_to_come_back_goes_out_first() {
        let mut pool = Pool::new(1);
        let (mut first, second) = (pool.take().unwrap(), pool.take().unwrap());
        first.as_mut()[0] = 1;
        pool.put(second);
        pool.put(first);
        assert_eq!(pool.take().unwrap().as_ref(), [1]);
    }

    #[test]
    fn an_empty_storage_is_no_buffer() {
        let mut pool = Pool::new(8);
        pool.put(Storage::default());
        assert!(pool.spare.is_empty());
        assert!(Storage::default().as_mut().is_empty());
    }
}
