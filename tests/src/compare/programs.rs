//! The servers that are compared, and how each is built. The peers are small programs in
//! `tests/peers`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use super::report::Column;
use crate::measure::server::Program;

/// A server of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peer {
    /// The control: an epoll loop written by hand in C.
    C,
    /// The project's own `echo-server`.
    Ours,
    /// tokio on one thread with tokio-util's `LinesCodec`.
    Tokio,
    /// Go, a goroutine per connection with `ReadBytes`.
    Go,
}

impl Peer {
    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::C => "C epoll",
            Self::Ours => "linecho",
            Self::Tokio => "tokio LinesCodec",
            Self::Go => "Go goroutines",
        }
    }

    /// Its column in a table.
    #[must_use]
    pub fn column(self) -> Column {
        let name = self.to_possible_value();
        let id = name.map_or_else(String::new, |name| name.get_name().to_owned());
        let title = self.title().to_owned();
        Column { id, title }
    }

    /// Builds it; `None` when the machine lacks the tool that does, after saying so.
    ///
    /// # Errors
    /// When it cannot be built although the tool is there.
    pub fn build(self) -> io::Result<Option<Program>> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = target_directory()?;
        let peers = target.join("peers");
        std::fs::create_dir_all(&peers)?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut arguments: Vec<OsString> = Vec::new();

        let (mut tool, path) = match self {
            Self::C => {
                let path = peers.join("epoll");
                let mut cc = Command::new("cc");
                cc.args(["-O2", "-o"]).arg(&path);
                cc.arg(sources.join("peers/epoll.c"));
                (cc, path)
            }
            Self::Go => {
                let path = peers.join("goroutines");
                let mut go = Command::new("go");
                go.args(["build", "-o"]).arg(&path).arg("main.go");
                go.current_dir(sources.join("peers/goroutines"));
                (go, path)
            }
            Self::Tokio => {
                let mut build = Command::new(cargo);
                build.args([
                    "build",
                    "--release",
                    "--quiet",
                    "--locked",
                    "--manifest-path",
                ]);
                build.arg(sources.join("peers/tokio/Cargo.toml"));
                build.arg("--target-dir").arg(peers.join("tokio"));
                (build, peers.join("tokio/release/peer-tokio"))
            }
            Self::Ours => {
                arguments = ["--listen", "127.0.0.1:0", "--workers", "1", "-q"]
                    .map(Into::into)
                    .into();
                let mut build = Command::new(cargo);
                build.args(["build", "--release", "--quiet", "-p", "linecho-examples"]);
                build.args(["--bin", "echo-server", "--manifest-path"]);
                build.arg(sources.join("Cargo.toml"));
                build.arg("--target-dir").arg(&target);
                (build, target.join("release/echo-server"))
            }
        };
        match tool.status() {
            Ok(status) if status.success() => Ok(Some(Program { path, arguments })),
            Ok(status) => Err(io::Error::other(format!(
                "{} was not built: {tool:?} ended with {status}; leave it out with --peers",
                self.title()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = tool.get_program().display();
                eprintln!("{} is left out: this machine has no `{name}`", self.title());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Where cargo puts what it builds: this program is `TARGET/PROFILE/NAME`.
fn target_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).map(Path::to_path_buf);
    target
        .ok_or_else(|| io::Error::other(format!("{} is in no target directory", program.display())))
}
