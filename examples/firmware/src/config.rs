//! The settings that are fixed when the firmware is built, with the RAM that they cost.

use core::time::Duration;

use linecho_smoltcp::Config;
use linecho_smoltcp::smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

/// Connections at a time. Each costs its three buffers below, and about 440 bytes of state.
/// `LINECHO_SLOTS=12 cargo run --release` changes the number; 12 fill the 64 KiB. In the dev
/// profile, whose checks need more stack, 12 overflow it at the start.
pub const SLOTS: usize = match usize::from_str_radix(env!("LINECHO_SLOTS"), 10) {
    Ok(slots) => slots,
    Err(_) => panic!("build.rs has checked the number"),
};

/// Room for what a peer may send before it is read: exactly one segment. smoltcp offers no larger
/// window than a frame over a device that takes one at a time, and with what that has left beside a
/// segment, peers send many small ones (silly window syndrome, RFC 9293, 3.8.6.2).
pub const RX_BYTES: usize = 1460;

/// The bytes that may be sent and not yet acknowledged. 2 KiB of RAM a slot.
pub const TX_BYTES: usize = 2048;

/// The longest line that is echoed in one piece, newline included. 256 bytes of RAM a slot.
pub const LINE_BYTES: usize = 256;

/// The echo port (RFC 862).
pub const PORT: u16 = 7;

/// A locally administered MAC address.
pub const MAC_ADDRESS: EthernetAddress = EthernetAddress([0x02, 0x00, 0x00, 0x6C, 0x65, 0x01]);

/// The address that QEMU's user network forwards to.
pub const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24);

/// The way out of the local network.
pub const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// The limits of a connection: five minutes without a byte, and half a minute in which the peer
/// takes no echo.
pub const SESSION: Config = Config::new()
    .idle_timeout(Some(Duration::from_secs(300)))
    .write_timeout(Some(Duration::from_secs(30)));
