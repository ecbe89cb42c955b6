//! A connection by tokio-rustls over a transport of 1,000 bytes, which cuts its records in pieces.

use std::sync::Arc;

use tokio::io::{DuplexStream, duplex};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub(crate) type Server = server::TlsStream<DuplexStream>;
pub(crate) type Client = client::TlsStream<DuplexStream>;

/// For `localhost`, signed by itself, for a hundred years: `openssl req -x509 -newkey ec -pkeyopt
/// ec_paramgen_curve:prime256v1 -days 36500 -addext basicConstraints=critical,CA:FALSE`.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.der");
const KEY: &[u8] = include_bytes!("tls/key.der");

/// Connects both sides.
pub(crate) async fn tls_pair() -> (Server, Client) {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(CERTIFICATE))
        .expect("a certificate");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (ours, theirs) = duplex(1000);
    let name = "localhost".try_into().expect("a name");
    let connecting = TlsConnector::from(Arc::new(client)).connect(name, theirs);
    let (server, client) = tokio::join!(accept(ours), connecting);
    (server, client.expect("connect"))
}

/// Accepts a client.
pub(crate) async fn accept(stream: DuplexStream) -> Server {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(KEY));
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .expect("a certificate");
    let accepting = TlsAcceptor::from(Arc::new(server)).accept(stream);
    accepting.await.expect("accept")
}
