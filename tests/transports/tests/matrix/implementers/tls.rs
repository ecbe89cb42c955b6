//! TLS by tokio-rustls, with the core on either side.

use embedded_io_adapters::tokio_1::FromTokio;

use crate::driven::Async;
use crate::peer::Tokio;
use crate::table::{Row, row};
use crate::tls::{Client, Server, tls_pair};

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
