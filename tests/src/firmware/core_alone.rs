//! `examples/firmware/core-alone`: the core with nothing around it. Its size, and the proof that it
//! cannot panic: it links only if no panic can be reached.

use std::path::PathBuf;
use std::process::Command;

use super::elf::{Elf, Kind, Symbol};
use super::image::run;
use super::toolchain::Toolchain;
use super::{Problem, folder};

/// The function that the panic handler calls, and that does not exist.
const TELLTALE: &str = "a_panic_is_reachable";

/// The content of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Session and polled driver, the subject of the size.
    Session,
    /// All synchronous functions of the core.
    Everything,
    /// The same, and a case that can panic: a proof that passes it is broken.
    Control,
}

impl Content {
    const fn features(self) -> &'static str {
        match self {
            Self::Session => "",
            Self::Everything => "everything",
            Self::Control => "everything,control",
        }
    }
}

/// The answer to whether a panic can be reached.
#[derive(Debug)]
pub enum Proof {
    /// No: the image linked.
    PanicFree(PathBuf),
    /// Yes, through these functions.
    CanPanic(Vec<String>),
}

/// Links the image for a target.
///
/// # Errors
///
/// [`Problem`] when it cannot be built for any other reason than a reachable panic.
pub fn prove(target: &str, content: Content) -> Result<Proof, Problem> {
    let toolchain = Toolchain::for_target(target)?;
    let build = |features: &str| {
        let manifest = folder().join("core-alone/Cargo.toml");
        let mut cargo = toolchain.cargo_build();
        cargo
            .arg("--manifest-path")
            .arg(manifest)
            .args(["--features", features]);
        run(&mut cargo)
    };
    let image = toolchain.output_dir().join("core-alone");
    match build(content.features()) {
        Ok(_) => Ok(Proof::PanicFree(image)),
        Err(Problem::Failed(message)) if message.contains(TELLTALE) => {
            build(&format!("{},name-culprits", content.features()))?;
            Ok(Proof::CanPanic(culprits(&Elf::read(&image)?)))
        }
        Err(problem) => Err(problem),
    }
}

fn culprits(image: &Elf) -> Vec<String> {
    let names = image.symbols.iter().map(|symbol| symbol.name.clone());
    let panics = |name: &String| {
        ["core::panicking", "unwrap_failed", "expect_failed"]
            .iter()
            .any(|culprit| name.contains(culprit))
    };
    names.filter(panics).collect()
}

/// The target of this machine.
///
/// # Errors
///
/// [`Problem::Failed`] when `rustc` does not say.
pub fn host() -> Result<String, Problem> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .map_err(|error| Problem::failed(format!("cannot run rustc: {error}")))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| Problem::failed("`rustc -vV` does not name the host"))
}

/// The size of the core by itself, in bytes: a session with all policies, deadlines and counters,
/// and the polled driver, in one instance.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Its functions.
    pub code: u64,
    /// Its constants.
    pub constants: u64,
    /// Its variables.
    pub variables: u64,
    /// The parts of the compiler's library that it calls, which most programs have anyway:
    /// `memmove`, `memset`.
    pub library: u64,
}

/// The size of the core alone on a target.
///
/// # Errors
///
/// [`Problem`] when the image cannot be built, or can panic.
pub fn size(target: &str) -> Result<Size, Problem> {
    let image = match prove(target, Content::Session)? {
        Proof::PanicFree(image) => Elf::read(&image)?,
        Proof::CanPanic(culprits) => {
            let culprits = culprits.join(", ");
            return Err(Problem::failed(format!(
                "the core can panic on {target}: {culprits}"
            )));
        }
    };
    let bytes = |kind: Kind, owner: Owner| -> u64 {
        let symbols = image.symbols_in(kind);
        symbols
            .filter(|symbol| owner_of(symbol) == owner)
            .map(|symbol| symbol.bytes)
            .sum()
    };
    let all = |owner: Owner, kinds: &[Kind]| kinds.iter().map(|&kind| bytes(kind, owner)).sum();
    Ok(Size {
        code: bytes(Kind::Code, Owner::Core),
        constants: bytes(Kind::Constants, Owner::Core),
        variables: all(Owner::Core, &[Kind::Data, Kind::Zeros]),
        library: all(
            Owner::Library,
            &[Kind::Code, Kind::Constants, Kind::Data, Kind::Zeros],
        ),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Core,
    /// The compiler's library.
    Library,
    /// The stand-in for the world.
    Harness,
}

fn owner_of(symbol: &Symbol) -> Owner {
    let name = symbol.name.as_str();
    // Of a method of a trait, the name begins with that of the type in angle brackets.
    let path = name.trim_start_matches('<');
    if name == "_start"
        || path.starts_with("core_alone::harness::")
        || path.starts_with("core::hint::black_box")
    {
        Owner::Harness
    } else if name.contains("compiler_builtins")
        || name.starts_with("__")
        || name.starts_with("mem")
    {
        Owner::Library
    } else {
        Owner::Core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        owner_of(&Symbol {
            name: name.to_owned(),
            address: 0,
            bytes: 1,
        })
    }

    /// An instance of a core's function is the core's, whatever it is an instance for.
    #[test]
    fn instances_for_the_harness_belong_to_the_core() {
        let transfer =
            "linecho_core::polled::transfer::<&mut [u8], core_alone::harness::Transport>";
        assert_eq!(owner(transfer), Owner::Core);
        let read = "<core_alone::harness::Transport as embedded_io::Read>::read";
        assert_eq!(owner(read), Owner::Harness);
        assert_eq!(owner("core_alone::harness::CONFIG"), Owner::Harness);
        assert_eq!(owner("core::hint::black_box::<usize>"), Owner::Harness);
    }
}
