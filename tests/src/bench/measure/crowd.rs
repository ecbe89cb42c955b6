//! A crowd: thousands of connections, what opening and closing one costs the server, and a line
//! over each of them in turn.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::PATIENCE;
use super::load::check;
use super::machine::Cores;
use super::pattern::Pattern;
use super::server::{Program, Server};
use crate::bench::context;

/// Connections: as many as fit below a limit of 20,000 open files.
pub const CONNECTIONS: usize = 19_000;

/// The bytes of a line.
const LINE_BYTES: usize = 64;

/// How often a line goes over each connection.
const PASSES: usize = 3;

/// Microseconds of CPU time that a fresh server takes for a connection: to open it, for a line over
/// it, and to close it. The server may use both cores.
///
/// # Errors
///
/// When a connection cannot be opened, breaks or stands still, or a byte comes back wrong.
pub fn costs(program: &Program, cores: Cores) -> io::Result<[f64; 3]> {
    let server = Server::start_on_both(program, cores)?;
    let pattern = Pattern::new(LINE_BYTES);
    let open_files = server.open_files()?;
    let mut streams = Vec::with_capacity(CONNECTIONS);

    let opening = server.cpu_time()?;
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect_timeout(&server.address(), PATIENCE)
            .map_err(context(format_args!("connection {number}")))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        streams.push(stream);
    }
    server.settled(open_files + CONNECTIONS)?;
    let serving = server.cpu_time()?;
    for _ in 0..PASSES {
        for (number, stream) in streams.iter_mut().enumerate() {
            echo_line(stream, &pattern, pattern.start(number))
                .map_err(context(format_args!("connection {number}")))?;
        }
    }
    server.settled(open_files + CONNECTIONS)?;
    let closing = server.cpu_time()?;
    drop(streams);
    server.settled(open_files)?;
    let closed = server.cpu_time()?;

    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e6 / count as f64;
    Ok([
        each(serving - opening, CONNECTIONS),
        each(closing - serving, CONNECTIONS * PASSES),
        each(closed - closing, CONNECTIONS),
    ])
}

fn echo_line(stream: &mut TcpStream, pattern: &Pattern, position: u64) -> io::Result<()> {
    let mut echo = [0; LINE_BYTES];
    stream.write_all(pattern.at(position, LINE_BYTES))?;
    stream.read_exact(&mut echo)?;
    check(pattern, position, &echo)
}
