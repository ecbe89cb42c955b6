//! The log: lines of text on the serial line.

use core::fmt::{Arguments, Result, Write};

use crate::board;

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> Result {
        text.bytes().for_each(board::write_byte);
        Ok(())
    }
}

/// Writes a line.
pub fn line(text: Arguments) {
    // The serial line cannot fail.
    let _ = Console.write_fmt(text);
    let _ = Console.write_str("\r\n");
}

/// Logs a line; its arguments are those of `println!`.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::console::line(format_args!($($argument)*)) };
}
