//! The examples of `--help`, completion scripts and manual pages: all from the same definitions.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{fs, process};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;
use crate::options::Arguments;

/// Options that describe the program.
#[derive(Args, Clone, Debug)]
pub(crate) struct Description {
    /// Print a completion script for this shell, and end
    #[arg(long, value_name = "SHELL")]
    completions: Option<Shell>,

    /// Print the manual page, for man -l -, and end; or write one, and one for each mode, to FOLDER
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, conflicts_with = "completions")]
    manual: Option<Option<PathBuf>>,
}

impl Description {
    /// Prints what is asked for, and ends the program then.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let mut command = Arguments::command();
        let mut text = Vec::new();
        match (self.completions, &self.manual) {
            (Some(shell), _) => {
                clap_complete::generate(shell, &mut command, "echo-client", &mut text);
                if shell == Shell::Bash {
                    text = mend_bash(&String::from_utf8_lossy(&text)).into_bytes();
                }
            }
            (None, Some(None)) => text = page(&built(command))?.into_bytes(),
            (None, Some(Some(folder))) => write_pages(&built(command), folder)?,
            (None, None) => return Ok(()),
        }
        // Whoever reads may have gone.
        let _ = io::stdout().write_all(&text);
        process::exit(0);
    }
}

/// `clap_complete` 4.6 has two forms of a name with a `-` in one script, so that modes complete
/// nothing.
fn mend_bash(script: &str) -> String {
    script.replace("echo__subcmd__client__", "echo__client__")
}

/// A command line, and what it does. Each is run by a test, with another server.
type Example = (&'static str, &'static str);

const WHOLE: &[Example] = &[
    ("echo-client", "prompt for lines to localhost:18080"),
    (
        "seq 100000 | echo-client host 7",
        "through a pipe, every byte verified",
    ),
    ("echo-client host:7 send hello", "one line"),
    (
        "echo-client check host:7",
        "what proxies and networks do on the way",
    ),
    (
        "echo-client wait --for 30s host:7",
        "until one line comes back",
    ),
    (
        "echo-client load -c 50 -f 16 host:7",
        "lines per second, every byte verified",
    ),
    (
        "echo-client ping -c 10 -i 0.2s host:7",
        "round-trip times, losses, outages",
    ),
];
const SEND: &[Example] = &[
    ("echo-client host:7 send hello", "one line"),
    (
        "echo-client -C host 7 send two words",
        "one line that ends with CR LF",
    ),
];
const CHECK: &[Example] = &[
    ("echo-client check host:7", "all questions, within 20 s"),
    (
        "echo-client check -v --limit 5s host:7",
        "with what each answer was found by",
    ),
    (
        "echo-client check --json host:7 | tail -n 1",
        "the summary for a script",
    ),
];
const LOAD: &[Example] = &[
    (
        "echo-client load -c 50 -f 16 host:7",
        "as fast as lines come back, for 10 s",
    ),
    (
        "echo-client load --rate 1000 -d 5s host:7",
        "at a rate, and how late lines are",
    ),
    (
        "echo-client load -n 100000 --max-p99 1s host:7",
        "exit code 1 when it is slow",
    ),
    (
        "echo-client load -d 5s --plot load.svg host:7",
        "a picture for a browser",
    ),
];
const WAIT: &[Example] = &[(
    "echo-client wait --for 30s host:7",
    "in a start-up script or a health check",
)];
const PING: &[Example] = &[
    (
        "echo-client ping -c 10 -i 0.2s host:7",
        "ten lines, five a second",
    ),
    (
        "echo-client ping -q -w 3s host:7",
        "only a summary, after 3 s",
    ),
    (
        "echo-client ping -c 3 --csv host:7 > rtt.csv",
        "for a spreadsheet",
    ),
];

const TARGET: &str = "\
A target is HOST:PORT, HOST PORT, [V6]:PORT, PORT on this machine, or unix:PATH; LINECHO_SERVER is
one, too. A host that is named like a mode needs its :PORT.";
const EXIT: &str = "0 all was verified, 1 something was not, 2 wrong usage";
const PING_EXIT: &str = "0 a line came back, and all of them if --count and --deadline are given; 1 \
    none did, or too few; 2 wrong usage";

fn exit_codes(mode: &str) -> String {
    match mode {
        "ping" => PING_EXIT.into(),
        "" | "echo-client" => format!("{EXIT}; those of ping(8) for ping"),
        _ => EXIT.into(),
    }
}

fn examples(mode: &str) -> &'static [Example] {
    match mode {
        "send" => SEND,
        "check" => CHECK,
        "load" => LOAD,
        "wait" => WAIT,
        "ping" => PING,
        _ => WHOLE,
    }
}

/// The end of `--help` of a mode, or of the whole.
pub(crate) fn after_help(mode: &str) -> String {
    let mut text = "Examples:\n".to_owned();
    let examples = examples(mode);
    let width = examples.iter().map(|(line, _)| line.len()).max();
    let width = width.unwrap_or(0) + 2;
    for (line, does) in examples {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {line:width$}{does}");
    }
    if mode.is_empty() {
        let _ = writeln!(text, "\n{TARGET}");
    }
    let _ = write!(text, "\nExit codes: {}.", exit_codes(mode));
    text
}

fn built(mut command: Command) -> Command {
    command.build();
    command
}

/// Writes a page for the command and one for each of its modes.
fn write_pages(command: &Command, folder: &Path) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        let text = format!("cannot write manual pages to {}: {error}", folder.display());
        Failure::from(io::Error::new(error.kind(), text))
    };
    fs::create_dir_all(folder).map_err(cannot)?;
    for it in [command].into_iter().chain(command.get_subcommands()) {
        let name = it.get_display_name().unwrap_or(it.get_name());
        let file = folder.join(format!("{name}.1"));
        fs::write(file, page(it)?).map_err(cannot)?;
    }
    Ok(())
}

/// Returns the manual page of a command that is built, as man(7) has it.
fn page(command: &Command) -> io::Result<String> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        "{APOSTROPHE}.TH {} 1 {DATE} \"linecho {version}\" \"User Commands\"\n",
        name.to_uppercase()
    );
    page += &tidy(&String::from_utf8_lossy(&text));
    page += ".SH EXAMPLES\n";
    for (line, does) in examples(command.get_name()) {
        let _ = writeln!(page, ".TP\n.B {}\n{}", escaped(line), escaped(does));
    }
    let _ = writeln!(page, ".SH TARGETS\n{}", escaped(TARGET));
    let _ = writeln!(
        page,
        ".SH EXIT STATUS\n{}",
        escaped(&exit_codes(command.get_name()))
    );
    Ok(page)
}

/// The month of this version.
const DATE: &str = "2026-11-01";

/// The apostrophe that is typed on a keyboard, for the text of the sections.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Takes out what manual readers warn of: line breaks beside empty lines, and blanks at the ends of
/// lines. Each section has the definition of the apostrophe again.
fn tidy(text: &str) -> String {
    let text = text.replace(APOSTROPHE, "");
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n") + "\n";
    text.replace(".br\n\n.br\n", ".sp\n")
        .replace(".SH Modes\n", ".SH MODES\n")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
