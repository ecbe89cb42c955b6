//! Addresses to listen on, as people write them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::address::Address;

/// An address to listen on, with an optional name: an [`Address`] or `unix:PATH`, as in
/// `web=localhost:8080`. On Linux a path that begins with `@` is an abstract name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// The name for logs and metrics.
    pub name: Option<String>,
    /// The address.
    pub place: Place,
}

/// The address without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Tcp(Address),
    /// The path of a UNIX socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Returns `true` if it means any free port.
    #[must_use]
    pub fn is_any_port(&self) -> bool {
        matches!(&self.place, Place::Tcp(address) if address.port == 0)
    }
}

impl Place {
    /// Returns `true` for a UNIX socket that is a file, rather than an abstract name.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Unix(path) if !is_abstract(path))
    }
}

/// Returns `true` for the path of a UNIX socket that is an abstract name, and no file: on Linux,
/// one that begins with `@`.
#[must_use]
pub fn is_abstract(path: &Path) -> bool {
    cfg!(target_os = "linux") && path.as_os_str().as_encoded_bytes().starts_with(b"@")
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A path may have a `=` in it, too.
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if !name.contains(['/', ':', '@']) => (Some(name), place),
            _ => (None, text),
        };
        if name.is_some_and(|name| name.trim().is_empty()) {
            return Err("a name comes before the `=`".into());
        }
        Ok(Self {
            name: name.map(|name| name.trim().into()),
            place: place.trim().parse()?,
        })
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path comes after `unix:`".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None if text.starts_with(['/', '@']) => {
                Err(format!("the address of a UNIX socket is unix:{text}"))
            }
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_it_can_be_written() {
        for text in [
            "localhost:7",
            "web=:80",
            "a name=[::1]:7",
            "unix:/run/echo.sock",
            "local=unix:@echo",
            "unix:/tmp/a=b:7",
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let spaced: ListenAddress = " web = 8080 ".parse().unwrap();
        assert_eq!(spaced.to_string(), "web=localhost:8080");
        let path: ListenAddress = "unix:/tmp/a=b:7".parse().unwrap();
        assert_eq!(path.name, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("=80", "name"),
            ("unix:", "path"),
            ("/run/echo.sock", "unix:/run/echo.sock"),
            ("@echo", "unix:@echo"),
            ("web=", "port"),
            ("http://host:80", "plain TCP"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
