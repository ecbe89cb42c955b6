//! The walk through the core's state space finds bugs: each patch of `core/tests/planted` plants
//! one in a copy of the core, where the test `state_space` must fail.
//!
//! Builds the core's tests once for each patch, which takes a minute: set `LINECHO_PLANTED=1`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use linecho_trials::{Stop, conclude, trials};

fn main() -> ExitCode {
    conclude(trials![each_planted_bug_is_found])
}

fn each_planted_bug_is_found() -> Result<(), Stop> {
    if env::var_os("LINECHO_PLANTED").is_none_or(|value| value != "1") {
        return Err(Stop::Skipped {
            why: "it builds the core nine times".into(),
            enable: "LINECHO_PLANTED=1 cargo test -p linecho-tests --test planted".into(),
        });
    }
    let copy = Copy::new();
    let control = copy.state_space();
    assert!(control.status.success(), "no bug: {}", text(&control));

    let mut patches: Vec<PathBuf> = fs::read_dir(root().join("core/tests/planted"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    patches.sort();
    assert!(patches.len() >= 5, "{patches:?}");
    for patch in patches {
        let name = patch.file_stem().and_then(OsStr::to_str).unwrap_or("?");
        copy.apply(&patch, &[])?;
        let result = copy.state_space();
        copy.apply(&patch, &["--reverse"])?;
        let failed = text(&result).contains("test result: FAILED");
        assert!(failed, "{name} is not found: {}", text(&result));
        println!("found: {name}");
    }
    Ok(())
}

/// A copy of the core, a workspace by itself.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
        let _ = fs::remove_dir_all(&folder);
        copy_folder(&root().join("core/src"), &folder.join("core/src"));
        for file in ["core/Cargo.toml", "core/README.md", "Cargo.lock"] {
            fs::copy(root().join(file), folder.join(file)).unwrap();
        }
        let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let of_core = |line: &str| match line {
            line if line.starts_with("members = ") => "members = [\"core\"]\n".into(),
            line if line.starts_with("linecho-") && !line.starts_with("linecho-core.") => {
                String::new()
            }
            line => format!("{line}\n"),
        };
        let workspace: String = workspace.lines().map(of_core).collect();
        fs::write(folder.join("Cargo.toml"), workspace).unwrap();
        Self(folder)
    }

    fn apply(&self, patch: &Path, options: &[&str]) -> Result<(), Stop> {
        let mut command = Command::new("patch");
        command.args(["--strip=1", "--silent", "--no-backup-if-mismatch"]);
        command
            .args(options)
            .arg("--directory")
            .arg(self.0.join("core"));
        let output = command.arg("--input").arg(patch).output();
        let output = output.map_err(|_| Stop::no_program("patch", "patch"))?;
        let name = patch.display();
        assert!(
            output.status.success(),
            "{name} does not apply: {}",
            text(&output)
        );
        Ok(())
    }

    /// Runs the walk there.
    fn state_space(&self) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "test",
            "--offline",
            "-p",
            "linecho-core",
            "--lib",
            "state_space",
        ]);
        cargo.env("CARGO_TARGET_DIR", self.0.with_file_name("planted-target"));
        cargo.current_dir(&self.0).output().unwrap()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn text(output: &Output) -> String {
    let lossy = String::from_utf8_lossy;
    format!("{}{}", lossy(&output.stdout), lossy(&output.stderr))
}
