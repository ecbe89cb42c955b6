//! The adapters that can be beset.

use std::fmt;
use std::str::FromStr;

/// The adapter that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// linecho-std: the program echo-server.
    Std,
    /// linecho-smoltcp: the program echo-tap.
    Smoltcp,
}

impl FromStr for Adapter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "std" => Ok(Self::Std),
            "smoltcp" => Ok(Self::Smoltcp),
            _ => Err("it is `std` or `smoltcp`".into()),
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Std => "std",
            Self::Smoltcp => "smoltcp",
        })
    }
}
