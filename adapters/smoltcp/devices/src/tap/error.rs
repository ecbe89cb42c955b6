//! Errors of opening a TAP device, and the commands that mend them.

use std::error::Error;
use std::fmt;
use std::io;

use super::{MIN_MTU, TUN};
use crate::sys::Name;

/// An error of [`Tap::open`](super::Tap::open). Its `Display` says what was tried, what happened,
/// and the command that mends it.
#[derive(Debug)]
#[non_exhaustive]
pub enum TapError {
    /// No network interface can have this name.
    BadName {
        /// The name that was asked for.
        name: String,
    },
    /// There is no `/dev/net/tun`, or no driver behind it.
    NoDriver(io::Error),
    /// This user may not open `/dev/net/tun`.
    DriverForbidden(io::Error),
    /// This user may neither create the device nor attach to it.
    Forbidden {
        /// The name that was asked for.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another program is attached to the device already.
    Busy {
        /// The name that was asked for.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There is an interface of this name, but it is no TAP device.
    NotTap {
        /// The name that was asked for.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The MTU of the device is below what every IPv4 host must accept (RFC 791).
    BadMtu {
        /// The name of the device.
        name: String,
        /// Its MTU, in IP bytes.
        mtu: usize,
    },
    /// Anything else.
    Io {
        /// The step that failed, as in "read the MTU of".
        doing: &'static str,
        /// The name that was asked for.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl TapError {
    pub(super) fn opening_driver(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => Self::NoDriver(source),
            Some(libc::EACCES | libc::EPERM) => Self::DriverForbidden(source),
            _ => Self::Io {
                doing: "open the TUN/TAP driver for",
                name: TUN.into(),
                source,
            },
        }
    }

    pub(super) fn attaching(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden { name, source },
            Some(libc::EBUSY) => Self::Busy { name, source },
            Some(libc::EINVAL) => Self::NotTap { name, source },
            _ => Self::Io {
                doing: "attach to",
                name,
                source,
            },
        }
    }
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { name } => write!(
                f,
                "cannot use {name:?} as the name of a TAP device: a name has 1 to {} bytes, and no \
                 space, '/' or ':'\n  Choose another, such as: tap0",
                Name::MAX
            ),
            Self::NoDriver(source) => write!(
                f,
                "cannot open {TUN}: {source}\n  Load the driver: sudo modprobe tun\n  In a \
                 container, start it with: --device {TUN}"
            ),
            Self::DriverForbidden(source) => write!(
                f,
                "cannot open {TUN}: {source}\n  Let every user open it, as most systems do: sudo \
                 chmod 666 {TUN}"
            ),
            Self::Forbidden { name, source } => write!(
                f,
                "cannot attach to the TAP device {name}: {source}\n  Make one that belongs to you: \
                 sudo ip tuntap add dev {name} mode tap user $USER && sudo ip link set {name} up\n  If \
                 it belongs to somebody else, choose another name, or delete it first: sudo ip tuntap \
                 del dev {name} mode tap"
            ),
            Self::Busy { name, source } => write!(
                f,
                "cannot attach to the TAP device {name}: {source}: another program is attached to \
                 it\n  Find it: sudo grep -l 'iff:.*{name}$' /proc/[0-9]*/fdinfo/*"
            ),
            Self::NotTap { name, source } => write!(
                f,
                "cannot attach to {name}: {source}: there is an interface of this name that is no \
                 TAP device\n  See what it is: ip -d link show dev {name}"
            ),
            Self::BadMtu { name, mtu } => write!(
                f,
                "cannot use the TAP device {name}: its MTU is {mtu}, and IPv4 needs at least \
                 {MIN_MTU}\n  Raise it: sudo ip link set dev {name} mtu 1500"
            ),
            Self::Io {
                doing,
                name,
                source,
            } => {
                write!(
                    f,
                    "cannot {doing} {name}: {source}\n  See what the kernel says: sudo dmesg | tail"
                )
            }
        }
    }
}

impl Error for TapError {}
