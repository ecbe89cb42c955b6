//! Questions that a server answers which identifies itself.

use std::net::SocketAddr;
use std::sync::PoisonError;

use super::Check;
use super::row::{Grade, Question, Row};
use crate::client::cause::counted;
use crate::{Backends, Identity};

impl Check {
    /// Sums up the greetings of all connections; nothing if there were none.
    pub(super) fn identities(&self) -> Vec<Row> {
        let greetings = &self.common.greetings;
        let greetings = greetings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((identity, ours, theirs)) = greetings.last() else {
            return Vec::new();
        };
        let mut backends = Backends::default();
        for (identity, ..) in &*greetings {
            backends.connected(&identity.backend);
        }
        vec![answered(&backends), proxy_header(identity, *ours, *theirs)]
    }
}

fn answered(backends: &Backends) -> Row {
    let each: Vec<_> = backends
        .iter()
        .map(|it| {
            let (backend, version) = (&it.backend, &it.backend.version);
            format!(
                "{backend} of version {version} on {}",
                counted(it.connections, "connection")
            )
        })
        .collect();
    let verdict = match each.len() {
        1 => "one",
        _ => "several",
    };
    Row::new(Question::Backends, Grade::Good, verdict)
        .figure(each.len() as f64, "servers")
        .found(each.join("; "))
}

/// Compares the addresses that the server sees with those of our end of the connection.
fn proxy_header(identity: &Identity, ours: SocketAddr, theirs: SocketAddr) -> Row {
    let question = Question::ProxyHeader;
    let Identity { peer, proxy, .. } = identity;
    let Some(proxy) = proxy else {
        let found = match is_same(peer, ours) {
            true => format!("the server sees this end as its peer, {peer}"),
            false => format!("the server sees {peer} as its peer, this end is {ours}"),
        };
        return Row::new(question, Grade::Good, "none").found(found);
    };
    let (version, relay) = (proxy.version, &proxy.relay);
    let (Some(source), Some(destination)) = (&proxy.source, &proxy.destination) else {
        return Row::new(question, Grade::Poor, "names nobody").found(format!(
            "version {version} from {relay}, without an address of the client"
        ));
    };
    let named =
        format!("version {version} from {relay} names {source}, connected to {destination}");
    match (is_same(source, ours), is_same(destination, theirs)) {
        (true, true) => Row::new(question, Grade::Good, "right").found(named),
        (true, false) => Row::new(question, Grade::Good, "right").found(format!(
            "{named}; this end is connected to {theirs}: another relay or a NAT is between"
        )),
        (false, _) => Row::new(question, Grade::Poor, "another client").found(format!(
            "{named}; this end is {ours}: right only if another relay or a NAT is between"
        )),
    }
}

/// IPv4 addresses may be written as mapped ones.
fn is_same(text: &str, address: SocketAddr) -> bool {
    let canonical = |it: SocketAddr| SocketAddr::new(it.ip().to_canonical(), it.port());
    text.parse()
        .is_ok_and(|it| canonical(it) == canonical(address))
}
