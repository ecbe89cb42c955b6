//! The datagrams of DHCP with their headers of UDP and IP. They go through a raw socket, since a
//! server may answer to the address that it offers, which the stack does not have yet.

use linecho_smoltcp::smoltcp::phy::ChecksumCapabilities;
use linecho_smoltcp::smoltcp::wire::{
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
const HOP_LIMIT: u8 = 64;

/// Puts headers before a message from us to a server.
pub(crate) fn wrap(message: &[u8], from: Ipv4Address, to: Ipv4Address) -> Vec<u8> {
    let udp = UdpRepr {
        src_port: CLIENT_PORT,
        dst_port: SERVER_PORT,
    };
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + message.len(),
        hop_limit: HOP_LIMIT,
    };
    let mut bytes = vec![0; ip.buffer_len() + ip.payload_len];
    let checksums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes[..]);
    ip.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &from.into(),
        &to.into(),
        message.len(),
        |payload| payload.copy_from_slice(message),
        &checksums,
    );
    bytes
}

/// Returns the message in a packet from a server to a client; `None` for any other packet.
pub(crate) fn unwrap(packet: &[u8]) -> Option<&[u8]> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let udp = UdpPacket::new_checked(packet.payload()).ok()?;
    let checksums = ChecksumCapabilities::default();
    let ports = UdpRepr::parse(&udp, &from.into(), &to.into(), &checksums).ok()?;
    let is_ours = (ports.src_port, ports.dst_port) == (SERVER_PORT, CLIENT_PORT);
    is_ours.then(|| udp.payload())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_datagrams_of_a_server_are_taken() {
        let [from, to] = [Ipv4Address::UNSPECIFIED, Ipv4Address::BROADCAST];
        let mut bytes = wrap(b"message", from, to);
        assert_eq!(bytes.len(), 20 + 8 + 7);
        assert_eq!(unwrap(&bytes), None);
        // The other way; the sum of both ports stays, and so does the checksum.
        bytes[20..24].copy_from_slice(&[0, 67, 0, 68]);
        assert_eq!(unwrap(&bytes), Some(&b"message"[..]));
        bytes[28] ^= 1;
        assert_eq!(unwrap(&bytes), None);
        assert_eq!(unwrap(&bytes[..27]), None);
    }
}
