//! Addresses with the length of their network's prefix, as people write them.

use std::net::IpAddr;

use linecho_smoltcp::smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// Takes an address and a prefix length, such as `192.168.69.1/24`.
///
/// # Errors
///
/// When it is something else, or an address that no host can have.
pub(crate) fn cidr(text: &str) -> Result<IpCidr, String> {
    let example =
        "an address and the length of its prefix are needed, such as 192.168.69.1/24 or fdaa::1/64";
    let (address, prefix) = text.split_once('/').ok_or(example)?;
    let address = IpAddress::from(address.parse::<IpAddr>().map_err(|_| example)?);
    let prefix = prefix.parse().map_err(|_| example)?;
    let bits = bits(address);
    if prefix > bits {
        return Err(format!("a prefix of {address} has at most {bits} bits"));
    }
    host(&address.to_string())?;
    let cidr = IpCidr::new(address, prefix);
    // The first and the last address of a network are no host's, unless there are but two.
    if let IpCidr::Ipv4(v4) = cidr
        && prefix < 31
    {
        if v4.address() == v4.network().address() {
            return Err(format!("{address} is that of the network, not of a host"));
        }
        if Some(v4.address()) == v4.broadcast() {
            return Err(format!("{address} is for all hosts of the network at once"));
        }
    }
    Ok(cidr)
}

/// Takes an address without a prefix length.
///
/// # Errors
///
/// When it is something else, or an address that no host can have.
pub(crate) fn host(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>();
    let address = address.map_err(|_| "an address is needed, such as 192.168.69.100")?;
    // The kernel takes no frame from a loopback address.
    if !IpAddress::from(address).is_unicast() || address.is_loopback() {
        return Err(format!("{address} is not the address of a host"));
    }
    Ok(address)
}

/// An address for the other end of the link, in the same network: `.100` or `::100`, or another if
/// that is not to be had. `None` if there is no other address in the network.
#[must_use]
pub(crate) fn neighbour(own: IpCidr) -> Option<IpCidr> {
    let (number, wanted) = match own.address() {
        IpAddress::Ipv4(address) => (u128::from(address.to_bits()), 100),
        IpAddress::Ipv6(address) => (address.to_bits(), 0x100),
    };
    let host_bits = bits(own.address()) - own.prefix_len();
    let hosts = 1_u128
        .checked_shl(host_bits.into())
        .unwrap_or(0)
        .wrapping_sub(1);
    // In IPv4, the last address is the broadcast address.
    let last = match own.address() {
        IpAddress::Ipv4(_) => hosts.saturating_sub(1),
        IpAddress::Ipv6(_) => hosts,
    };
    let mut hosts_to_try = [wanted, 2, 1].into_iter();
    let host = hosts_to_try.find(|host| *host <= last && *host != number & hosts)?;
    let number = number & !hosts | host;
    let address = match own.address() {
        IpAddress::Ipv4(_) => IpAddr::V4((number as u32).into()),
        IpAddress::Ipv6(_) => IpAddr::V6(number.into()),
    };
    Some(IpCidr::new(address.into(), own.prefix_len()))
}

const fn bits(address: IpAddress) -> u8 {
    match address {
        IpAddress::Ipv4(_) => 32,
        IpAddress::Ipv6(_) => 128,
    }
}

/// Takes a hardware address.
///
/// # Errors
///
/// When it is something else, or an address that no host can have.
pub(crate) fn mac(text: &str) -> Result<EthernetAddress, String> {
    let example = "a hardware address is needed, such as 02:00:00:00:00:01";
    let mut bytes = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() <= 2).ok_or(example)?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| example)?;
    }
    let address = EthernetAddress(bytes);
    match (parts.next(), address.is_unicast() && bytes != [0; 6]) {
        (None, true) => Ok(address),
        (None, false) => Err(format!("{address} is not the address of a host")),
        (Some(_), _) => Err(example.into()),
    }
}

/// A hardware address of our own choice (its second lowest bit says so), which differs from that of
/// another host in the same network as the address does.
pub(crate) fn hardware(address: IpCidr) -> EthernetAddress {
    let number = match address.address() {
        IpAddress::Ipv4(address) => address.to_bits(),
        IpAddress::Ipv6(address) => address.to_bits() as u32,
    };
    let [a, b, c, d] = number.to_be_bytes();
    EthernetAddress([0x02, 0, a, b, c, d])
}

/// A hardware address of our own choice, by chance.
pub(crate) const fn any_hardware(random: u64) -> EthernetAddress {
    let [a, b, c, d, e, ..] = random.to_be_bytes();
    EthernetAddress([0x02, a, b, c, d, e])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        assert_eq!(
            cidr("10.0.0.1/8").map(|it| it.to_string()),
            Ok("10.0.0.1/8".into())
        );
        for text in ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.255/32", "10.0.1.0/23"] {
            assert_eq!(cidr(text).map(|it| it.to_string()), Ok(text.into()));
        }
        assert_eq!(
            cidr("fdaa::1/64").map(|it| it.to_string()),
            Ok("fdaa::1/64".into())
        );
        for (text, part) in [
            ("10.0.0.1", "such as"),
            ("10.0.0.1/", "such as"),
            ("host/24", "such as"),
            ("10.0.0.1/33", "at most 32"),
            ("fdaa::1/129", "at most 128"),
            ("224.0.0.1/8", "not the address of a host"),
            ("0.0.0.0/0", "not the address of a host"),
            ("ff02::1/64", "not the address of a host"),
            ("192.168.69.0/24", "of the network"),
            ("192.168.69.255/24", "for all hosts"),
        ] {
            let error = cidr(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_other_end_is_in_the_same_network() {
        for (own, other) in [
            ("192.168.69.1/24", Some("192.168.69.100/24")),
            ("192.168.69.100/24", Some("192.168.69.2/24")),
            ("10.1.2.3/8", Some("10.0.0.100/8")),
            ("10.0.0.1/30", Some("10.0.0.2/30")),
            ("10.0.0.2/30", Some("10.0.0.1/30")),
            ("10.0.0.1/32", None),
            ("10.0.0.1/0", Some("0.0.0.100/0")),
            ("fdaa::1/64", Some("fdaa::100/64")),
            ("fdaa::100/64", Some("fdaa::2/64")),
            ("fdaa::1/128", None),
        ] {
            let found = neighbour(cidr(own).expect(own));
            assert_eq!(found.map(|it| it.to_string()).as_deref(), other, "{own}");
        }
    }

    #[test]
    fn hardware_addresses_differ_as_addresses_do() {
        let of = |text| hardware(cidr(text).expect(text)).to_string();
        assert_eq!(of("192.168.69.1/24"), "02-00-c0-a8-45-01");
        assert_eq!(of("fdaa::1/64"), "02-00-00-00-00-01");
        assert!(any_hardware(u64::MAX).is_unicast());
        assert_ne!(any_hardware(1 << 40), any_hardware(2 << 40));
    }

    #[test]
    fn a_hardware_address_is_that_of_a_host() {
        let parsed = mac("02:00:00:00:00:0a").map(|it| it.to_string());
        assert_eq!(parsed, Ok("02-00-00-00-00-0a".into()));
        assert_eq!(mac("02-0-0-0-0-a"), mac("02:00:00:00:00:0a"));
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:01",
            "02:00:00:00:00:0g",
            "020:0:0:0:0:1",
        ] {
            assert!(
                mac(text).is_err_and(|error| error.contains("such as")),
                "{text}"
            );
        }
        for text in [
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
        ] {
            assert!(
                mac(text).is_err_and(|error| error.contains("not the address")),
                "{text}"
            );
        }
    }
}
