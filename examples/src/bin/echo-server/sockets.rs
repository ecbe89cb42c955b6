//! The listening sockets of the command line, and those that were there before.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use linecho_examples::listen_address::ListenAddress;
#[cfg(unix)]
use linecho_examples::listen_address::is_abstract;
use linecho_examples::listeners;
use linecho_examples::log::{Level, Log};
use linecho_std::{Endpoint, Listener};

use crate::options::Arguments;

/// The listening sockets of a server.
pub(crate) struct Sockets {
    /// At least one.
    pub(crate) open: Vec<Listener>,
    /// The addresses of a predecessor that no option names.
    #[cfg_attr(not(unix), expect(dead_code))]
    pub(crate) left: Vec<Endpoint>,
}

/// Listens on the addresses of the command line.
///
/// Sockets that listen there already are taken, with the name and the header that the command line
/// says. The others from systemd are served, too. The others of a predecessor are closed, unless
/// the command line names no address at all: then all are served as they were.
pub(crate) fn open(
    arguments: &Arguments,
    activated: Vec<Listener>,
    mut handed: Vec<Listener>,
    log: &Log,
) -> Result<Sockets, Box<dyn Error>> {
    let of_systemd = addresses(&activated)?;
    let is_of_systemd = |it: &Listener| it.address().is_ok_and(|it| of_systemd.contains(&it));
    handed.retain(|it| !is_of_systemd(it));
    let named = arguments.addresses(!activated.is_empty() || !handed.is_empty());
    let mut there = activated;
    if named.is_empty() {
        there.extend(handed);
        return Ok(Sockets {
            open: there,
            left: Vec::new(),
        });
    }
    for socket in handed {
        there.push(without_settings(socket)?);
    }
    let take = |address: &ListenAddress, with_header, there: &mut Vec<Listener>| {
        let option = match with_header {
            true => "--proxy-listen",
            false => "--listen",
        };
        let found = listeners::listen(address, option, arguments.unix_mode, there)?;
        for missing in found.missing {
            log.event(Level::Warning, &missing.to_string(), &[]);
        }
        let sockets = found.sockets.into_iter().map(|it| match with_header {
            true => it.require_proxy_header(),
            false => it,
        });
        io::Result::Ok(sockets.collect::<Vec<_>>())
    };
    // In the order of the command line.
    let mut opened = BTreeMap::new();
    let (any_port, fixed): (Vec<_>, Vec<_>) = named
        .into_iter()
        .enumerate()
        .partition(|(_, (address, _))| address.is_any_port());
    for (index, (address, with_header)) in fixed {
        opened.insert(index, take(&address, with_header, &mut there)?);
    }
    // Port 0 beside sockets of systemd is a new one; a predecessor's is its own of before.
    let (kept, mut handed): (Vec<_>, _) = there.into_iter().partition(is_of_systemd);
    for (index, (address, with_header)) in any_port {
        opened.insert(index, take(&address, with_header, &mut handed)?);
    }
    let opened = opened.into_values().flatten();
    Ok(Sockets {
        open: kept.into_iter().chain(opened).collect(),
        left: addresses(&handed)?,
    })
}

pub(crate) fn addresses(listeners: &[Listener]) -> io::Result<Vec<Endpoint>> {
    listeners.iter().map(Listener::address).collect()
}

/// Forgets the settings of another process.
#[cfg(unix)]
fn without_settings(socket: Listener) -> io::Result<Listener> {
    Listener::from_fd(socket.into())
}

#[cfg(not(unix))]
fn without_settings(socket: Listener) -> io::Result<Listener> {
    Ok(socket)
}

/// Removes what is left of addresses that no process listens on any more.
#[cfg(unix)]
pub(crate) fn close(left: &[Endpoint], log: &Log) {
    for address in left {
        let text = format!("no longer listening on {address}, which no option names");
        log.event(Level::Warning, &text, &[]);
        remove(address);
    }
}

/// Removes the file of a UNIX socket. One that is not there any more needs no removal.
#[cfg(unix)]
pub(crate) fn remove(address: &Endpoint) {
    if let Endpoint::Unix(Some(path)) = address
        && !is_abstract(path)
    {
        let _ = std::fs::remove_file(path);
    }
}
