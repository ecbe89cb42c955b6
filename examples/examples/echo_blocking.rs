//! A line echo with one thread a connection: `cargo run --example echo_blocking -- 127.0.0.1:7007`.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use std::{env, io, thread};

use embedded_io_adapters::std::FromStd;
use linecho_core::{Config, Instant, LongLines, Session, blocking};

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let listener = TcpListener::bind(address)?;
    println!("listening {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(|| {
            let peer = stream.peer_addr();
            println!("{peer:?}: {:?}", echo(stream));
        });
    }
    Ok(())
}

fn echo(stream: TcpStream) -> io::Result<String> {
    // The blocking driver has no deadlines: the socket's timeouts end a session that stands still.
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    stream.set_write_timeout(Some(Duration::from_secs(300)))?;
    let config = Config::new().long_lines(LongLines::Flush);
    let mut session = Session::new([0; 4096], config, Instant::ZERO);
    let mut io = FromStd::new(stream);
    let reason = blocking::serve(&mut session, &mut io);
    if reason.is_orderly() {
        io.into_inner().shutdown(Shutdown::Write)?;
    }
    Ok(reason.to_string())
}
