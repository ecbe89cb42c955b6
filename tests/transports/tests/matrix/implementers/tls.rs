//! TLS by tokio-rustls, with the core on either side.

use embedded_io_adapters::tokio_1::FromTokio;

use embedded_tls::{
    Aes128GcmSha256, TlsConfig, TlsConnection, TlsContext, TlsError, UnsecureProvider,
};
use linecho_core::embedded_io::{Error as _, ErrorKind};
use linecho_core::transport::Interpret;
use rand_core::OsRng;
use tokio::io::DuplexStream;

use crate::driven::{Async, Close};
use crate::peer::Tokio;
use crate::table::{Row, row};
use crate::tls::{Client, Server, accept, tls_pair};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "`tokio_rustls::server::TlsStream`",
            "tokio-rustls",
            as_server,
        ),
        row(
            "`tokio_rustls::client::TlsStream`",
            "tokio-rustls",
            as_client,
        ),
        row("`embedded_tls::TlsConnection`", "embedded-tls", embedded)
            // A call that is given up loses half a record. The peer's close_notify closes both
            // ways.
            .fails(&["half-close", "cancelled"]),
    ]
}

async fn as_server() -> (Async<FromTokio<Server>>, Tokio<Client>) {
    let (server, client) = tls_pair().await;
    (Async(FromTokio::new(server)), Tokio(client))
}

async fn as_client() -> (Async<FromTokio<Client>>, Tokio<Server>) {
    let (server, client) = tls_pair().await;
    (Async(FromTokio::new(client)), Tokio(server))
}

type Embedded = TlsConnection<'static, FromTokio<DuplexStream>, Aes128GcmSha256>;
type Meaning = fn(Result<usize, TlsError>) -> Result<usize, ErrorKind>;

/// The end of the peer is an error of embedded-tls.
fn meaning(result: Result<usize, TlsError>) -> Result<usize, ErrorKind> {
    match result {
        Err(TlsError::ConnectionClosed) => Ok(0),
        result => result.map_err(|error| error.kind()),
    }
}

impl Close for Interpret<Embedded, Meaning> {}

async fn embedded() -> (Async<Interpret<Embedded, Meaning>>, Tokio<Server>) {
    let (ours, theirs) = tokio::io::duplex(1000);
    let buffer = || vec![0; 16_640].leak();
    let mut tls = Embedded::new(FromTokio::new(ours), buffer(), buffer());
    let config = TlsConfig::new().with_server_name("localhost");
    let context = TlsContext::new(&config, UnsecureProvider::new::<Aes128GcmSha256>(OsRng));
    let (opened, server) = tokio::join!(tls.open(context), accept(theirs));
    opened.expect("open");
    (Async(Interpret::new(tls, meaning)), Tokio(server))
}
