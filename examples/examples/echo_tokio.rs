//! A line echo with one tokio task a connection:
//! `cargo run --example echo_tokio -- 127.0.0.1:7007`.

use std::time::Duration;
use std::{env, io};

use embedded_io_adapters::tokio_1::FromTokio;
use linecho_core::{Config, Instant, Session, asynchronous};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(async move { println!("{peer}: {:?}", echo(stream).await) });
    }
}

async fn echo(stream: TcpStream) -> io::Result<String> {
    let epoch = time::Instant::now();
    let clock = move || Instant::ZERO + epoch.elapsed();
    let sleep_until =
        move |at: Instant| time::sleep_until(epoch + Duration::from_micros(at.as_micros()));

    let config = Config::new().idle_timeout(Some(Duration::from_secs(300)));
    let mut session = Session::new([0; 4096], config, clock());
    let mut io = FromTokio::new(stream);
    let reason = asynchronous::serve(&mut session, &mut io, clock, sleep_until).await;
    if reason.is_orderly() {
        io.into_inner().shutdown().await?;
    }
    Ok(reason.to_string())
}
