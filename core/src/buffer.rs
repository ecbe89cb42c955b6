//! The one buffer of a session or a probe, and all index arithmetic of the crate.
//!
//! ```text
//! 0       start          mark           end         capacity
//! ├─ gone ──┼──── front ───┼──── back ────┼─── free ───┤
//! ```
//!
//! | part  | in a session               | in a probe                       |
//! |-------|----------------------------|----------------------------------|
//! | front | ready to go back           | sent, not yet come back          |
//! | back  | the unfinished line        | queued, not yet sent             |
//! | free  | where the next input goes  | where the next line is queued    |
//!
//! Bytes enter at `end`, pass `mark`, leave at `start`: copied in once, out once, and moved to make
//! room only by [`Buffer::move_to_front`]. No method panics: every slice is taken with `get`, and
//! every count is cut to what is there.

/// A contiguous queue of bytes with a mark in it, over storage that its owner provides.
#[derive(Clone, Debug)]
pub(crate) struct Buffer<S> {
    storage: S,
    // 32 bits are enough for a line, and keep an idle connection small.
    start: u32,
    mark: u32,
    end: u32,
    /// Bytes moved to make room, ever: tests prove by it that work is linear.
    #[cfg(test)]
    pub(crate) moved: u64,
}

impl<S: AsRef<[u8]> + AsMut<[u8]>> Buffer<S> {
    pub(crate) const fn new(storage: S) -> Self {
        Self {
            storage,
            start: 0,
            mark: 0,
            end: 0,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// Returns the most bytes that can be held.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity_u32() as usize
    }

    fn capacity_u32(&self) -> u32 {
        u32::try_from(self.storage.as_ref().len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn front(&self) -> &[u8] {
        self.slice(self.start, self.mark)
    }

    pub(crate) fn back(&self) -> &[u8] {
        self.slice(self.mark, self.end)
    }

    fn slice(&self, from: u32, to: u32) -> &[u8] {
        self.storage
            .as_ref()
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// Returns the number of bytes in front and back.
    pub(crate) fn held(&self) -> usize {
        self.end.wrapping_sub(self.start) as usize
    }

    /// Returns the number of bytes that left before what is held: a move would make room for them.
    pub(crate) fn gone(&self) -> usize {
        self.start as usize
    }

    pub(crate) fn has_front(&self) -> bool {
        self.start != self.mark
    }

    /// Returns true if something is held, and all of it in the back.
    pub(crate) fn has_back_only(&self) -> bool {
        self.start == self.mark && self.mark != self.end
    }

    pub(crate) fn free(&mut self) -> &mut [u8] {
        let (end, capacity) = (self.end as usize, self.capacity());
        self.storage
            .as_mut()
            .get_mut(end..capacity)
            .unwrap_or_default()
    }

    pub(crate) fn free_len(&self) -> usize {
        self.capacity_u32().saturating_sub(self.end) as usize
    }

    /// Takes in `n` bytes that were put at the beginning of [`free`](Self::free), and shows them.
    pub(crate) fn fill(&mut self, n: usize) -> &[u8] {
        let (end, capacity) = (self.end as usize, self.capacity());
        let free = self.storage.as_ref().get(end..capacity).unwrap_or_default();
        let fresh = free.get(..n).unwrap_or(free);
        // The cast loses nothing: the capacity is one of 32 bits.
        self.end = self.end.wrapping_add(fresh.len() as u32);
        fresh
    }

    /// Moves the mark: the first `n` bytes of the back join the front.
    pub(crate) fn pass(&mut self, n: usize) {
        self.mark = advanced(self.mark, n, self.end);
    }

    /// Moves the mark so that only the last `n` bytes are left in the back.
    pub(crate) fn pass_all_but(&mut self, n: usize) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.mark = self.mark.max(self.end.saturating_sub(n));
    }

    /// Returns true if the back alone fills the storage.
    pub(crate) fn is_full_of_back(&self) -> bool {
        self.mark == 0 && self.end != 0 && self.free_len() == 0
    }

    /// Lets the first `n` bytes of the front go, and returns how many went. An empty buffer starts
    /// again at 0, for free.
    pub(crate) fn consume(&mut self, n: usize) -> usize {
        let before = self.start;
        self.start = advanced(before, n, self.mark);
        let gone = self.start.wrapping_sub(before);
        if self.start == self.end {
            self.clear();
        }
        gone as usize
    }

    /// Lets everything go.
    pub(crate) fn clear(&mut self) {
        (self.start, self.mark, self.end) = (0, 0, 0);
    }

    /// Lets the back go.
    pub(crate) fn clear_back(&mut self) {
        self.end = self.mark;
    }

    /// Moves what is held to the beginning of the storage. Callers see to it that there is
    /// something [gone](Self::gone), and that no byte is moved more than once (a session), or
    /// that the cost is paid by bytes that have gone (a probe).
    pub(crate) fn move_to_front(&mut self) {
        let (start, end) = (self.start as usize, self.end as usize);
        let used = self.storage.as_mut().get_mut(..end).unwrap_or_default();
        // It is `start`; said like this, it spares the panic path of `copy_within`.
        used.copy_within(start.min(used.len()).., 0);
        #[cfg(test)]
        {
            self.moved += (end - start) as u64;
        }
        self.shift_to_zero();
    }

    /// Exchanges the storage. What is held moves along; if it does not fit with `room` bytes to
    /// spare, nothing changes, and the new storage comes back as the error.
    pub(crate) fn replace(&mut self, mut storage: S, room: usize) -> Result<S, S> {
        let held = self.slice(self.start, self.end);
        let new = storage.as_mut();
        let fits = new.len().saturating_sub(room) >= held.len();
        match new.get_mut(..held.len()).filter(|_| fits) {
            Some(beginning) => beginning.copy_from_slice(held),
            None => return Err(storage),
        }
        self.shift_to_zero();
        Ok(core::mem::replace(&mut self.storage, storage))
    }

    fn shift_to_zero(&mut self) {
        self.mark = self.mark.wrapping_sub(self.start);
        self.end = self.end.wrapping_sub(self.start);
        self.start = 0;
    }
}

/// Returns `index + n`, but not more than `limit`, which is not less than `index`.
// In line it takes a quarter of the time off a short line, but flash on controllers.
#[cfg_attr(target_pointer_width = "64", inline)]
fn advanced(index: u32, n: usize, limit: u32) -> u32 {
    let room = limit.wrapping_sub(index) as usize;
    // The cast loses nothing: `room` came from 32 bits.
    index.wrapping_add(n.min(room) as u32)
}

#[cfg(test)]
mod tests;
