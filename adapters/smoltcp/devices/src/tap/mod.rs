//! A TAP device of Linux: Ethernet frames to and from the kernel.
//!
//! Where the kernel grants it, the device is *offloaded*: TCP checksums are left to the kernel, and
//! segments have up to 64 KiB in both directions, so that a system call carries 45 times as much. A
//! header before each frame says so (`vnet.rs`, <https://docs.kernel.org/networking/tuntap.html>).

mod batch;
mod descriptor;
mod device;
mod error;
mod path_mtu;
#[cfg(test)]
mod tests;
mod vnet;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

pub use descriptor::Counters;
pub use device::{RxToken, TxToken};
pub use error::TapError;

use batch::{Incoming, Outgoing};
use descriptor::Descriptor;
use vnet::Header;

use crate::sys::{self, Name};

/// The driver of all TUN and TAP devices.
const TUN: &str = "/dev/net/tun";

/// The packet that every IPv4 host must be able to take, in bytes (RFC 791).
const MIN_MTU: usize = 576;

const ETHERNET_HEADER_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;
/// The longest IP packet, and so the longest frame, in bytes: also that of an offloaded TCP
/// segment.
const MAX_IP_LEN: usize = 65_535;
const MAX_FRAME_LEN: usize = ETHERNET_HEADER_LEN + VLAN_TAG_LEN + MAX_IP_LEN;

/// The offload that is asked of the kernel.
const OFFLOAD: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;

/// A TAP device: a link whose other end is an interface of the kernel.
///
/// An interface that was created on opening has no address, and is down: `ip addr add
/// 192.168.69.100/24 dev tap0 && ip link set tap0 up` gives the kernel its side.
///
/// The file descriptor does not block. Sleep on it with [`wait`](super::wait) (or poll, epoll, mio)
/// until it can be read, or until the stack's next deadline, but not before `receive` has returned
/// `None`: frames are read ahead, several in a row. It can always be written.
///
/// Taking the kernel's side down (`ip link set tap0 down`) does no harm: what is sent meanwhile is
/// dropped and counted, and everything goes on when it is up again. Deleting it ends the device:
/// see [`error`](Self::error).
///
/// TCP windows are announced a little smaller than they are: `segment.rs` says why.
///
/// What offload gains depends on the sockets: the kernel sends no more than half a window at once,
/// so that receive buffers of 256 KiB carry several times as much as those of 64 KiB. In IPv6,
/// segments are long on the way in only (smoltcp 0.14).
pub struct Tap {
    name: String,
    mtu: usize,
    descriptor: Descriptor,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Tap {
    /// Attaches to the TAP device `name`, or creates it where the user may do that (root, or
    /// `CAP_NET_ADMIN` in the network namespace). A name such as `tap%d` takes the first free
    /// number.
    ///
    /// The device is offloaded where the kernel grants it, and carries plain frames otherwise. The
    /// kernel keeps that for a device that outlives the program, and dropping the `Tap` takes it
    /// back: a program that is killed leaves long frames to the next one, which is good for those
    /// that ask for them (as this type does, and QEMU) and for no others.
    ///
    /// A device that was made for several queues is taken with one of them. Let no other program
    /// attach to it meanwhile: the kernel spreads connections over all queues.
    ///
    /// # Errors
    ///
    /// See [`TapError`].
    pub fn open(name: &str) -> Result<Self, TapError> {
        Self::open_offering(name, OFFLOAD)
    }

    /// Like [`open`](Self::open), but without offload: each frame has a full checksum, and is no
    /// longer than the MTU.
    ///
    /// # Errors
    ///
    /// See [`TapError`].
    pub fn open_plain(name: &str) -> Result<Self, TapError> {
        let (tun, attached) = attach(name, libc::IFF_TAP | libc::IFF_NO_PI)?;
        // A device that outlives its programs keeps what the last one has asked for, and the kernel
        // would hand us segments that do not fit. Where it was never asked, this cannot be wanted.
        _ = sys::set_offload(&tun, 0);
        Self::new(tun, attached, false)
    }

    fn open_offering(name: &str, offload: libc::c_uint) -> Result<Self, TapError> {
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        if let Ok((tun, attached)) = attach(name, flags)
            && set_up_offload(&tun, offload).is_ok()
        {
            return Self::new(tun, attached, true);
        }
        // The first attempt is detached by now: the device takes one program at a time.
        Self::open_plain(name)
    }

    fn new(tun: File, name: Name, offloaded: bool) -> Result<Self, TapError> {
        let mtu = sys::mtu(name);
        let name = String::from(name);
        let mtu = match mtu {
            Ok(mtu) if mtu >= MIN_MTU => mtu,
            Ok(mtu) => return Err(TapError::BadMtu { name, mtu }),
            Err(source) => {
                return Err(TapError::Io {
                    doing: "read the MTU of",
                    name,
                    source,
                });
            }
        };
        // Long enough for whatever MTU the device gets while it is open.
        let longest = Header::LEN + MAX_FRAME_LEN;
        Ok(Self {
            name,
            mtu,
            descriptor: Descriptor::new(tun, offloaded),
            incoming: Incoming::new(longest),
            outgoing: Outgoing::new(longest),
        })
    }

    /// Returns the name of the kernel's interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the MTU that the device had when it was opened, in IP bytes, without the Ethernet
    /// header.
    #[must_use]
    pub const fn mtu(&self) -> usize {
        self.mtu
    }

    /// Lowers the MTU that the stack sees, for peers behind a link that takes less than this one:
    /// the longest segments to and from them become shorter. It is never raised, and not lowered
    /// below 576 bytes, which every IPv4 host must be able to take (RFC 791).
    pub fn lower_mtu(&mut self, mtu: usize) {
        self.mtu = mtu.clamp(MIN_MTU, self.mtu);
    }

    /// Returns whether checksums and segmentation are left to the kernel.
    #[must_use]
    pub const fn is_offloaded(&self) -> bool {
        self.descriptor.offloaded
    }

    /// Returns the counts of what the device has carried and lost so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.descriptor.counters
    }

    /// Takes a `turn` of the stack in which frames are not sent one by one, but in a row at its
    /// end, or when 64 of them or 64 KiB wait. With many connections that is faster by a few
    /// percent. Sleep only after it.
    pub fn batch<R>(&mut self, turn: impl FnOnce(&mut Self) -> R) -> R {
        self.outgoing.hold();
        let result = turn(self);
        self.outgoing.flush(&mut self.descriptor);
        result
    }

    /// Returns the error that has ended the device for good: its interface was deleted. A program
    /// that goes on would find the file descriptor ready for ever.
    #[must_use]
    pub const fn error(&self) -> Option<&io::Error> {
        self.descriptor.error.as_ref()
    }
}

/// Ways to open a device that only tests take.
#[cfg(feature = "testing")]
#[doc(hidden)]
impl Tap {
    /// Asks for an offload that no kernel grants.
    pub fn open_refused(name: &str) -> Result<Self, TapError> {
        Self::open_offering(name, 1 << 31)
    }

    /// Attaches to a device as the last program has left it.
    pub fn open_as_left(name: &str) -> Result<Self, TapError> {
        let (tun, attached) = attach(name, libc::IFF_TAP | libc::IFF_NO_PI)?;
        Self::new(tun, attached, false)
    }
}

/// Opens a new descriptor of the device, which does not block.
fn attach(name: &str, flags: libc::c_int) -> Result<(File, Name), TapError> {
    let wanted = Name::new(name).ok_or_else(|| TapError::BadName {
        name: name.to_owned(),
    })?;
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(TUN)
        .map_err(TapError::opening_driver)?;
    let attached = sys::attach(&tun, wanted, flags).or_else(|error| match error.raw_os_error() {
        // A device that was made for several queues.
        Some(libc::EINVAL) => sys::attach(&tun, wanted, flags | libc::IFF_MULTI_QUEUE),
        _ => Err(error),
    });
    let attached = attached.map_err(|error| TapError::attaching(name, error))?;
    Ok((tun, attached))
}

/// Sets all that another program may have left different on a device that outlived it.
fn set_up_offload(tun: &File, offload: libc::c_uint) -> io::Result<()> {
    sys::set_header_len(tun, Header::LEN)?;
    sys::set_header_little_endian(tun)?;
    sys::set_offload(tun, offload)
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.descriptor.offloaded {
            // Whoever attaches next to a device that stays may not expect long segments.
            _ = sys::set_offload(&self.descriptor.tun, 0);
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("name", &self.name)
            .field("mtu", &self.mtu)
            .field("offloaded", &self.descriptor.offloaded)
            .field("counters", &self.descriptor.counters)
            .field("error", &self.descriptor.error)
            .finish_non_exhaustive()
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.tun.as_fd()
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.tun.as_raw_fd()
    }
}
