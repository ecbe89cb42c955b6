//! The same echo in C on lwIP, `tests/peers/lwip`, for the board of which there is a driver in it.
//!
//! lwIP comes as Debian's source package, of the suite that the machine has. Nothing of it is kept
//! in the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::image::run;
use super::toolchain::target_dir;
use super::{Problem, root};

const COMPILER: &str = "arm-none-eabi-gcc";

/// The parts of lwIP that a TCP server on Ethernet needs, below `src`.
const SOURCES: [&str; 17] = [
    "core/def.c",
    "core/inet_chksum.c",
    "core/init.c",
    "core/ip.c",
    "core/ipv4/etharp.c",
    "core/ipv4/icmp.c",
    "core/ipv4/ip4.c",
    "core/ipv4/ip4_addr.c",
    "core/mem.c",
    "core/memp.c",
    "core/netif.c",
    "core/pbuf.c",
    "core/tcp.c",
    "core/tcp_in.c",
    "core/tcp_out.c",
    "core/timeouts.c",
    "netif/ethernet.c",
];

/// Builds the image: the path of its ELF file, and the version of lwIP.
///
/// # Errors
///
/// [`Problem::Missing`] without the compiler or the source package; [`Problem::Failed`] with the
/// compiler's message.
pub fn build() -> Result<(PathBuf, String), Problem> {
    let folder = target_dir().join("lwip");
    let source = source(&folder)?;
    let version = source
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let peer = root().join("tests/peers/lwip");
    let image = folder.join("echo.elf");
    let mut compiler = Command::new(COMPILER);
    compiler
        .args(["-mcpu=cortex-m3", "-mthumb", "-Os", "-flto", "-g"])
        .args([
            "-ffunction-sections",
            "-fdata-sections",
            "-Wl,--gc-sections",
        ])
        .args(["-Wall", "-Wextra", "-Wno-unused-parameter"])
        .args(["--specs=nano.specs", "-nostartfiles", "-T"])
        .arg(peer.join("board.ld"))
        .arg("-I")
        .arg(&peer)
        .arg("-I")
        .arg(source.join("src/include"))
        .arg(peer.join("echo.c"))
        .args(SOURCES.map(|file| source.join("src").join(file)))
        .arg("-o")
        .arg(&image);
    run(&mut compiler)?;
    Ok((image, version))
}

/// The unpacked source package, fetched once.
fn source(folder: &Path) -> Result<PathBuf, Problem> {
    let unpacked = || {
        let entries = fs::read_dir(folder).ok()?.flatten();
        let mut folders = entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir());
        folders.find(|path| path.join("src/core/tcp.c").exists())
    };
    if let Some(source) = unpacked() {
        return Ok(source);
    }
    if Command::new(COMPILER).arg("--version").output().is_err() {
        return Err(missing(&format!("there is no program `{COMPILER}`")));
    }
    let io_failed = |error| Problem::failed(format!("cannot write {}: {error}", folder.display()));
    fs::create_dir_all(folder.join("lists/partial")).map_err(io_failed)?;
    // Lists of its own: the machine's are left as they are.
    let suite = suite()?;
    fs::write(
        folder.join("sources.list"),
        format!("deb-src http://deb.debian.org/debian {suite} main\n"),
    )
    .map_err(io_failed)?;
    for arguments in [["update", ""], ["source", "lwip"]] {
        let mut apt = Command::new("apt-get");
        let option = |name: &str, path: &Path| format!("{name}={}", path.display());
        apt.args(["-qq", "-o", "Dir::Etc::sourceparts=-", "-o"])
            .arg(option("Dir::Etc::sourcelist", &folder.join("sources.list")))
            .arg("-o")
            .arg(option("Dir::State::lists", &folder.join("lists")))
            .args(arguments.iter().filter(|argument| !argument.is_empty()))
            .current_dir(folder);
        run(&mut apt)?;
    }
    unpacked().ok_or_else(|| missing("Debian's source package lwip was not unpacked"))
}

/// The name of the machine's release of Debian.
fn suite() -> Result<String, Problem> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(str::to_owned)
        .ok_or_else(|| missing("lwIP is taken from Debian, which this machine does not run"))
}

fn missing(what: &str) -> Problem {
    Problem::Missing {
        what: what.to_owned(),
        enable: "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi dpkg-dev".to_owned(),
    }
}
