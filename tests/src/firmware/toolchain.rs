//! Finds a way to build for a bare-metal target with what is installed.
//!
//! The usual way is a precompiled `core` from `rustup target add`. Where rustup cannot fetch it, a
//! compiler that comes with the source of `core` builds it: a nightly with `rust-src`, or Debian's
//! `rustc-web` with `rust-web-src`.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Problem, folder};

/// A way to build for one target.
#[derive(Debug)]
pub struct Toolchain {
    target: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// The target is installed.
    Installed,
    /// `rustup run nightly cargo -Zbuild-std`.
    Nightly,
    /// Debian's compiler, told to accept `-Zbuild-std`, with the linker of another toolchain.
    Debian { linker: PathBuf },
}

/// The origin of a target's `core`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreLibrary {
    /// Compiled for speed, by those who made the toolchain: `rustup target add`.
    Precompiled,
    /// Compiled together with the image, for size as well: `-Zbuild-std`.
    FromSource,
}

impl CoreLibrary {
    /// The name of its budget.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Precompiled => "core_precompiled",
            Self::FromSource => "core_from_source",
        }
    }
}

impl fmt::Display for CoreLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Precompiled => "core precompiled",
            Self::FromSource => "core compiled from source",
        })
    }
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

impl Toolchain {
    /// The first way that works on this machine.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`] with the command that installs the target.
    pub fn for_target(target: &str) -> Result<Self, Problem> {
        let ask = |words: &[&str]| ask(clean(Command::new("rustc")).args(words));
        let way = if ask(&["--print", "target-libdir", "--target", target])
            .is_some_and(|libraries| holds_core(&libraries))
        {
            Way::Installed
        } else if nightly_sysroot().is_some_and(|sysroot| has_source(&sysroot)) {
            Way::Nightly
        } else if let Some(linker) = debian_linker() {
            Way::Debian { linker }
        } else {
            return Err(Problem::Missing {
                what: format!("no Rust compiler here builds for {target}"),
                enable: format!(
                    "rustup target add {target}; or, where rustup cannot fetch it, \
                     apt-get install rustc-web cargo-web rust-web-src lld"
                ),
            });
        };
        Ok(Self {
            target: target.to_owned(),
            way,
        })
    }

    /// How the target's `core` is made, on which an image's size depends.
    #[must_use]
    pub const fn core(&self) -> CoreLibrary {
        match self.way {
            Way::Installed => CoreLibrary::Precompiled,
            Way::Nightly | Way::Debian { .. } => CoreLibrary::FromSource,
        }
    }

    /// The version of the compiler, as `rustc --version` gives it.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when the compiler does not say.
    pub fn compiler(&self) -> Result<String, Problem> {
        let mut compiler = match self.way {
            Way::Installed => clean(Command::new("rustc")),
            Way::Nightly => {
                let mut rustup = clean(Command::new("rustup"));
                rustup.args(["run", "nightly", "rustc"]);
                rustup
            }
            Way::Debian { .. } => clean(Command::new(DEBIAN_RUSTC)),
        };
        ask(compiler.arg("--version"))
            .map(|version| version.display().to_string())
            .ok_or_else(|| Problem::failed(format!("{compiler:?} does not tell its version")))
    }

    /// `cargo build --release` for the target, to be completed with package and features.
    #[must_use]
    pub fn cargo_build(&self) -> Command {
        let mut cargo = match &self.way {
            Way::Installed => clean(Command::new("cargo")),
            Way::Nightly => {
                let mut rustup = clean(Command::new("rustup"));
                rustup.args(["run", "nightly", "cargo"]);
                rustup
            }
            Way::Debian { linker } => {
                let target = self.target.to_uppercase().replace('-', "_");
                let mut cargo = clean(Command::new(DEBIAN_CARGO));
                cargo
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env(format!("CARGO_TARGET_{target}_LINKER"), linker);
                cargo
            }
        };
        cargo.args(["build", "--release", "--quiet", "--target", &self.target]);
        if !matches!(self.way, Way::Installed) {
            cargo.arg("-Zbuild-std=core");
        }
        cargo.arg("--target-dir").arg(self.target_dir());
        cargo.current_dir(folder());
        cargo
    }

    /// The folder of the programs that [`cargo_build`](Self::cargo_build) makes.
    #[must_use]
    pub fn output_dir(&self) -> PathBuf {
        self.target_dir().join(&self.target).join("release")
    }

    /// Compilers of two versions do not get on in one folder.
    fn target_dir(&self) -> PathBuf {
        match self.way {
            Way::Installed => target_dir().join("installed"),
            Way::Nightly => target_dir().join("nightly"),
            Way::Debian { .. } => target_dir().join("debian"),
        }
    }
}

/// One folder for all images, so that `core` is compiled once for each target.
#[must_use]
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || folder().join("target"),
        |outer| PathBuf::from(outer).join("firmware"),
    )
}

/// Without what an outer `cargo` has set for its own toolchain.
fn clean(mut command: Command) -> Command {
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

fn ask(command: &mut Command) -> Option<PathBuf> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(OsString::from(text.trim_end())))
}

fn holds_core(libraries: &Path) -> bool {
    libraries.read_dir().is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

fn has_source(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .exists()
}

fn nightly_sysroot() -> Option<PathBuf> {
    ask(clean(Command::new("rustup")).args(["run", "nightly", "rustc", "--print", "sysroot"]))
}

/// A linker for Debian's compiler, if that compiler is installed together with the source of
/// `core`.
fn debian_linker() -> Option<PathBuf> {
    let sysroot = ask(clean(Command::new(DEBIAN_RUSTC)).args(["--print", "sysroot"]))?;
    if !has_source(&sysroot) || !Path::new(DEBIAN_CARGO).exists() {
        return None;
    }
    let of_rustup = ask(clean(Command::new("rustc")).args(["--print", "sysroot"]))
        .map(|sysroot| sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld"));
    let on_path = env::var_os("PATH")
        .into_iter()
        .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .flat_map(|folder| [folder.join("rust-lld"), folder.join("ld.lld")]);
    of_rustup
        .into_iter()
        .chain(on_path)
        .find(|linker| linker.exists())
}
