#!/bin/sh
# tokio-rustls: a write into a transport that is full returns Ok, and nothing sends the bytes until
# the next write or flush: reading, which is how a server waits for its next request, never does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "finding"
edition = "2024"
[dependencies]
rcgen = { version = "=0.14.10", default-features = false, features = ["crypto", "ring"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "rt", "time"] }
tokio-rustls = { version = "=0.26.6", default-features = false, features = ["ring"] }
END
cat > src/main.rs <<'END'
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key).into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let (ours, theirs) = duplex(1000);
    let (server, client) = tokio::join!(
        TlsAcceptor::from(Arc::new(server)).accept(ours),
        TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), theirs),
    );
    let (mut server, mut client) = (server.unwrap(), client.unwrap());

    let written = server.write(&[b'x'; 5000]).await.unwrap();
    println!("write of 5000 bytes into a transport of 1000 bytes: Ok({written})");
    // The server now reads, and the client reads everything that comes.
    let mut got = vec![0; 5000];
    let reading = async {
        let mut request = [0; 10];
        tokio::join!(server.read(&mut request), client.read_exact(&mut got))
    };
    let first = timeout(Duration::from_secs(3), reading).await;
    println!("all of it came while the server was reading for 3 s: {}", first.is_ok());
    let flushing = async { tokio::join!(server.flush(), client.read(&mut got)) };
    let second = timeout(Duration::from_secs(3), flushing).await.unwrap().1.unwrap();
    println!("the server flushes: more comes: {}", second > 0);
    std::process::exit(i32::from(!(written == 5000 && first.is_err() && second > 0)));
}
END
echo "tokio-rustls 0.26.6, tokio 1.54.1"
cargo run --quiet
