//! A line echo on a serial port, or any other file:
//! `cargo run --example echo_uart -- /dev/ttyUSB0`.
//!
//! Set the port up first: `stty -F /dev/ttyUSB0 115200 raw -echo`. A terminal program at the other
//! end must send LF for Enter (picocom: `--omap crlf`): a CR ends no line.

use std::error::Error;
use std::fs::File;

use embedded_io_adapters::std::FromStd;
use linecho_core::embedded_io::{Read, Write};
use linecho_core::{Config, Instant, LongLines, Reason, Session, blocking};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("name a port, such as /dev/ttyUSB0")?;
    let mut port = FromStd::new(File::options().read(true).write(true).open(path)?);
    println!("{}", echo(&mut port));
    Ok(())
}

/// Serves the port until it fails or ends: the same on a board, with the UART of its HAL.
fn echo(port: &mut (impl Read + Write)) -> Reason {
    // Noise may look like a line without end: it is dropped, and the next line is whole again.
    let config = Config::new().long_lines(LongLines::Discard);
    let mut session = Session::new([0; 256], config, Instant::ZERO);
    blocking::serve(&mut session, port)
}
