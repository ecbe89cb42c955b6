//! A burst: thousands of connections that are opened at once, as after a failover of a balancer.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::PATIENCE;
use super::load::{check, prepare};
use super::pattern::Pattern;
use super::server::Server;
use crate::bench::context;

/// The line that goes over each connection of a burst.
const LINE_BYTES: usize = 64;

/// The figures of a burst.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Connections opened in a second, from the first `connect` until all were established.
    pub opened_per_second: f64,
    /// Connections opened and served in a second, from the first `connect` until each had a line
    /// echoed.
    pub served_per_second: f64,
}

/// Opens `connections` connections to `server` at once, then sends a line over each.
///
/// # Errors
///
/// When one cannot be opened, breaks or stands still, or a byte comes back wrong.
pub fn run(server: &Server, connections: usize) -> io::Result<Burst> {
    let pattern = Pattern::new(LINE_BYTES);
    let mut poll = Poll::new()?;
    let mut streams = Vec::with_capacity(connections);
    let both = Interest::READABLE | Interest::WRITABLE;

    let start = Instant::now();
    for number in 0..connections {
        let mut stream = TcpStream::connect(server.address())?;
        poll.registry().register(&mut stream, Token(number), both)?;
        streams.push(stream);
    }
    let mut established = vec![false; connections];
    each(&mut poll, connections, |number, event| {
        if !event.is_writable() || established[number] {
            return Ok(false);
        }
        if let Some(error) = streams[number].take_error()? {
            return Err(error);
        }
        established[number] = true;
        Ok(true)
    })?;
    let opened = start.elapsed();

    for (number, stream) in streams.iter_mut().enumerate() {
        prepare(stream)?;
        // A new connection has room for a line.
        stream.write_all(pattern.at(pattern.start(number), LINE_BYTES))?;
    }
    let mut received = vec![0; connections];
    each(&mut poll, connections, |number, event| {
        let mut buffer = [0; LINE_BYTES + 1];
        if !event.is_readable() {
            return Ok(false);
        }
        let length = match streams[number].read(&mut buffer) {
            Ok(0) => return Err(io::Error::other("the server closed it")),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let position = pattern.start(number) + received[number];
        check(&pattern, position, &buffer[..length])?;
        received[number] += length as u64;
        Ok(received[number] == LINE_BYTES as u64)
    })?;
    let served = start.elapsed();

    let per_second = |time: Duration| connections as f64 / time.as_secs_f64();
    Ok(Burst {
        opened_per_second: per_second(opened),
        served_per_second: per_second(served),
    })
}

/// Hands events to `done` until it has said of `connections` connections that they are.
fn each(
    poll: &mut Poll,
    connections: usize,
    mut done: impl FnMut(usize, &mio::event::Event) -> io::Result<bool>,
) -> io::Result<()> {
    let mut events = Events::with_capacity(1024);
    let mut finished = 0;
    while finished < connections {
        match poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        if events.is_empty() {
            return Err(io::Error::other(format!(
                "nothing happened for {PATIENCE:?}, {finished} of {connections} connections were served"
            )));
        }
        for event in &events {
            let number = event.token().0;
            if done(number, event).map_err(context(format_args!("connection {number}")))? {
                finished += 1;
            }
        }
    }
    Ok(())
}
