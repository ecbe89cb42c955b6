//! The environment variables of a program, as its own help names them: so that tests forget none.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::wait;

/// An environment variable that stands for an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name.
    pub name: String,
    /// The long name of its option, without hyphens before it.
    pub option: String,
    /// True if its value is a path or a name, which any text is.
    pub is_any_text: bool,
}

/// The variables that `PROGRAM --help` names, and the long names of all options.
#[must_use]
pub fn of(program: &Path) -> (Vec<Variable>, Vec<String>) {
    let help = output(Command::new(program).arg("--help").env_clear()).1;
    let (mut variables, mut options): (Vec<_>, Vec<String>) = Default::default();
    let mut is_any_text = false;
    for line in help.lines().map(str::trim) {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some(option) = words.iter().take(2).find_map(|it| it.strip_prefix("--"))
            && line.starts_with('-')
        {
            options.push(option.trim_end_matches("...").into());
            is_any_text = words
                .last()
                .is_some_and(|it| ["<PATH>", "<NAME>"].contains(it));
        }
        let name = line.strip_prefix("[env: ");
        if let Some(name) = name.and_then(|it| it.strip_suffix("=]")) {
            variables.push(Variable {
                name: name.into(),
                option: options.last().cloned().unwrap_or_default(),
                is_any_text,
            });
        }
    }
    (variables, options)
}

/// Sets each variable to what cannot be its value, and checks that the program ends with 2 and
/// names it. `arguments` are the least that the program needs; they set none of the options.
pub fn assert_wrong_ones_are_named(program: &Path, arguments: &[&str]) {
    let wrong = "!wrong";
    let values = [OsStr::new(wrong), not_utf8()];
    for variable in of(program).0.iter().filter(|it| !it.is_any_text) {
        for value in values {
            let mut command = Command::new(program);
            command.args(arguments).env_clear();
            let (code, text) = output(command.env(&variable.name, value));
            assert_eq!(code, Some(2), "{}: {text}", variable.name);
            let is_shown = value != wrong || text.contains(wrong);
            assert!(text.contains(&variable.name) && is_shown, "{text}");
        }
    }
}

#[cfg(unix)]
fn not_utf8() -> &'static OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(b"\xff")
}

#[cfg(not(unix))]
fn not_utf8() -> &'static OsStr {
    OsStr::new("!")
}

/// The exit code of a program, and all that it prints, which is little. It must end by itself: with
/// a value that it takes, a server would serve.
fn output(command: &mut Command) -> (Option<i32>, String) {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = piped.stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    wait(&mut child).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let output = child.wait_with_output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into())
}
