//! A network namespace of the program's own, where it may make a TAP device without being root.
//!
//! ```no_run
//! use linecho_devices::netns;
//! use linecho_devices::Tap;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! netns::enter()?;
//! let tap = Tap::open("tap0")?;
//! netns::configure("tap0", &[("192.168.69.100".parse()?, 24), ("fdaa::100".parse()?, 64)])?;
//! // Whatever is started from here on is in the namespace too.
//! std::process::Command::new("ping").arg("192.168.69.1").spawn()?;
//! # Ok(())
//! # }
//! ```

mod netlink;

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};

use netlink::Netlink;

/// Moves this process into a network namespace of its own, with its loopback interface up, and into
/// a user namespace where that is needed for it: a user who is not root is root in there, and
/// nowhere else. Nothing remains of it when the last process in it has ended.
///
/// Call it before any thread is started: the kernel refuses a user namespace to a process with more
/// than one.
///
/// # Errors
///
/// See [`NetnsError`].
pub fn enter() -> Result<(), NetnsError> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {}
        Err(Errno::EPERM) => enter_as_user()?,
        Err(errno) => return Err(NetnsError::new("make a network namespace", errno.into())),
    }
    configure("lo", &[])
}

/// Does the same for a user who is not root.
///
/// # Errors
///
/// See [`NetnsError`].
pub fn enter_as_user() -> Result<(), NetnsError> {
    // Asked for before, since in a user namespace without a map everybody is nobody.
    let me = fs::metadata("/proc/self").map_err(|error| NetnsError::new("read /proc", error))?;
    let doing = "make a user and a network namespace";
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| NetnsError::new(doing, errno.into()))?;
    // A group map may be written only by who has given up setgroups(2): see user_namespaces(7).
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {} 1", me.uid())),
        ("gid_map", format!("0 {} 1", me.gid())),
    ];
    for (file, content) in maps {
        let doing = "become root in a user namespace";
        fs::write(format!("/proc/self/{file}"), content)
            .map_err(|error| NetnsError::new(doing, error))?;
    }
    Ok(())
}

/// Brings an interface up and gives it addresses, each with the length of its prefix in bits: the
/// kernel's side of the link. IPv6 addresses can be used at once, without duplicate address
/// detection, and stay when the interface goes down, as those of IPv4 do.
///
/// # Errors
///
/// See [`NetnsError`].
pub fn configure(interface: &str, addresses: &[(IpAddr, u8)]) -> Result<(), NetnsError> {
    let failed = |doing: String| move |error| NetnsError::new(doing, error);
    let mut netlink =
        Netlink::open().map_err(failed("ask the kernel for its interfaces".into()))?;
    let index = netlink
        .index(interface)
        .map_err(failed(format!("find interface {interface}")))?;
    netlink
        .set_up(index)
        .map_err(failed(format!("bring {interface} up")))?;
    // Where /proc/sys is read-only, as in some containers, connections over IPv6 end with the link.
    let _ = fs::write(
        format!("/proc/sys/net/ipv6/conf/{interface}/keep_addr_on_down"),
        "1",
    );
    for &(address, prefix) in addresses {
        netlink
            .add_address(index, address, prefix)
            .map_err(failed(format!(
                "give {interface} the address {address}/{prefix}"
            )))?;
    }
    Ok(())
}

/// An error of entering a namespace or of configuring it. Its `Display` says what was tried, what
/// happened, and what mends it.
#[derive(Debug)]
pub struct NetnsError {
    doing: String,
    source: io::Error,
}

impl NetnsError {
    fn new(doing: impl Into<String>, source: io::Error) -> Self {
        Self {
            doing: doing.into(),
            source,
        }
    }
}

/// Settings with which a system forbids user namespaces to its users: name, the value that does,
/// and one that does not.
const FORBIDDING: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "10000"),
];

/// The command that lifts the first setting which stands in the way.
fn lifting_command(read: impl Fn(&str) -> Option<String>) -> Option<String> {
    FORBIDDING
        .into_iter()
        .find_map(|(name, forbidden, allowed)| {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            let is_forbidden = read(&path)?.trim() == forbidden;
            is_forbidden.then(|| format!("sudo sysctl -w {name}={allowed}"))
        })
}

impl fmt::Display for NetnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doing, source } = self;
        write!(f, "cannot {doing}: {source}")?;
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS) => {
                match lifting_command(|path| fs::read_to_string(path).ok()) {
                    Some(command) => {
                        write!(
                            f,
                            "\n  This system forbids it to its users. Allow it: {command}"
                        )?;
                    }
                    None => f.write_str("\n  This user or this container may not do that.")?,
                }
                f.write_str("\n  Or run the same command as root, with sudo before it.")
            }
            Some(libc::EINVAL) => f.write_str(
                "\n  The kernel has no such namespaces (CONFIG_USER_NS, CONFIG_NET_NS).",
            ),
            Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
                f.write_str("\n  The kernel has IPv6 switched off: do without that address.")
            }
            _ => Ok(()),
        }
    }
}

impl Error for NetnsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_is_named() {
        let with = |setting: &'static str, value: &'static str| {
            lifting_command(move |path| (path == setting).then(|| value.to_owned()))
        };
        let debian = "/proc/sys/kernel/unprivileged_userns_clone";
        let command = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
        assert_eq!(with(debian, "0\n").as_deref(), Some(command));
        assert_eq!(with(debian, "1\n"), None);
        let ubuntu = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
        let command = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
        assert_eq!(with(ubuntu, "1\n").as_deref(), Some(command));
        assert_eq!(with("/proc/sys/user/max_user_namespaces", "63000\n"), None);
    }

    #[test]
    fn errors_say_what_mends_them() {
        let text =
            |errno| NetnsError::new("do it", io::Error::from_raw_os_error(errno)).to_string();
        assert!(text(libc::EPERM).contains("run the same command as root"));
        assert!(text(libc::EINVAL).contains("CONFIG_USER_NS"));
        assert!(text(libc::EIO).starts_with("cannot do it: "));
    }
}
