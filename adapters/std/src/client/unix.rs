//! Connecting to a UNIX socket.

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::error::ConnectError;

/// Connects to the socket at `path`. Its calls are those of a TCP socket, so it is held as one.
#[cfg(unix)]
pub(super) fn connect(path: &Path, limit: Duration) -> Result<TcpStream, ConnectError> {
    use socket2::{Domain, Socket, Type};
    use std::os::fd::OwnedFd;

    let connect = || {
        let address = crate::listen::unix_address(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Of this kind of socket connect(2) waits for room in the backlog as long as a write.
        let limit = (!limit.is_zero()).then_some(limit);
        socket.set_write_timeout(limit)?;
        socket
            .connect(&address)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                _ => error,
            })?;
        socket.set_write_timeout(None)?;
        Ok(OwnedFd::from(socket).into())
    };
    connect().map_err(|error| ConnectError::Unix {
        path: path.into(),
        error: explain(path, error),
    })
}

#[cfg(not(unix))]
pub(super) fn connect(path: &Path, _: Duration) -> Result<TcpStream, ConnectError> {
    Err(ConnectError::Unix {
        path: path.into(),
        error: io::Error::new(
            io::ErrorKind::Unsupported,
            "this system has no UNIX sockets",
        ),
    })
}

/// Says what is wrong with the path; the system has the same number for several faults.
#[cfg(unix)]
fn explain(path: &Path, error: io::Error) -> io::Error {
    use std::fs;
    use std::os::unix::fs::FileTypeExt as _;

    let is_socket = fs::metadata(path).map(|file| file.file_type().is_socket());
    let text = match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket: nobody listens there",
        io::ErrorKind::ConnectionRefused if is_socket.is_ok_and(|it| !it) => {
            return io::Error::other("this is a file, and not a socket");
        }
        io::ErrorKind::ConnectionRefused => "nobody listens on it any more",
        io::ErrorKind::PermissionDenied => {
            "permission denied: connecting needs the right to write to the socket, and to search \
             the folders before it"
        }
        io::ErrorKind::TimedOut => "the server accepts no connection",
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}
