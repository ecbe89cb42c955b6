//! The three things that a program asks of the kernel's interfaces, without the `ip` command.
//!
//! See rtnetlink(7) and netlink(7). A message is a header, a body and attributes, each padded to
//! four bytes, in the byte order of the machine.

use std::io::{self, Read, Write};
use std::net::IpAddr;

use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

const HEADER_LEN: usize = 16;

/// A socket to the kernel's routing tables.
pub(crate) struct Netlink {
    socket: Socket,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let route = Protocol::from(libc::NETLINK_ROUTE);
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(route))?;
        Ok(Self { socket })
    }

    /// The number of the interface called `name`.
    pub(crate) fn index(&mut self, name: &str) -> io::Result<i32> {
        let mut body = link(0, 0);
        push_attribute(
            &mut body,
            libc::IFLA_IFNAME,
            &[name.as_bytes(), &[0]].concat(),
        );
        let answer = self.ask(libc::RTM_GETLINK, 0, &body)?;
        let index = answer.get(HEADER_LEN + 4..).and_then(<[u8]>::first_chunk);
        index
            .map(|&index| i32::from_ne_bytes(index))
            .ok_or(io::ErrorKind::InvalidData.into())
    }

    /// `ip link set INTERFACE up`
    pub(crate) fn set_up(&mut self, index: i32) -> io::Result<()> {
        let body = link(index, libc::IFF_UP as u32);
        self.ask(libc::RTM_NEWLINK, libc::NLM_F_ACK, &body)
            .map(drop)
    }

    /// `ip address replace ADDRESS/PREFIX dev INTERFACE nodad`
    pub(crate) fn add_address(
        &mut self,
        index: i32,
        address: IpAddr,
        prefix: u8,
    ) -> io::Result<()> {
        let (family, octets) = match address {
            IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
            IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
        };
        let mut body = vec![
            family as u8,
            prefix,
            libc::IFA_F_NODAD as u8,
            libc::RT_SCOPE_UNIVERSE,
        ];
        body.extend(index.to_ne_bytes());
        push_attribute(&mut body, libc::IFA_LOCAL, &octets);
        push_attribute(&mut body, libc::IFA_ADDRESS, &octets);
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.ask(libc::RTM_NEWADDR, flags, &body).map(drop)
    }

    /// Sends one request and returns the first message that answers it.
    fn ask(&mut self, kind: u16, flags: libc::c_int, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut message = Vec::with_capacity(HEADER_LEN + body.len());
        message.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        // Sequence number and port: there is one question at a time, and the kernel is port 0.
        message.extend([0; 8]);
        message.extend(body);
        self.socket.write_all(&message)?;

        let mut answer = vec![0; 16 * 1024];
        let len = self.socket.read(&mut answer)?;
        answer.truncate(len);
        let Some((header, rest)) = answer.split_first_chunk::<HEADER_LEN>() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if i32::from(u16::from_ne_bytes([header[4], header[5]])) != libc::NLMSG_ERROR {
            return Ok(answer);
        }
        // An acknowledgement is an error of number 0, all others are negative.
        match rest.first_chunk().map(|&number| i32::from_ne_bytes(number)) {
            Some(0) => Ok(answer),
            Some(number) => Err(io::Error::from_raw_os_error(-number)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// `struct ifinfomsg`, which sets the flags in `up`.
fn link(index: i32, up: u32) -> Vec<u8> {
    let mut body = vec![libc::AF_UNSPEC as u8, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(up.to_ne_bytes());
    body.extend(up.to_ne_bytes());
    body
}

/// `struct rtattr` and its value.
fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_a_number_and_others_are_not_there() {
        let mut netlink = Netlink::open().unwrap();
        assert!(netlink.index("lo").unwrap() > 0);
        let error = netlink.index("no-such-link").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn attributes_are_padded() {
        let mut body = Vec::new();
        push_attribute(&mut body, 3, b"lo\0");
        let expected = [&7u16.to_ne_bytes()[..], &3u16.to_ne_bytes(), b"lo\0\0"].concat();
        assert_eq!(body, expected);
    }
}
