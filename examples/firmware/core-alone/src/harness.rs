//! The stand-in for the world: a transport of which nothing is known, and the proof's panic
//! handler.

use core::hint::black_box;
use core::panic::PanicInfo;
use core::time::Duration;

use linecho_core::embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use linecho_core::{Config, LongLines};

/// Known only at run time, so that the code for every policy and both deadlines stays in.
pub static CONFIG: Config = Config::new()
    .long_lines(LongLines::Discard)
    .idle_timeout(Some(Duration::from_secs(300)))
    .write_timeout(Some(Duration::from_secs(30)));

/// Any result is possible, as far as the compiler knows, and none of the code is the core's.
pub struct Transport;

impl ErrorType for Transport {
    type Error = ErrorKind;
}

impl Read for Transport {
    #[inline(never)]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        black_box(buffer);
        black_box(Ok(0))
    }
}

impl Write for Transport {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        black_box(bytes);
        black_box(Ok(0))
    }

    #[inline(never)]
    fn flush(&mut self) -> Result<(), ErrorKind> {
        black_box(Ok(()))
    }
}

impl ReadReady for Transport {
    #[inline(never)]
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        black_box(Ok(true))
    }
}

impl WriteReady for Transport {
    #[inline(never)]
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        black_box(Ok(true))
    }
}

#[panic_handler]
#[inline(never)]
fn panic(info: &PanicInfo) -> ! {
    black_box(info);
    #[cfg(not(feature = "name-culprits"))]
    {
        unsafe extern "C" {
            safe fn a_panic_is_reachable() -> !;
        }
        a_panic_is_reachable()
    }
    #[cfg(feature = "name-culprits")]
    loop {}
}

/// The host's precompiled `core` refers to it, although nothing unwinds with `panic = "abort"`.
#[cfg(not(target_os = "none"))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
