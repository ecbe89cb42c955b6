//! Counts the instructions that a board executes, by the address of each.
//!
//! QEMU translates one instruction at a time then, does not chain what it has translated, and logs
//! the address of each translation that it runs (`-d exec,nochain`; QEMU's manual, "Logging"). The
//! counts are those of the emulator: there is no pipeline and no wait state in them.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The bytes of flash whose instructions are told apart.
const FLASH: usize = 256 << 10;

/// The time without an instruction after which a board sleeps: emulation takes less than a
/// microsecond for each.
const SILENCE: Duration = Duration::from_millis(15);

/// Instructions so far, for each half-word of flash.
#[derive(Clone, Debug)]
pub struct Counts {
    by_address: Vec<u32>,
    total: u64,
}

impl Counts {
    fn new() -> Self {
        Self {
            by_address: vec![0; FLASH / 2],
            total: 0,
        }
    }

    /// All instructions.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The instructions at `bytes` bytes from `address` on.
    #[must_use]
    pub fn in_range(&self, address: u64, bytes: u64) -> u64 {
        let half_word = |address: u64| (address as usize / 2).min(self.by_address.len());
        let range = half_word(address)..half_word(address + bytes);
        self.by_address[range].iter().copied().map(u64::from).sum()
    }

    /// The instructions of `later` that are not in these.
    #[must_use]
    pub fn until(&self, later: &Self) -> Self {
        let counts = later.by_address.iter().zip(&self.by_address);
        Self {
            by_address: counts.map(|(later, earlier)| later - earlier).collect(),
            total: later.total - self.total,
        }
    }

    fn add(&mut self, address: usize) {
        self.total += 1;
        if let Some(count) = self.by_address.get_mut(address / 2) {
            *count += 1;
        }
    }
}

/// The count of a running board.
#[derive(Clone, Debug)]
pub(crate) struct Counter(Arc<Mutex<Counts>>);

impl Counter {
    /// Counts what is logged to `stream`, and passes on its other lines, until it ends.
    pub(crate) fn of(stream: impl Read + Send + 'static, others: Sender<String>) -> Self {
        let counts = Arc::new(Mutex::new(Counts::new()));
        let counter = Self(Arc::clone(&counts));
        thread::spawn(move || {
            let mut stream = BufReader::with_capacity(1 << 16, stream);
            let mut line = Vec::new();
            while stream
                .read_until(b'\n', &mut line)
                .is_ok_and(|bytes| bytes > 0)
            {
                match executed(&line) {
                    Some(address) => lock(&counts).add(address),
                    None => {
                        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                        let _ = others.send(line);
                    }
                }
                line.clear();
            }
        });
        counter
    }

    fn total(&self) -> u64 {
        lock(&self.0).total
    }

    /// The counts once the board sleeps; `None` if it goes on for longer than `limit`.
    pub(crate) fn asleep(&self, limit: Duration) -> Option<Counts> {
        let until = Instant::now() + limit;
        let mut before = self.total();
        while Instant::now() < until {
            thread::sleep(SILENCE);
            let total = self.total();
            if total == before {
                return Some(lock(&self.0).clone());
            }
            before = total;
        }
        None
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address in a line of QEMU's log, such as
/// `Trace 0: 0x7f.. [00400000/000041a2/00000110/ff000000] main`.
fn executed(line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(b"Trace ")?;
    let fields = rest.split(|&byte| byte == b'[').nth(1)?;
    let address = fields.split(|&byte| byte == b'/').nth(1)?;
    usize::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_the_log() {
        let line = b"Trace 0: 0x7f06c8000100 [00400000/000041a2/00000110/ff000201] main\n";
        assert_eq!(executed(line), Some(0x41a2));
        assert_eq!(executed(b"qemu-system-arm: something else\n"), None);
    }

    #[test]
    fn counts_are_of_ranges_and_between_two_moments() {
        let mut counts = Counts::new();
        counts.add(0x100);
        let before = counts.clone();
        for address in [0x100, 0x102, 0x104, 0x1000_0000] {
            counts.add(address);
        }
        let since = before.until(&counts);
        assert_eq!(since.total(), 4);
        assert_eq!(since.in_range(0x100, 4), 2);
        assert_eq!(since.in_range(0, FLASH as u64), 3);
    }
}
