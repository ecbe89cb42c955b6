use std::vec;

use super::*;

/// The state that tests look at and make equal.
impl<S: AsRef<[u8]> + AsMut<[u8]>> Buffer<S> {
    pub(crate) fn storage(&self) -> &[u8] {
        self.storage.as_ref()
    }

    pub(crate) fn positions(&self) -> [usize; 3] {
        [self.start, self.mark, self.end].map(|position| position as usize)
    }

    pub(crate) fn held_bytes(&self) -> &[u8] {
        self.slice(self.start, self.end)
    }

    /// Overwrites the memory that holds nothing.
    pub(crate) fn fill_unused(&mut self, byte: u8) {
        let [start, _, end] = self.positions();
        let storage = self.storage.as_mut();
        storage[..start].fill(byte);
        storage[end..].fill(byte);
    }
}

fn filled(text: &[u8]) -> Buffer<[u8; 8]> {
    let mut buffer = Buffer::new([0; 8]);
    buffer.free()[..text.len()].copy_from_slice(text);
    buffer.fill(text.len());
    buffer
}

#[test]
fn bytes_pass_from_free_to_back_to_front_and_out() {
    let mut buffer = filled(b"abcdef");
    assert_eq!((buffer.front(), buffer.back()), (&b""[..], &b"abcdef"[..]));
    buffer.pass(4);
    assert_eq!((buffer.front(), buffer.back()), (&b"abcd"[..], &b"ef"[..]));
    buffer.consume(3);
    assert_eq!(
        (buffer.front(), buffer.held(), buffer.free_len()),
        (&b"d"[..], 3, 2)
    );
    buffer.move_to_front();
    assert_eq!((buffer.front(), buffer.back()), (&b"d"[..], &b"ef"[..]));
    assert_eq!((buffer.free_len(), buffer.moved), (5, 3));
}

#[test]
fn counts_beyond_what_is_there_are_cut() {
    let mut buffer = filled(b"abc");
    buffer.consume(9);
    assert_eq!(
        buffer.held(),
        3,
        "the back does not leave before it has passed the mark"
    );
    buffer.pass(usize::MAX);
    assert_eq!(buffer.front(), b"abc");
    assert_eq!(buffer.fill(usize::MAX).len(), 5);
    buffer.consume(usize::MAX);
    assert_eq!(buffer.back().len(), 5);
    buffer.clear();
    assert_eq!((buffer.held(), buffer.free_len()), (0, 8));
}

#[test]
fn what_is_held_moves_to_new_storage_if_it_fits() {
    let mut buffer = Buffer::new(vec![0; 8]);
    buffer.fill(6);
    buffer.pass(4);
    buffer.consume(2);
    assert_eq!(buffer.replace(vec![1; 3], 0), Err(vec![1; 3]));
    assert_eq!(buffer.replace(vec![1; 4], 1), Err(vec![1; 4]));
    assert_eq!(buffer.replace(vec![1; 4], 0).unwrap().len(), 8);
    assert_eq!(buffer.replace(vec![1; 5], 1).unwrap().len(), 4);
    assert_eq!((buffer.front(), buffer.back()), (&[0, 0][..], &[0, 0][..]));
    assert_eq!(buffer.free(), [1]);
}
