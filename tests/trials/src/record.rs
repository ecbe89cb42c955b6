//! The skipped tests of one run of `cargo test`, as files: each test program is a process of its
//! own, and the last one prints the sum.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io, process};

/// A test that was skipped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// The test program.
    pub(crate) program: String,
    /// Its test.
    pub(crate) test: String,
    /// The tool or privilege that this machine lacks.
    pub(crate) why: String,
    /// The command that mends it.
    pub(crate) enable: String,
}

/// Records a skip of this run.
pub(crate) fn skipped(test: &str, why: &str, enable: &str) -> io::Result<()> {
    write(&folder()?.join(run()), &program()?, test, why, enable)
}

fn write(folder: &Path, program: &str, test: &str, why: &str, enable: &str) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    fs::create_dir_all(folder)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = [program, test, why, enable].map(one_line);
    let file = folder.join(format!("{}-{number}", process::id()));
    fs::write(file, lines.join("\n"))
}

/// Returns what was skipped in this run of `cargo test` so far, and deletes all records, also those
/// that earlier runs left.
pub(crate) fn take() -> io::Result<Vec<Skipped>> {
    let folder = folder()?;
    let found = read(&folder.join(run()))?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(found),
    }
}

fn read(folder: &Path) -> io::Result<Vec<Skipped>> {
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let read = |file: io::Result<fs::DirEntry>| {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next();
        let skipped = (|| {
            Some(Skipped {
                program: next()?,
                test: next()?,
                why: next()?,
                enable: next()?,
            })
        })();
        skipped.ok_or_else(|| io::Error::other(format!("{} is cut short", path.display())))
    };
    files.map(read).collect()
}

/// The folder of all records, beside what the profile builds.
fn folder() -> io::Result<PathBuf> {
    Ok(profile_folder()?.join("skipped"))
}

/// The folder that cargo builds this profile in: a test program is `TARGET/PROFILE/deps/NAME-HASH`.
pub(crate) fn profile_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().skip(1).find(|it| !it.ends_with("deps"));
    folder
        .map(Into::into)
        .ok_or_else(|| io::Error::other(format!("{} is in no folder", program.display())))
}

/// This test program's name, without cargo's hash.
fn program() -> io::Result<String> {
    let path = std::env::current_exe()?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(name
        .rsplit_once('-')
        .map_or(&*name, |(name, _hash)| name)
        .to_owned())
}

/// Tells one run of `cargo test` from another: all its test programs have one parent.
fn run() -> String {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    parent.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = profile_folder().unwrap().join("records_for_a_test");
        let _ = fs::remove_dir_all(&folder);
        assert_eq!(read(&folder).unwrap(), []);
        write(&folder, "firmware", "boots", "no\n  QEMU", "install\nit").unwrap();
        write(&folder, "firmware", "sleeps", "no QEMU", "install it").unwrap();
        let mut found = read(&folder).unwrap();
        found.sort_by(|one, other| one.test.cmp(&other.test));
        let skipped = |test: &str| Skipped {
            program: "firmware".into(),
            test: test.into(),
            why: "no QEMU".into(),
            enable: "install it".into(),
        };
        assert_eq!(found, [skipped("boots"), skipped("sleeps")]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
