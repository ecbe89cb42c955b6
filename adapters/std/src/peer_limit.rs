//! The limit of connections per peer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::peer::Peer;

/// Counts the open connections of each peer, and limits them. UNIX sockets have no limit.
#[derive(Debug)]
pub(crate) struct PeerLimit {
    most: u32,
    open: Mutex<HashMap<[u8; 16], u32>>,
}

impl PeerLimit {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            open: Mutex::default(),
        }
    }

    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Counts one more connection of this peer. Returns `false` if it has as many as it may.
    pub(crate) fn admit(&self, peer: Peer) -> bool {
        let Some(host) = peer.host() else {
            return true;
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(host).or_default();
        let admitted = *count < self.most;
        *count += u32::from(admitted);
        admitted
    }

    /// Counts one connection less of this peer.
    pub(crate) fn release(&self, peer: Peer) {
        let Some(host) = peer.host() else {
            return;
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&host) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn each_peer_has_its_own_limit() {
        let limit = PeerLimit::new(2);
        assert!(limit.admit(peer("10.0.0.1:1")) && limit.admit(peer("10.0.0.1:2")));
        assert!(!limit.admit(peer("10.0.0.1:3")));
        assert!(limit.admit(peer("10.0.0.2:1")));
        limit.release(peer("10.0.0.1:1"));
        assert!(limit.admit(peer("10.0.0.1:4")));
        assert!(!limit.admit(peer("10.0.0.1:5")));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_peer() {
        let limit = PeerLimit::new(1);
        assert!(limit.admit(peer("[2001:db8::1]:1")));
        assert!(!limit.admit(peer("[2001:db8::ffff:2]:1")));
        assert!(limit.admit(peer("[2001:db8:0:1::1]:1")));
    }

    #[test]
    fn link_local_neighbours_are_peers_of_their_own() {
        let limit = PeerLimit::new(1);
        assert!(limit.admit(peer("[fe80::1%2]:1")) && limit.admit(peer("[fe80::2%2]:1")));
        assert!(limit.admit(peer("[fe80::1%3]:1")));
        assert!(!limit.admit(peer("[fe80::1%2]:2")));
    }

    #[test]
    fn unix_sockets_have_no_limit() {
        let limit = PeerLimit::new(1);
        assert!((0..9).all(|_| limit.admit(Peer::UNIX)));
        limit.release(Peer::UNIX);
    }

    #[test]
    fn peers_that_have_gone_leave_nothing() {
        let limit = PeerLimit::new(5);
        let peers = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:2"].map(peer);
        assert!(peers.iter().all(|&it| limit.admit(it)));
        peers.iter().for_each(|&it| limit.release(it));
        assert!(limit.open.lock().unwrap().is_empty());
    }
}
