//! Handing listening sockets to another process.
//!
//! The message on the stream begins with a byte for the version, and two for the number of
//! listeners. For each listener follow a byte of flags, which carries its descriptor (`SCM_RIGHTS`,
//! unix(7)), two bytes for the length of its name, and the name. Numbers are big-endian.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::listener::Listener;

const VERSION: u8 = 1;

/// The flag of a listener that requires a PROXY header.
const PROXY_HEADER: u8 = 1;

/// Sends listening sockets to another process, which [receives](receive_listeners) them at the
/// other end of the stream. Both processes share them then, and a connection goes to whichever
/// accepts it first: no connection that waits is lost when this process stops accepting, see
/// [`Handle::hand_over`](crate::Handle::hand_over).
///
/// # Errors
///
/// When writing to the stream fails.
pub fn send_listeners(mut stream: &UnixStream, listeners: &[Listener]) -> io::Result<()> {
    let too_much = |_| io::Error::from(ErrorKind::InvalidInput);
    let count = u16::try_from(listeners.len()).map_err(too_much)?;
    let [high, low] = count.to_be_bytes();
    stream.write_all(&[VERSION, high, low])?;
    for listener in listeners {
        let name = listener.given_name().unwrap_or_default();
        let length = u16::try_from(name.len()).map_err(too_much)?;
        let flags = match listener.proxy_header() {
            true => PROXY_HEADER,
            false => 0,
        };
        send(stream, flags, listener.as_fd())?;
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(name.as_bytes())?;
    }
    Ok(())
}

/// Receives the listening sockets that another process [sends](send_listeners), with their names.
///
/// # Errors
///
/// When reading from the stream fails, or something else comes.
pub fn receive_listeners(mut stream: &UnixStream) -> io::Result<Vec<Listener>> {
    let mut head = [0; 3];
    stream.read_exact(&mut head)?;
    let [version, high, low] = head;
    if version != VERSION {
        let text = format!("it sends listeners in version {version}, not {VERSION}");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    let mut listeners = Vec::new();
    for _ in 0..u16::from_be_bytes([high, low]) {
        let (flags, descriptor) = receive(stream)?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut name = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut name)?;
        let mut listener = Listener::from_fd(descriptor)?;
        if !name.is_empty() {
            let name = String::from_utf8(name).map_err(|_| ErrorKind::InvalidData)?;
            listener = listener.name(name);
        }
        if flags & PROXY_HEADER != 0 {
            listener = listener.require_proxy_header();
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Sends a byte with a descriptor.
fn send(stream: &UnixStream, byte: u8, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let bytes = [byte];
    loop {
        match sendmsg(
            stream,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::empty(),
        ) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(drop).map_err(Into::into),
        }
    }
}

/// Receives a byte with a descriptor.
fn receive(stream: &UnixStream) -> io::Result<(u8, OwnedFd)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // Processes that this one starts must not inherit the descriptor.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let flags = RecvFlags::empty();
    let message = loop {
        match recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            flags,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    if message.bytes == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            if let Some(descriptor) = descriptors.next() {
                return Ok((byte[0], descriptor));
            }
        }
    }
    Err(ErrorKind::InvalidData.into())
}
