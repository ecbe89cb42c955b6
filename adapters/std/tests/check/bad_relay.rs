//! A relay with one fault at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A fault of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Ends both directions at the client's half-close, as soon as the server is quiet.
    HalfCloseDropped,
    /// The client's half-close is not passed on.
    HalfCloseSwallowed,
    /// Drops what is on its way back at the client's half-close.
    InFlightDropped,
    /// The last byte before the server's end is dropped.
    TailDropped,
    /// The server's end is not passed on.
    FinNotPassed,
    /// A client's reset reaches the server as an end.
    ResetToFin,
    /// Both ends are reset at the end.
    BothReset,
    ByteFlipped,
    ByteLost,
    SegmentsSwapped,
    Duplicated,
    CrAdded,
    EighthBitCleared,
    IacEaten,
    Stall,
    /// Lines of less than three bytes wait for more.
    ShortLinesHeld,
    Unbounded,
    /// Nothing that is longer in one piece passes.
    NothingOver1400,
    IdleCut,
    OneConnection,
    /// Another server takes over after five pieces.
    AnotherServer,
}

/// A byte of the stream at which something happens, where only a long stream comes.
const FAR: u64 = 1_000_000;

pub(crate) fn start(server: SocketAddr, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let open = Arc::clone(&open);
            if fault == Fault::OneConnection && stays_open(&open) {
                continue;
            }
            open.fetch_add(1, SeqCst);
            thread::spawn(move || {
                relay(&client, server, fault);
                open.fetch_sub(1, SeqCst);
            });
        }
    });
    address
}

/// Relays one connection without a fault, in a thread.
pub(crate) fn pass(client: TcpStream, server: SocketAddr) {
    thread::spawn(move || relay(&client, server, Fault::None));
}

/// A connection that is about to end does not count.
fn stays_open(open: &AtomicUsize) -> bool {
    let began = Instant::now();
    while open.load(SeqCst) > 0 {
        if began.elapsed() > Duration::from_millis(300) {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

fn relay(client: &TcpStream, address: SocketAddr, fault: Fault) {
    let Ok(server) = TcpStream::connect(address) else {
        return;
    };
    for stream in [client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    thread::scope(|scope| {
        let back = scope.spawn(|| to_client(&server, client, fault));
        if fault == Fault::AnotherServer {
            another_server(client, &server, address);
        } else {
            to_server(client, &server, fault);
        }
        let _ = back.join();
    });
    if fault == Fault::BothReset {
        for stream in [client, &server] {
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }
}

fn to_server(mut client: &TcpStream, mut server: &TcpStream, fault: Fault) {
    let mut buffer = vec![0; 64 * 1024];
    let mut held = Vec::new();
    let idle = Duration::from_secs(3);
    if fault == Fault::IdleCut {
        client.set_read_timeout(Some(idle)).unwrap();
    }
    if fault == Fault::Unbounded {
        return without_bounds(client, server);
    }
    loop {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                let piece = &buffer[..n];
                match fault {
                    Fault::NothingOver1400 if n > 1400 => loop {
                        // Until the client gives up.
                        if !matches!(client.read(&mut buffer), Ok(1..)) {
                            let _ = server.shutdown(Shutdown::Both);
                            return;
                        }
                    },
                    Fault::ShortLinesHeld => {
                        held.extend_from_slice(piece);
                        if held.len() >= 3 && server.write_all(&std::mem::take(&mut held)).is_err()
                        {
                            break;
                        }
                    }
                    // A piece waits for the acknowledgement of the one before, which is late.
                    Fault::Stall if n < 8 => {
                        thread::sleep(Duration::from_millis(40));
                        let _ = server.write_all(piece);
                    }
                    _ if server.write_all(piece).is_err() => break,
                    _ => {}
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = client.shutdown(Shutdown::Both);
                break;
            }
            Err(_) if fault != Fault::ResetToFin => {
                SockRef::from(server)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                // Ends the other direction, too; the drop resets.
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Read);
                return;
            }
            Err(_) => break,
        }
    }
    let _ = server.write_all(&held);
    match fault {
        Fault::HalfCloseDropped => {
            // Until the server has been quiet for a moment.
            thread::sleep(Duration::from_millis(300));
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
        Fault::InFlightDropped => {
            let _ = client.shutdown(Shutdown::Write);
            let _ = server.shutdown(Shutdown::Write);
        }
        // The connection stays, until the client goes.
        Fault::HalfCloseSwallowed => {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(60) && client.take_error().is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
            let _ = server.shutdown(Shutdown::Both);
        }
        _ => drop(server.shutdown(Shutdown::Write)),
    }
}

/// Reads all that comes, and writes it when it can.
fn without_bounds(mut client: &TcpStream, mut server: &TcpStream) {
    let (sender, pieces) = std::sync::mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces {
                if server.write_all(&piece).is_err() {
                    return;
                }
            }
            let _ = server.shutdown(Shutdown::Write);
        });
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = client.read(&mut buffer) {
            let _ = sender.send(buffer[..n].to_vec());
        }
        drop(sender);
    });
}

/// After five pieces of the client, the next ones go to a new connection.
fn another_server(mut client: &TcpStream, server: &TcpStream, address: SocketAddr) {
    let mut buffer = vec![0; 64 * 1024];
    let mut pieces = 0;
    let mut other: Option<TcpStream> = None;
    thread::scope(|scope| {
        while let Ok(n @ 1..) = client.read(&mut buffer) {
            pieces += 1;
            if pieces == 6 {
                let new = TcpStream::connect(address).unwrap();
                let from = new.try_clone().unwrap();
                scope.spawn(move || to_client(&from, client, Fault::None));
                other = Some(new);
            }
            let mut server = other.as_ref().unwrap_or(server);
            if server.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        if let Some(other) = &other {
            let _ = server.shutdown(Shutdown::Both);
            let _ = other.shutdown(Shutdown::Write);
        } else {
            let _ = server.shutdown(Shutdown::Write);
        }
    });
}

fn to_client(mut server: &TcpStream, mut client: &TcpStream, fault: Fault) {
    let mut buffer = vec![0; 4096];
    let mut at: u64 = 0;
    let mut held: Vec<u8> = Vec::new();
    while let Ok(n @ 1..) = server.read(&mut buffer) {
        let mut piece = buffer[..n].to_vec();
        let reached = (at..at + n as u64).contains(&FAR);
        at += n as u64;
        match fault {
            Fault::ByteFlipped if reached => piece[0] ^= 0x20,
            Fault::ByteLost if reached => drop(piece.remove(0)),
            Fault::Duplicated if reached => piece.extend(piece.clone()),
            // It comes behind the next one.
            Fault::SegmentsSwapped if reached => {
                held = piece;
                continue;
            }
            Fault::SegmentsSwapped if !held.is_empty() => piece.append(&mut held),
            Fault::TailDropped => {
                held.extend(&piece);
                let last = held.pop();
                piece = std::mem::take(&mut held);
                held.extend(last);
                // It is not the last if more comes soon.
                if is_quiet(server) {
                    piece.append(&mut held);
                }
            }
            Fault::CrAdded => {
                let mut added = Vec::new();
                for byte in piece {
                    if byte == b'\n' && added.last() != Some(&b'\r') {
                        added.push(b'\r');
                    }
                    added.push(byte);
                }
                piece = added;
            }
            Fault::EighthBitCleared => piece.iter_mut().for_each(|byte| *byte &= 0x7f),
            Fault::IacEaten => piece = without_iac(&piece),
            Fault::InFlightDropped => {
                // Slow, so that there is something on its way.
                thread::sleep(Duration::from_millis(2));
            }
            _ => {}
        }
        if client.write_all(&piece).is_err() {
            break;
        }
    }
    // With another server the client's stream is not at its end; the drop closes it.
    if !matches!(
        fault,
        Fault::FinNotPassed | Fault::BothReset | Fault::AnotherServer
    ) {
        let _ = client.shutdown(Shutdown::Write);
    }
    if fault == Fault::FinNotPassed {
        thread::sleep(Duration::from_secs(4));
    }
}

/// Nothing comes, and no end.
fn is_quiet(server: &TcpStream) -> bool {
    server
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let quiet = server.peek(&mut [0]).is_err();
    server.set_read_timeout(None).unwrap();
    quiet
}

/// In a piece that is whole, which the commands of the check are.
fn without_iac(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i..] {
            [255, 255, ..] => {
                out.push(255);
                i += 2;
            }
            [255, 251..=254, ..] => i += 3,
            [255, _, ..] => i += 2,
            _ => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    out
}
