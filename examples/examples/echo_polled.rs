//! A line echo for many connections on one thread that never blocks:
//! `cargo run --example echo_polled -- 127.0.0.1:7007`.

use std::net::TcpListener;
use std::time::Duration;
use std::{env, io, thread, time};

use linecho_core::polled::{self, Turn};
use linecho_core::{Config, Instant, Session};
use linecho_std::NonBlocking;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("listening {}", listener.local_addr()?);

    let epoch = time::Instant::now();
    let config = Config::new().idle_timeout(Some(Duration::from_secs(300)));
    let mut connections = Vec::new();
    loop {
        let now = Instant::ZERO + epoch.elapsed();
        while let Ok((stream, _)) = listener.accept() {
            let session = Session::new([0; 4096], config, now);
            connections.push((NonBlocking::new(stream)?, session));
        }
        let mut is_idle = true;
        connections.retain_mut(|(socket, session)| {
            let turn = polled::serve(session, socket, now, 4096);
            is_idle &= turn != Turn::Again;
            // A connection closes when it is dropped.
            !matches!(turn, Turn::Ended(_))
        });
        if is_idle {
            // A real loop waits until a socket is ready, or for the earliest `until` of the turns.
            thread::sleep(Duration::from_millis(1));
        }
    }
}
