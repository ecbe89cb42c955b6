//! The servers that are compared, and how each is built. The peers are small programs in
//! `tests/peers`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use super::leave_out;
use crate::bench::measure::server::Program;
use crate::bench::report::Column;

/// The option of `echo-server` that has it use one core, as the C loop does.
pub(super) const ONE_WORKER: &str = "--workers=1";

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
    /// Its name for people.
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
    ///
    /// When it cannot be built although the tool is there.
    pub fn build(self) -> io::Result<Option<Program>> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut arguments: Vec<OsString> = Vec::new();
        let recipe = match self {
            Self::C => Recipe::for_c("epoll")?,
            Self::Go => {
                let path = peers_directory()?.join("goroutines");
                let mut go = Command::new("go");
                go.args(["build", "-o"]).arg(&path).arg("main.go");
                go.current_dir(sources.join("peers/goroutines"));
                Recipe { tool: go, path }
            }
            Self::Tokio => Recipe::for_peer("tokio")?,
            Self::Ours => {
                arguments = ["--listen", "127.0.0.1:0", ONE_WORKER, "-q"]
                    .map(Into::into)
                    .into();
                Recipe::for_ours("echo-server")?
            }
        };
        let path = recipe.follow(self.title())?;
        Ok(path.map(|path| Program { path, arguments }))
    }
}

/// The command that builds a program, and the path of the result.
pub(super) struct Recipe {
    tool: Command,
    path: PathBuf,
}

impl Recipe {
    /// A program of the project.
    ///
    /// # Errors
    ///
    /// When it is not known where cargo puts it.
    pub(super) fn for_ours(name: &str) -> io::Result<Self> {
        let target = target_directory()?;
        let mut tool = cargo_build();
        // From the workspace, as the README's command does, and with its profile.
        tool.args(["--bin", name, "--manifest-path"]);
        tool.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
        tool.arg("--target-dir").arg(&target);
        let path = target.join("release").join(name);
        Ok(Self { tool, path })
    }

    /// The peer in C whose source is the file `NAME.c`.
    ///
    /// # Errors
    ///
    /// When there is no directory to build it in.
    pub(super) fn for_c(name: &str) -> io::Result<Self> {
        let path = peers_directory()?.join(name);
        let source = format!("peers/{name}.c");
        let mut tool = Command::new("cc");
        tool.args(["-O2", "-o"]).arg(&path);
        tool.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
        Ok(Self { tool, path })
    }

    /// The peer in Rust whose sources are in the directory `name`: a workspace of its own, with the
    /// program `peer-NAME`.
    ///
    /// # Errors
    ///
    /// When there is no directory to build it in.
    pub(super) fn for_peer(name: &str) -> io::Result<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(name);
        let target = peers_directory()?.join(name);
        let mut tool = cargo_build();
        tool.args(["--locked", "--manifest-path"]);
        tool.arg(sources.join("Cargo.toml"));
        tool.arg("--target-dir").arg(&target);
        let path = target.join(format!("release/peer-{name}"));
        Ok(Self { tool, path })
    }

    /// Builds the program, which people call `title`. `None` when the machine lacks the tool that
    /// does, after saying so.
    ///
    /// # Errors
    ///
    /// When it cannot be built although the tool is there.
    pub(super) fn follow(mut self, title: &str) -> io::Result<Option<PathBuf>> {
        let tool = &mut self.tool;
        match tool.status() {
            Ok(status) if status.success() => Ok(Some(self.path)),
            Ok(status) => Err(io::Error::other(format!(
                "{title} was not built: {tool:?} ended with {status}; leave it out with --peers or --only",
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = tool.get_program().display();
                leave_out(title, format_args!("this machine has no `{name}`"))?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn cargo_build() -> Command {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--quiet"]);
    build
}

/// The folder in which the peers are built.
fn peers_directory() -> io::Result<PathBuf> {
    let peers = target_directory()?.join("peers");
    std::fs::create_dir_all(&peers)?;
    Ok(peers)
}

/// Cargo's target folder: this program is `TARGET/PROFILE/NAME`.
fn target_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).map(Path::to_path_buf);
    target
        .ok_or_else(|| io::Error::other(format!("{} is in no target directory", program.display())))
}
