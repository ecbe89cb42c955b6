//! The manners of a service of systemd: inherited sockets, notifications, the watchdog.
//!
//! See `sd_listen_fds(3)`, `sd_notify(3)` and `sd_watchdog_enabled(3)`.

use std::env;
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use linecho_std::Listener;
use listenfd::ListenFd;

/// Returns the sockets that systemd has opened for this process, with the names that the socket
/// unit gives them (`FileDescriptorName=`).
///
/// # Errors
///
/// When one of them is no listening TCP or UNIX stream socket.
pub(crate) fn listeners() -> io::Result<Vec<Listener>> {
    let is_ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == process::id().to_string())
        && env::var("LISTEN_PIDFDID").map_or(true, |id| own_pidfd().is_none_or(|own| own == id));
    if !is_ours {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut descriptors = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..descriptors.len() {
        let tcp = descriptors
            .take_tcp_listener(index)
            .map(|it| it.map(Listener::from));
        let listener = match tcp {
            Ok(socket) => socket,
            Err(_) => descriptors.take_unix_listener(index)?.map(Listener::from),
        };
        // Without a name of its own, a socket has that of its unit.
        let name = names.next().filter(|name| !["", "unknown"].contains(name));
        // systemd keeps it, and starts this program again for a connection that waits there.
        listeners.extend(listener.map(|it| match name {
            Some(name) => it.name(name).shared(),
            None => it.shared(),
        }));
    }
    Ok(listeners)
}

/// Returns the number that the kernel gave to this process alone, which no other one ever gets:
/// newer versions of systemd name it beside the PID.
#[cfg(target_os = "linux")]
fn own_pidfd() -> Option<String> {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    use std::os::unix::fs::MetadataExt as _;
    let descriptor = File::from(pidfd_open(getpid(), PidfdFlags::empty()).ok()?);
    Some(descriptor.metadata().ok()?.ino().to_string())
}

#[cfg(not(target_os = "linux"))]
fn own_pidfd() -> Option<String> {
    None
}

/// Tells systemd how the service is.
pub(crate) struct Notifier {
    socket: Option<UnixDatagram>,
    status: String,
}

impl Notifier {
    /// Connects to the service manager, if there is one.
    pub(crate) fn from_env() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        Self {
            socket,
            status: String::new(),
        }
    }

    /// Tells that the service is ready.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// Tells that the service is about to end.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Tells that the service does not hang.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Sets the line that `systemctl status` shows.
    pub(crate) fn status(&mut self, status: String) {
        if self.socket.is_some() && status != self.status {
            self.send(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// Sends a message. One that cannot be sent is lost: the service goes on.
    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        }
        _ => socket.connect_addr(&SocketAddr::from_pathname(name)?)?,
    }
    // A manager that does not read holds nothing up.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns the time after which systemd takes the service to hang, if it looks.
pub(crate) fn watchdog() -> Option<Duration> {
    let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == process::id().to_string());
    let micros = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    is_ours.then(|| Duration::from_micros(micros))
}
