//! System calls without a safe form in std: the only unsafe code of the crate.
//!
//! See <https://docs.kernel.org/networking/tuntap.html>, `netdevice(7)` and `ppoll(2)`.

#![expect(unsafe_code, reason = "ioctl(2) and ppoll(2) have no safe form in std")]

use std::io;
use std::time::Duration;

#[cfg(feature = "tap")]
pub(crate) use interface::*;

/// Waits for `fds` at most `timeout`. It counts nanoseconds, where `poll(2)` would round the
/// deadline of a stack to milliseconds.
pub(crate) fn ppoll(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let (pointer, len) = (fds.as_mut_ptr(), fds.len() as libc::nfds_t);
    // SAFETY: `pointer` points to `len` initialised entries, which the kernel may write during the
    // call; `timeout` is null or points to a value that lives until the end of this function; a
    // null signal mask leaves the mask as it is.
    check(unsafe { libc::ppoll(pointer, len, timeout, std::ptr::null()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The ioctls of a TAP device.
#[cfg(feature = "tap")]
mod interface {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    use super::check;

    /// The name of a network interface in the kernel's form: shorter than `IFNAMSIZ`, zeros at its
    /// end.
    #[derive(Clone, Copy)]
    pub(crate) struct Name([libc::c_char; libc::IFNAMSIZ]);

    impl Name {
        /// The longest name, in bytes.
        pub(crate) const MAX: usize = libc::IFNAMSIZ - 1;

        /// `None` for a name that no interface can have (`dev_valid_name` in the kernel).
        pub(crate) fn new(name: &str) -> Option<Self> {
            let is_valid = (1..=Self::MAX).contains(&name.len())
                && !matches!(name, "." | "..")
                && !name
                    .contains(|c: char| matches!(c, '\0' | '/' | ':') || c.is_ascii_whitespace());
            let mut bytes = [0; libc::IFNAMSIZ];
            for (to, from) in bytes.iter_mut().zip(name.bytes()) {
                *to = from.cast_signed() as libc::c_char;
            }
            is_valid.then_some(Self(bytes))
        }

        fn request(self, ifr_ifru: libc::__c_anonymous_ifr_ifru) -> libc::ifreq {
            libc::ifreq {
                ifr_name: self.0,
                ifr_ifru,
            }
        }
    }

    impl From<Name> for String {
        fn from(Name(name): Name) -> Self {
            let bytes = name.iter().map(|&c| c as u8).take_while(|&c| c != 0);
            Self::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
        }
    }

    /// Attaches `tun` to the device `name` (`TUNSETIFF`), which is created if it does not exist,
    /// and returns the name that the kernel gave it: `tap%d` stands for the first free number.
    pub(crate) fn attach(tun: &File, name: Name, flags: libc::c_int) -> io::Result<Name> {
        let ifru_flags = flags as libc::c_short;
        let mut request = name.request(libc::__c_anonymous_ifr_ifru { ifru_flags });
        // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is, and keeps no pointer.
        check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
        Ok(Name(request.ifr_name))
    }

    /// Sets the size of the virtio-net header before each frame (`TUNSETVNETHDRSZ`), in bytes.
    pub(crate) fn set_header_len(tun: &File, len: usize) -> io::Result<()> {
        let len = len as libc::c_int;
        // SAFETY: TUNSETVNETHDRSZ reads one int, which `len` is, and keeps no pointer.
        check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })
    }

    /// Makes the fields of the virtio-net header little-endian on every machine (`TUNSETVNETLE`).
    pub(crate) fn set_header_little_endian(tun: &File) -> io::Result<()> {
        let yes: libc::c_int = 1;
        // SAFETY: TUNSETVNETLE reads one int, which `yes` is, and keeps no pointer.
        check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETLE, &raw const yes) })
    }

    /// Says which unfinished frames the kernel may hand over (`TUNSETOFFLOAD`, bits `TUN_F_*`).
    pub(crate) fn set_offload(tun: &File, bits: libc::c_uint) -> io::Result<()> {
        let bits = libc::c_ulong::from(bits);
        // SAFETY: TUNSETOFFLOAD takes its argument by value.
        check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, bits) })
    }

    /// Returns the MTU of an interface (`SIOCGIFMTU`): IP bytes, without the Ethernet header.
    pub(crate) fn mtu(name: Name) -> io::Result<usize> {
        // Any socket will do for this ioctl; it answers for the network namespace of the thread.
        let socket = UnixDatagram::unbound()?;
        let mut request = name.request(libc::__c_anonymous_ifr_ifru { ifru_mtu: 0 });
        // SAFETY: SIOCGIFMTU reads and writes one `ifreq`, which `request` is, and keeps no
        // pointer.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) })?;
        // SAFETY: SIOCGIFMTU has filled in this field; every bit pattern is a valid int.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        usize::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn names_are_checked_as_the_kernel_does() {
            for name in ["t", "tap0", "tap%d", "0123456789abcde", "täp"] {
                assert_eq!(Name::new(name).map(String::from).as_deref(), Some(name));
            }
            let too_long = "0123456789abcdef";
            for name in ["", ".", "..", too_long, "a/b", "a b", "a:b", "a\0b"] {
                assert!(Name::new(name).is_none(), "{name:?}");
            }
        }

        #[test]
        fn the_mtu_of_loopback_can_be_read() {
            assert!(mtu(Name::new("lo").unwrap()).unwrap() >= 1280);
            assert!(mtu(Name::new("no-such-link").unwrap()).is_err());
        }
    }
}
