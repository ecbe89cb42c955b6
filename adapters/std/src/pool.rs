//! Line buffers that are lent to connections for as long as these hold bytes.

/// The storage of a session: a line buffer while it is lent one.
///
/// A plain `Box<[u8]>` would do, but takes 16 bytes in each idle connection; this takes 8.
#[derive(Debug, Default)]
pub(crate) struct Storage(Option<Box<Box<[u8]>>>);

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

/// The buffers of a worker that are not lent. The one that came back last, still in the cache, goes
/// out first.
pub(crate) struct Pool {
    spare: Vec<Storage>,
    buffer_bytes: usize,
}

/// What a worker keeps at most for later; more is given back to the system.
const SPARE_BYTES: usize = 4 << 20;

impl Pool {
    /// A pool of buffers of `buffer_bytes` bytes.
    pub(crate) fn new(buffer_bytes: usize) -> Self {
        Self {
            spare: Vec::new(),
            buffer_bytes,
        }
    }

    /// A buffer. What it contains is not zeroed between connections: a session never shows more of
    /// it than what was read into it.
    #[inline]
    pub(crate) fn take(&mut self) -> Storage {
        self.spare.pop().unwrap_or_else(|| {
            // Zeroed memory fresh from the system costs nothing until it is touched: a connection
            // that holds 10 bytes of a line costs one page of its buffer, not all of it.
            let buffer = vec![0; self.buffer_bytes].into_boxed_slice();
            Storage(Some(Box::new(buffer)))
        })
    }

    /// Takes a buffer back.
    #[inline]
    pub(crate) fn put(&mut self, storage: Storage) {
        let kept = self.spare.len();
        if storage.0.is_some() && (kept == 0 || (kept + 1) * self.buffer_bytes <= SPARE_BYTES) {
            self.spare.push(storage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut pool = Pool::new(SPARE_BYTES / 4);
        let lent: Vec<_> = (0..10).map(|_| pool.take()).collect();
        assert!(lent.iter().all(|it| it.as_ref().len() == SPARE_BYTES / 4));
        lent.into_iter().for_each(|storage| pool.put(storage));
        assert_eq!(pool.spare.len(), 4);

        let mut large = Pool::new(SPARE_BYTES * 2);
        let lent = [large.take(), large.take()];
        lent.into_iter().for_each(|storage| large.put(storage));
        assert_eq!(large.spare.len(), 1);
    }

    #[test]
    fn an_empty_storage_is_no_buffer() {
        let mut pool = Pool::new(8);
        pool.put(Storage::default());
        assert_eq!(pool.take().as_ref().len(), 8);
        assert!(Storage::default().as_mut().is_empty());
    }
}
