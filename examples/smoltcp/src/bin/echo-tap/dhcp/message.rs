//! The messages of DHCP (RFC 2131), as servers really send them.

use linecho_smoltcp::smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address,
};

/// Codes of options (RFC 2132).
const SUBNET_MASK: u8 = 1;
const ROUTER: u8 = 3;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
const PAD: u8 = 0;
const END: u8 = 255;

/// The fields of a message that may hold options, too, if option 52 says so.
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
/// The offset of the options, behind the magic cookie.
const OPTIONS: usize = 240;

/// The longest message that we take.
const MAX_LEN: u16 = 1500;

/// An answer of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: DhcpMessageType,
    pub(crate) transaction: u32,
    /// The server's identifier.
    pub(crate) server: Ipv4Address,
    /// The address that is offered or leased.
    pub(crate) address: Ipv4Address,
    /// The length of the network's prefix, if there is a valid mask.
    pub(crate) prefix: Option<u8>,
    /// The first router.
    pub(crate) router: Option<Ipv4Address>,
    /// Times in seconds.
    pub(crate) lease: Option<u32>,
    pub(crate) renewal: Option<u32>,
    pub(crate) rebinding: Option<u32>,
}

impl Answer {
    /// Reads an answer to the client with this hardware address; `None` for anything else.
    pub(crate) fn parse(payload: &[u8], own: EthernetAddress) -> Option<Self> {
        let packet = DhcpPacket::new_checked(payload).ok()?;
        if packet.client_hardware_address() != own {
            return None;
        }
        let mut fields = vec![payload.get(OPTIONS..)?];
        // Options may go on in the file field, and then in that for the server's name.
        let overload = option(&fields, OVERLOAD).and_then(|value| value.first().copied());
        if matches!(overload, Some(1 | 3)) {
            fields.push(&payload[FILE]);
        }
        if matches!(overload, Some(2 | 3)) {
            fields.push(&payload[SNAME]);
        }

        let number = |code| {
            option(&fields, code)?
                .try_into()
                .ok()
                .map(u32::from_be_bytes)
        };
        // Of several addresses, the first is the preferred one.
        let address = |code| {
            let bytes: [u8; 4] = *option(&fields, code)?.first_chunk()?;
            Some(Ipv4Address::from(bytes))
        };
        let mask = number(SUBNET_MASK).filter(|mask| mask.leading_ones() == mask.count_ones());
        Some(Self {
            kind: DhcpMessageType::from(*option(&fields, MESSAGE_TYPE)?.first()?),
            transaction: packet.transaction_id(),
            server: address(SERVER)?,
            address: packet.your_ip(),
            prefix: mask
                .filter(|mask| *mask != 0)
                .map(|mask| mask.count_ones() as u8),
            router: address(ROUTER).filter(|router| is_of_a_host(*router)),
            lease: number(LEASE_TIME),
            renewal: number(RENEWAL_TIME),
            rebinding: number(REBINDING_TIME),
        })
    }
}

/// Returns the value of an option in the first of `fields` that has it.
fn option<'a>(fields: &[&'a [u8]], wanted: u8) -> Option<&'a [u8]> {
    fields.iter().find_map(|field| {
        let mut rest = *field;
        loop {
            match *rest {
                [PAD, ..] => rest = &rest[1..],
                [END, ..] | [] | [_] => return None,
                [code, len, ref tail @ ..] => {
                    let (value, tail) = tail.split_at_checked(len.into())?;
                    if code == wanted {
                        return Some(value);
                    }
                    rest = tail;
                }
            }
        }
    })
}

/// Returns `true` for an address that a host can have.
pub(crate) const fn is_of_a_host(address: Ipv4Address) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}

/// A message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) kind: DhcpMessageType,
    pub(crate) transaction: u32,
    /// Our address, if we have one.
    pub(crate) own: Option<Ipv4Address>,
    /// The address that we ask for.
    pub(crate) wanted: Option<Ipv4Address>,
    /// The server whose offer we take.
    pub(crate) server: Option<Ipv4Address>,
}

impl Request {
    /// Returns the bytes of the message.
    pub(crate) fn bytes(&self, hardware: EthernetAddress) -> Vec<u8> {
        let repr = DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: 0,
            client_hardware_address: hardware,
            client_ip: self.own.unwrap_or(Ipv4Address::UNSPECIFIED),
            your_ip: Ipv4Address::UNSPECIFIED,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: false,
            requested_ip: self.wanted,
            client_identifier: Some(hardware),
            server_identifier: self.server,
            parameter_request_list: Some(&[SUBNET_MASK, ROUTER, LEASE_TIME]),
            dns_servers: None,
            max_size: Some(MAX_LEN),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; repr.buffer_len()];
        // There is room for it.
        let _ = repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..]));
        bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const HARDWARE: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 7]);

    /// Returns a message of a server, with these options.
    pub(crate) fn message(transaction: u32, address: [u8; 4], options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; OPTIONS];
        bytes[..3].copy_from_slice(&[2, 1, 6]);
        bytes[4..8].copy_from_slice(&transaction.to_be_bytes());
        bytes[16..20].copy_from_slice(&address);
        bytes[28..34].copy_from_slice(HARDWARE.as_bytes());
        bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
        bytes.extend_from_slice(options);
        bytes
    }

    fn parsed(options: &[u8]) -> Option<Answer> {
        Answer::parse(&message(5, [10, 0, 0, 9], options), HARDWARE)
    }

    #[test]
    fn the_options_of_an_ack_are_read() {
        let answer = parsed(&[
            53, 1, 5, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 1, 0, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0,
            0, 2, 255,
        ]);
        let answer = answer.expect("it is one");
        assert_eq!(answer.kind, DhcpMessageType::Ack);
        assert_eq!((answer.transaction, answer.lease), (5, Some(256)));
        assert_eq!(
            (answer.prefix, answer.router),
            (Some(24), Some(Ipv4Address::new(10, 0, 0, 2)))
        );
        assert_eq!(answer.address, Ipv4Address::new(10, 0, 0, 9));
    }

    #[test]
    fn of_two_routers_the_first_is_taken() {
        let answer = parsed(&[53, 1, 5, 54, 4, 10, 0, 0, 1, 3, 8, 10, 0, 0, 3, 10, 0, 0, 4]);
        assert_eq!(
            answer.expect("it is one").router,
            Some(Ipv4Address::new(10, 0, 0, 3))
        );
    }

    #[test]
    fn options_in_the_file_and_the_name_field_are_read() {
        let mut bytes = message(5, [10, 0, 0, 9], &[53, 1, 5, 52, 1, 3, 255]);
        bytes[FILE.start..][..7].copy_from_slice(&[1, 4, 255, 255, 0, 0, 255]);
        bytes[SNAME.start..][..7].copy_from_slice(&[54, 4, 10, 0, 0, 1, 255]);
        let answer = Answer::parse(&bytes, HARDWARE).expect("it is one");
        assert_eq!(
            (answer.prefix, answer.server),
            (Some(16), Ipv4Address::new(10, 0, 0, 1))
        );
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        // A mask with a hole, a router that is no host.
        let answer = parsed(&[
            53, 1, 5, 54, 4, 10, 0, 0, 1, 1, 4, 255, 0, 255, 0, 3, 4, 0, 0, 0, 0,
        ]);
        let answer = answer.expect("it is one");
        assert_eq!((answer.prefix, answer.router), (None, None));
        // No server, no kind, an option that is cut off, another client's.
        assert_eq!(parsed(&[53, 1, 5]), None);
        assert_eq!(parsed(&[54, 4, 10, 0, 0, 1]), None);
        assert_eq!(parsed(&[53, 1, 5, 54, 4, 10, 0]), None);
        let bytes = message(5, [10, 0, 0, 9], &[53, 1, 5, 54, 4, 10, 0, 0, 1]);
        assert_eq!(Answer::parse(&bytes, EthernetAddress([2; 6])), None);
    }

    #[test]
    fn a_request_can_be_read_by_others() {
        let request = Request {
            kind: DhcpMessageType::Request,
            transaction: 7,
            own: None,
            wanted: Some(Ipv4Address::new(10, 0, 0, 9)),
            server: Some(Ipv4Address::new(10, 0, 0, 1)),
        };
        let bytes = request.bytes(HARDWARE);
        let packet = DhcpPacket::new_checked(&bytes[..]).expect("it is whole");
        let repr = DhcpRepr::parse(&packet).expect("it is well formed");
        assert_eq!(repr.requested_ip, request.wanted);
        assert_eq!(repr.server_identifier, request.server);
    }
}
