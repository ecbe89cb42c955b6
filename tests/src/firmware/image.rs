//! Images: the firmware, built for a board.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;

use super::toolchain::{Toolchain, target_dir};
use super::{Problem, TARGET, root};

/// A board that the firmware runs on, by its name in QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Board {
    /// Stellaris LM3S6965: 256 KiB of flash, 64 KiB of RAM, Ethernet on the chip.
    Lm3s6965evb,
    /// Arm MPS2 with the AN385 image: a LAN9118 Ethernet controller.
    Mps2An385,
}

impl Board {
    /// All boards.
    pub const ALL: [Self; 2] = [Self::Lm3s6965evb, Self::Mps2An385];

    /// QEMU's name, and that of the cargo feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lm3s6965evb => "lm3s6965evb",
            Self::Mps2An385 => "mps2-an385",
        }
    }

    /// QEMU's name of its Ethernet controller.
    #[must_use]
    pub const fn ethernet(self) -> &'static str {
        match self {
            Self::Lm3s6965evb => "stellaris",
            Self::Mps2An385 => "lan9118",
        }
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The firmware to build.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// For which board.
    pub board: Board,
    /// Connections at a time.
    pub slots: u8,
    /// With the deliberate failures and short deadlines that tests need.
    pub test_commands: bool,
    /// Another feature of the firmware, or of a package in it.
    pub feature: Option<&'static str>,
}

impl Image {
    /// The image that a user gets: four slots.
    #[must_use]
    pub const fn of(board: Board) -> Self {
        Self {
            board,
            slots: 4,
            test_commands: false,
            feature: None,
        }
    }

    /// Builds the image, once in this process, or finds it up to date: the path of its ELF file,
    /// which no other build overwrites.
    ///
    /// # Errors
    ///
    /// [`Problem::Missing`] without a compiler for the target; [`Problem::Failed`] with the
    /// compiler's or the linker's message.
    pub fn build(&self) -> Result<PathBuf, Problem> {
        // A hundred tests ask for one of six images. Cargo takes a while to find it up to date.
        static BUILT: Mutex<BTreeMap<String, Result<PathBuf, Problem>>> =
            Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.to_string();
        if let Some(result) = built.get(&name) {
            return result.clone();
        }
        let result = Toolchain::for_target(TARGET).and_then(|toolchain| {
            let mut cargo = self.cargo_build(&toolchain);
            build_as(&toolchain, &mut cargo, "linecho-firmware", &name)
        });
        built.insert(name, result.clone());
        result
    }

    /// Builds the same image with a plain echo in place of linecho, or finds it up to date.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_plain(&self) -> Result<PathBuf, Problem> {
        let toolchain = Toolchain::for_target(TARGET)?;
        let mut cargo = toolchain.cargo_build();
        cargo
            .arg("--manifest-path")
            .arg(root().join("tests/peers/firmware/Cargo.toml"))
            .args(["--features", self.board.name()])
            .env("LINECHO_SLOTS", self.slots.to_string());
        build_as(
            &toolchain,
            &mut cargo,
            "peer-firmware",
            &format!("{self}-plain"),
        )
    }

    /// Returns what the compiler warns of, in an image that was built before, too.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn warnings(&self) -> Result<String, Problem> {
        let toolchain = Toolchain::for_target(TARGET)?;
        let _lock = lock()?;
        run(&mut self.cargo_build(&toolchain))
    }

    fn cargo_build(&self, toolchain: &Toolchain) -> Command {
        let mut features = self.board.name().to_owned();
        if self.test_commands {
            features += ",test-commands";
        }
        if let Some(feature) = self.feature {
            features = format!("{features},{feature}");
        }
        let mut cargo = toolchain.cargo_build();
        cargo
            .args(["--package", "linecho-firmware", "--no-default-features"])
            .args(["--features", &features])
            .env("LINECHO_SLOTS", self.slots.to_string());
        cargo
    }
}

/// Builds `program`, and keeps it under a name of its own.
fn build_as(
    toolchain: &Toolchain,
    cargo: &mut Command,
    program: &str,
    name: &str,
) -> Result<PathBuf, Problem> {
    let kept = images().join(format!("{name}.elf"));
    let _lock = lock()?;
    run(cargo)?;
    // A board of another process may be about to boot the old one, which is never half written.
    let new = kept.with_extension("new");
    fs::copy(toolchain.output_dir().join(program), &new)
        .and_then(|_| fs::rename(&new, &kept))
        .map_err(|error| not_written(&kept, &error))?;
    Ok(kept)
}

/// Keeps others, also in other processes, from building: all images are built under the same name,
/// so that the next build would take the place of one that is not yet copied.
fn lock() -> Result<File, Problem> {
    let folder = images();
    fs::create_dir_all(&folder)
        .and_then(|()| File::create(folder.join("lock")))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| not_written(&folder, &error))
}

/// The folder of the images that are kept.
fn images() -> PathBuf {
    target_dir().join("images")
}

fn not_written(path: &Path, error: &io::Error) -> Problem {
    Problem::failed(format!("cannot write {}: {error}", path.display()))
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests = if self.test_commands { "-test" } else { "" };
        write!(f, "{}-{}{tests}", self.board, self.slots)?;
        // It is the name of a file.
        let feature = self.feature.map(|feature| feature.replace('/', "-"));
        feature.map_or(Ok(()), |feature| write!(f, "-{feature}"))
    }
}

/// Runs a quiet build, and returns its messages: warnings.
///
/// # Errors
///
/// [`Problem::Failed`] with the messages.
pub fn run(cargo: &mut Command) -> Result<String, Problem> {
    let output = cargo
        .output()
        .map_err(|error| Problem::failed(format!("cannot run {cargo:?}: {error}")))?;
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(messages);
    }
    Err(Problem::failed(format!("{cargo:?} failed:\n{messages}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_has_a_name_of_its_own() {
        let image = Image::of(Board::Lm3s6965evb);
        assert_eq!(image.to_string(), "lm3s6965evb-4");
        let with = Image {
            feature: Some("linecho-smoltcp/guard"),
            ..image
        };
        assert_eq!(with.to_string(), "lm3s6965evb-4-linecho-smoltcp-guard");
    }
}
