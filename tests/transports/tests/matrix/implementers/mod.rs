//! The transports, one file for each family.

mod edge;
mod embassy_sync;
mod futures;
mod serial;
mod std;
mod tokio;
mod usb;

#[cfg(target_os = "linux")]
mod embassy_net;
#[cfg(target_os = "linux")]
mod tls;

use crate::table::Row;

/// Every transport, in the order of the table.
pub(crate) fn rows() -> Vec<Row> {
    let families = [
        std::rows(),
        serial::rows(),
        tokio::rows(),
        futures::rows(),
        edge::rows(),
        embassy_sync::rows(),
        usb::rows(),
    ];
    #[cfg(target_os = "linux")]
    let linux = [tls::rows(), embassy_net::rows()];
    #[cfg(not(target_os = "linux"))]
    let linux = [];
    families.into_iter().chain(linux).flatten().collect()
}
