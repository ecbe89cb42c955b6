//! The exact commands to type, for every way of running the program.

use std::fmt::Write as _;
use std::path::Path;

use linecho_smoltcp::smoltcp::wire::{IpAddress, IpCidr};

use crate::address::neighbour;

/// Returns the commands that give the kernel's interface `name` its side of the link.
#[must_use]
pub(crate) fn plug_in(name: &str, addresses: &[IpCidr]) -> String {
    let mut text = String::new();
    if addresses.iter().any(|own| matches!(own, IpCidr::Ipv6(_))) {
        // Let IPv6 addresses stay when the link goes down, as those of IPv4 do.
        let _ = writeln!(
            text,
            "  sudo sysctl -w net/ipv6/conf/{name}/keep_addr_on_down=1"
        );
    }
    for other in addresses.iter().filter_map(|own| neighbour(*own)) {
        // Without duplicate address detection, an IPv6 address can be used at once.
        let nodad = match other.address() {
            IpAddress::Ipv4(_) => "",
            IpAddress::Ipv6(_) => " nodad",
        };
        let _ = writeln!(text, "  sudo ip addr add {other} dev {name}{nodad}");
    }
    let _ = writeln!(text, "  sudo ip link set {name} up");
    text
}

/// Returns commands that talk to the server, with `prefix` before each.
#[must_use]
pub(crate) fn try_it(prefix: &str, addresses: &[IpCidr], port: u16) -> String {
    if addresses.is_empty() {
        return format!(
            "Try it, at the address that is logged when DHCP has given one:\n  \
             printf 'x\\ny' | {prefix}nc -N ADDRESS {port}\n"
        );
    }
    let mut text = String::from("Try it:\n");
    for address in addresses.iter().map(IpCidr::address) {
        let _ = writeln!(text, "  {prefix}ping -c 3 {address}");
        let _ = writeln!(text, "  printf 'x\\ny' | {prefix}nc -N {address} {port}");
    }
    text
}

/// Returns the same for passt, which forwards a port of this machine; a virtual machine reaches the
/// server itself.
#[must_use]
pub(crate) fn try_it_behind_passt(addresses: &[IpCidr], port: u16) -> String {
    let mut text = format!("Try it behind passt:\n  printf 'x\\ny' | nc -N 127.0.0.1 {port}\n");
    if let Some(address) = addresses.first().map(IpCidr::address) {
        let _ = writeln!(
            text,
            "or in the virtual machine:\n  printf 'x\\ny' | nc -N {address} {port}"
        );
    }
    text
}

/// Returns the command that enters the network namespace of the process `pid`; `as_user` if it has
/// a user namespace of its own, too.
#[must_use]
pub(crate) fn enter(pid: u32, as_user: bool) -> String {
    match as_user {
        true => format!("nsenter --target {pid} --user --preserve-credentials --net "),
        false => format!("sudo nsenter --target {pid} --net "),
    }
}

/// Returns the command that starts passt for a server on the first IPv4 address of `addresses`,
/// reached at 127.0.0.1; without such an address, the server needs one. On the interface `lo` passt
/// needs no other network. Connections from this machine seem to come from the gateway.
#[must_use]
pub(crate) fn passt(socket: &Path, addresses: &[IpCidr], port: u16) -> String {
    let is_v4 = |own: &&IpCidr| matches!(own, IpCidr::Ipv4(_));
    let (own, hint) = match addresses.iter().find(is_v4) {
        Some(own) => (*own, ""),
        None => (
            IpCidr::new(IpAddress::v4(192, 168, 69, 1), 24),
            "and give this program --ip 192.168.69.1/24, too\n",
        ),
    };
    let gateway = neighbour(own).unwrap_or(own).address();
    format!(
        "  passt --foreground --socket {} --ipv4-only --interface lo --mac-addr 02:00:00:00:00:02 \\\n    \
         --address {} --netmask {} --gateway {gateway} --tcp-ports 127.0.0.1/{port}:{port}\n{hint}",
        socket.display(),
        own.address(),
        own.prefix_len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::cidr;

    fn addresses() -> [IpCidr; 2] {
        ["192.168.69.1/24", "fdaa::1/64"].map(|text| cidr(text).expect(text))
    }

    #[test]
    fn both_families_are_plugged_in_and_tried() {
        assert_eq!(
            plug_in("tap0", &addresses()),
            "  sudo sysctl -w net/ipv6/conf/tap0/keep_addr_on_down=1\n  \
               sudo ip addr add 192.168.69.100/24 dev tap0\n  \
               sudo ip addr add fdaa::100/64 dev tap0 nodad\n  \
               sudo ip link set tap0 up\n"
        );
        let text = try_it("", &addresses(), 18080);
        assert!(
            text.contains("  printf 'x\\ny' | nc -N 192.168.69.1 18080\n"),
            "{text}"
        );
        assert!(text.contains("  ping -c 3 fdaa::1\n"), "{text}");
    }

    #[test]
    fn passt_gives_the_host_the_address_of_the_gateway() {
        let text = passt(Path::new("/tmp/s"), &addresses(), 7);
        let end = "--address 192.168.69.1 --netmask 24 --gateway 192.168.69.100 --tcp-ports 127.0.0.1/7:7\n";
        assert!(text.ends_with(end), "{text}");
    }
}
