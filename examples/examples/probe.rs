//! Sends lines to an echo, checks every byte that comes back, and prints the round-trip times:
//! `cargo run --example probe -- 127.0.0.1:7007 hello world`.

use std::error::Error;
use std::net::{Shutdown, TcpStream};
use std::{env, time};

use embedded_io_adapters::std::FromStd;
use linecho_core::{Instant, Probe, blocking};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let server = arguments
        .next()
        .ok_or("name a server, such as 127.0.0.1:7007, and lines")?;
    let stream = TcpStream::connect(server)?;
    let mut io = FromStd::new(stream);
    let epoch = time::Instant::now();
    let clock = || Instant::ZERO + epoch.elapsed();

    // Room for the bytes that have not come back, and for one line at a time.
    let mut probe = Probe::<_, 1>::new([0; 4096]);
    for line in arguments {
        probe.queue(line.as_bytes())?;
        probe.queue(b"\n")?;
        blocking::send(&mut probe, &mut io, clock)?;
        blocking::receive(&mut probe, &mut io, &mut [0; 512], clock, |round_trip| {
            println!("{line}: {round_trip:?}");
        })?;
    }
    // The echo closes its side when we have closed ours, and nothing more comes.
    let stream = io.into_inner();
    stream.shutdown(Shutdown::Write)?;
    match std::io::copy(&mut &stream, &mut std::io::sink())? {
        0 => Ok(()),
        more => Err(format!("{more} bytes came that nobody sent").into()),
    }
}
