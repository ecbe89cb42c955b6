//! From the command line to a device that carries frames, and what people are told about it.

use std::error::Error;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{self, ExitCode};

use linecho_devices::netns;
use linecho_devices::stream::StreamError;
use linecho_devices::tap::TapError;
use linecho_devices::{FramedStream, Passt, Tap};
use linecho_smoltcp::smoltcp::wire::IpCidr;

use crate::options::Arguments;
use crate::serve::serve;
use crate::{address, guide};

/// The name of the TAP device in the namespace.
const NETNS_TAP: &str = "tap0";
/// The MTU behind a UNIX socket, that of Ethernet.
const SOCKET_MTU: u16 = 1500;

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::take();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            if let Ok(log) = arguments.log.start() {
                log.failure("echo-tap", &*error);
                log.finish();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let (own, port) = (&arguments.ip, arguments.port);
    if let Some(name) = &arguments.link.tap {
        let tap = open(name, arguments)?;
        let plug_in = guide::plug_in(tap.name(), own);
        let try_it = guide::try_it("", own, port);
        let guide = format!("Give this machine its side of the link:\n{plug_in}{try_it}");
        serve(arguments, tap, &guide)
    } else if let Some(path) = &arguments.link.socket {
        let stream = FramedStream::connect(path, arguments.mtu.unwrap_or(SOCKET_MTU).into())
            .map_err(|error| explained(error, path, arguments))?;
        serve(
            arguments,
            Passt::new(stream),
            &guide::try_it_behind_passt(own, port),
        )
    } else {
        let before = fs::read_link("/proc/self/ns/user")?;
        netns::enter()?;
        let as_user = fs::read_link("/proc/self/ns/user")? != before;
        let tap = open(NETNS_TAP, arguments)?;
        netns::configure(NETNS_TAP, &other_ends(own))?;
        let guide = match arguments.command.as_slice() {
            [] => guide::try_it(&guide::enter(process::id(), as_user), own, port),
            command => format!("Runs: {}\n", command.join(" ")),
        };
        serve(arguments, tap, &guide)
    }
}

fn open(name: &str, arguments: &Arguments) -> Result<Tap, TapError> {
    let mut tap = Tap::open(name)?;
    if let Some(mtu) = arguments.mtu {
        tap.lower_mtu(mtu.into());
    }
    Ok(tap)
}

/// The kernel's addresses on the link.
fn other_ends(own: &[IpCidr]) -> Vec<(IpAddr, u8)> {
    let other = own.iter().filter_map(|own| address::neighbour(*own));
    other
        .map(|it| (it.address().into(), it.prefix_len()))
        .collect()
}

/// Says what has to be running before this program.
fn explained(error: StreamError, path: &Path, arguments: &Arguments) -> Box<dyn Error> {
    let StreamError::Connect { source, .. } = error else {
        return error.into();
    };
    let passt = guide::passt(path, &arguments.ip, arguments.port);
    let path = path.display();
    format!(
        "cannot connect to the UNIX socket {path}: {source}\nStart passt there first, or QEMU as --help \
         says:\n{passt}"
    )
    .into()
}
