//! Faults of this machine's own end of a connection.

use std::fmt;
use std::net::IpAddr;

/// A fault of this machine's own end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalFault {
    /// No interface has the connection's address any more.
    AddressGone(IpAddr),
    /// The interface with this name is switched off.
    InterfaceDown(String),
    /// The interface with this name has no carrier: a cable that is unplugged, or a switch that is
    /// off.
    NoCarrier(String),
}

impl LocalFault {
    /// Looks for a fault of the interface that has this address; `None` where the system says
    /// nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of(own: IpAddr) -> Option<Self> {
        use nix::net::if_::InterfaceFlags;
        let own = own.to_canonical();
        let has_it = |it: &nix::ifaddrs::InterfaceAddress| {
            let address = it.address?;
            let v4 = address.as_sockaddr_in().map(|it| IpAddr::from(it.ip()));
            let v6 = || address.as_sockaddr_in6().map(|it| IpAddr::from(it.ip()));
            (v4.or_else(v6)? == own).then_some(())
        };
        let interfaces = nix::ifaddrs::getifaddrs().ok()?;
        let mut fault = None;
        let mut found = false;
        for interface in interfaces.filter(|it| has_it(it).is_some()) {
            found = true;
            let name = interface.interface_name;
            if !interface.flags.contains(InterfaceFlags::IFF_UP) {
                fault = Some(Self::InterfaceDown(name));
            } else if !interface.flags.contains(InterfaceFlags::IFF_RUNNING) {
                fault = Some(Self::NoCarrier(name));
            } else {
                return None;
            }
        }
        // A whole network may be of this machine (127.0.0.0/8).
        match found || own.is_loopback() {
            true => fault,
            false => Some(Self::AddressGone(own)),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn of(_: IpAddr) -> Option<Self> {
        None
    }
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressGone(own) => write!(
                f,
                "this machine no longer has the address {own} of the connection"
            ),
            Self::InterfaceDown(name) => {
                write!(f, "the interface {name} of this machine is switched off")
            }
            Self::NoCarrier(name) => write!(
                f,
                "the interface {name} of this machine has no carrier: its link is down"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_words() {
        for (fault, part) in [
            (
                LocalFault::AddressGone([192, 0, 2, 1].into()),
                "no longer has the address 192.0.2.1",
            ),
            (
                LocalFault::InterfaceDown("eth0".into()),
                "eth0 of this machine is switched off",
            ),
            (
                LocalFault::NoCarrier("eth0".into()),
                "eth0 of this machine has no carrier",
            ),
        ] {
            let text = fault.to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_that_no_interface_has_is_gone() {
        // RFC 5737: nobody has it.
        let nobodys = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(
            LocalFault::of(nobodys),
            Some(LocalFault::AddressGone(nobodys))
        );
        for own in [[127, 0, 0, 1], [127, 9, 9, 9]] {
            assert_eq!(LocalFault::of(own.into()), None);
        }
    }
}
