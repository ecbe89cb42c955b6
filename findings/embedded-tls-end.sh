#!/bin/sh
# embedded-tls: when the peer ends its direction (close_notify), a read is the error ConnectionClosed
# and not Ok(0), the end of embedded-io; and nothing can be written any more, though TLS 1.3 has the
# other direction stay open (RFC 8446, 6.1). An answer to a peer that half-closes cannot be sent.
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
embedded-io-adapters = { version = "=0.7.0", features = ["tokio-1"] }
embedded-tls = { version = "=0.19.0", default-features = false, features = ["std"] }
rand_core = { version = "=0.6.4", features = ["getrandom"] }
rcgen = { version = "=0.14.10", default-features = false, features = ["crypto", "ring"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "rt"] }
tokio-rustls = { version = "=0.26.6", default-features = false, features = ["ring"] }
END
cat > src/main.rs <<'END'
use std::sync::Arc;

use embedded_io_adapters::tokio_1::FromTokio;
use embedded_tls::{Aes128GcmSha256, TlsConfig, TlsConnection, TlsContext, TlsError, UnsecureProvider};
use rand_core::OsRng;
use tokio::io::{AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key).into())
        .unwrap();
    let (ours, theirs) = duplex(100_000);
    let (mut read, mut write) = (vec![0; 16_640], vec![0; 16_640]);
    let mut client = TlsConnection::<_, Aes128GcmSha256>::new(FromTokio::new(ours), &mut read, &mut write);
    let named = TlsConfig::new().with_server_name("localhost");
    let context = TlsContext::new(&named, UnsecureProvider::new::<Aes128GcmSha256>(OsRng));
    let (opened, server) = tokio::join!(client.open(context), TlsAcceptor::from(Arc::new(config)).accept(theirs));
    opened.unwrap();
    let mut server = server.unwrap();

    server.write_all(b"hello\n").await.unwrap();
    server.shutdown().await.unwrap();
    let mut buffer = [0; 100];
    let first = client.read(&mut buffer).await;
    let second = client.read(&mut buffer).await;
    let written = match client.write(b"answer\n").await {
        Ok(_) => client.flush().await,
        Err(error) => Err(error),
    };
    println!("the peer sends a line and a close_notify");
    println!("read: {first:?}, then {second:?}; write and flush: {written:?}");
    let is_end = |result: &Result<_, _>| matches!(result, Err(TlsError::ConnectionClosed));
    let is_so = matches!(first, Ok(6)) && is_end(&second.map(drop)) && written.is_err();
    std::process::exit(i32::from(!is_so));
}
END
echo "embedded-tls 0.19.0"
cargo run --quiet
