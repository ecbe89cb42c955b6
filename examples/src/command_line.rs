//! Command lines whose options may also come from the environment.
//!
//! An option that would do nothing beside the others is an error when the command line gives it. A
//! variable may be set for all programs of a machine, and is no error then.

use std::env;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error, Parser};
use humantime::DurationError;

/// The longest spin. What takes longer than a second gains nothing from the microseconds that a
/// wake-up takes.
const LONGEST_SPIN: Duration = Duration::from_secs(1);

/// The longest time that an option takes: the core counts a session's time in 32 bits of
/// milliseconds.
const LONGEST: Duration = Duration::from_secs(49 * 24 * 60 * 60);

/// The longest silence before keep-alive probes. Linux takes 32,767 seconds (`MAX_TCP_KEEPIDLE`).
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(9 * 60 * 60);

/// Parses the program's command line and environment. An empty environment variable counts as
/// unset.
///
/// Ends the program with exit code 2 if something is wrong, after a message that also names the
/// environment variable, if it comes from there; with 0 after `--help` and `--version`.
#[must_use]
pub fn parse<P: Settle>() -> P {
    try_parse().unwrap_or_else(|error| error.exit())
}

/// Parses as [`parse`] does.
///
/// # Errors
///
/// What [`parse`] would end the program with.
pub fn try_parse<P: Settle>() -> Result<P, Error> {
    parse_from(env::args_os().collect())
}

/// Options that are looked at together once each has been parsed.
pub trait Settle: Parser {
    /// Refuses a combination in which an option would do nothing.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong.
    fn settle(&mut self, given: &Given<'_>) -> Result<(), String>;
}

/// The options that the command line gives, whatever the environment says.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a>(&'a ArgMatches);

impl Given<'_> {
    /// Returns `true` if this option is among them. Its name is that of `--name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let source = self.0.value_source(&name.replace('-', "_"));
        source == Some(ValueSource::CommandLine)
    }

    /// Returns the first of these that is among them.
    #[must_use]
    pub fn first<'b>(&self, names: &[&'b str]) -> Option<&'b str> {
        names.iter().copied().find(|name| self.has(name))
    }
}

fn parse_from<P: Settle>(words: Vec<OsString>) -> Result<P, Error> {
    let command = P::command().mut_args(|arg| match arg.get_env() {
        Some(name) if env::var_os(name).is_some_and(|value| value.is_empty()) => {
            arg.env(None::<&'static str>)
        }
        _ => arg,
    });
    let matches = command.clone().try_get_matches_from(words.clone());
    let parsed = matches.and_then(|matches| {
        let mut parsed = P::from_arg_matches(&matches)?;
        let settled = parsed.settle(&Given(&matches));
        let contradiction = |text| P::command().error(ErrorKind::ArgumentConflict, text);
        settled.map(|()| parsed).map_err(contradiction)
    });
    parsed.map_err(|error| with_hint(with_variable(error, &command, words), &command))
}

/// Says how it is written: `--listen` where a port or an address was given in another way, `--`
/// before a command.
fn with_hint(mut error: Error, command: &Command) -> Error {
    let word = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let (ErrorKind::UnknownArgument, Some(word)) = (error.kind(), word) else {
        return error;
    };
    let others = [
        "--port",
        "-p",
        "--address",
        "--addr",
        "--bind",
        "--host",
        "-l",
    ];
    let is_value = !word.starts_with('-');
    let mut arguments = command.get_arguments();
    let listens = arguments.any(|it| it.get_long() == Some("listen"));
    let mut arguments = command.get_arguments();
    let runs = arguments.any(|it| it.is_last_set() && it.get_value_names().is_some());
    let hint = if listens && (is_value || others.contains(&word.as_str())) {
        "to say where it listens, write --listen PORT for localhost, or --listen ADDRESS:PORT"
            .into()
    } else if runs && is_value {
        format!("a command comes behind --, as in -- {word} ...")
    } else {
        return error;
    };
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![hint.into()]),
    );
    error
}

/// Names the environment variable that the wrong value is from, unless the command line alone is as
/// wrong.
fn with_variable(mut error: Error, command: &Command, words: Vec<OsString>) -> Error {
    let invalid = |error: &Error| error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let without = command
        .clone()
        .mut_args(|arg| arg.env(None::<&'static str>));
    if let Err(alone) = without.try_get_matches_from(words)
        && (alone.kind(), invalid(&alone)) == (error.kind(), invalid(&error))
    {
        return error;
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        let variables = command.get_arguments().filter_map(clap::Arg::get_env);
        let mut unreadable = variables
            .filter(|name| env::var_os(name).is_some_and(|value| value.to_str().is_none()));
        return match unreadable.next() {
            Some(name) => {
                let message = format!("the value of {} is not UTF-8", name.display());
                command.clone().error(ErrorKind::InvalidUtf8, message)
            }
            None => error,
        };
    }
    let option = invalid(&error);
    // Only a command that is built can show its arguments.
    let mut command = command.clone();
    command.build();
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| Some(argument.to_string()) == option);
    if let Some(variable) = argument.and_then(clap::Arg::get_env) {
        let named = format!("{} ({})", variable.display(), option.unwrap_or_default());
        error.insert(ContextKind::InvalidArg, ContextValue::String(named));
    }
    error
}

/// Parses a time with its unit, such as `90s` or `1h 30m`, of at most 49 days.
///
/// # Errors
///
/// A text that says what is wrong.
pub fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text.trim()).map_err(|error| match error {
        // This one lists the units. The others count bytes of the text, or name no limit.
        DurationError::UnknownUnit { ref unit, .. } if !unit.is_empty() => error.to_string(),
        _ => "a number with its unit is needed, such as 500ms, 90s or 5m; at most 49 days".into(),
    })?;
    if time > LONGEST {
        return Err("at most 49 days; 0s is no limit".into());
    }
    Ok(time)
}

/// Parses the silence before keep-alive probes, such as `60s`: whole seconds, since the system
/// counts in them (tcp(7)), and at most 9 hours.
///
/// # Errors
///
/// A text that says what is wrong.
pub fn keep_alive(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.subsec_nanos() > 0 || time > LONGEST_KEEP_ALIVE {
        return Err("whole seconds are needed, such as 90s or 5m, at most 9h; 0s is never".into());
    }
    Ok(time)
}

/// Parses the time of a spin, such as `50us`, of at most one second.
///
/// # Errors
///
/// A text that says what is wrong.
pub fn spin(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > LONGEST_SPIN {
        return Err("at most 1s, since a core is busy for it; 0s is none".into());
    }
    Ok(time)
}

/// Parses a number of bytes, at least 1, such as `65536`, `64KiB`, `64k` (both 65,536) or `64kB`
/// (64,000).
///
/// # Errors
///
/// A text that says what is wrong.
pub fn bytes(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("a number of bytes is needed, such as 65536, 64KiB or 64kB".into()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a number of bytes is needed, such as 65536, 64KiB or 64kB")?;
    match number.checked_mul(unit).map(u32::try_from) {
        Some(Ok(bytes @ 1..)) => Ok(bytes),
        Some(Ok(0)) => Err("at least 1 byte is needed".into()),
        _ => Err("it must be less than 4GiB".into()),
    }
}

/// Makes a parser of a number of bytes as for [`bytes`], in this range.
pub fn bytes_in(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |text| match bytes(text) {
        Ok(number) if !range.contains(&number) => Err(format!(
            "{} to {} bytes are possible",
            range.start(),
            range.end()
        )),
        result => result,
    }
}

/// Parses a whole number above 0.
///
/// # Errors
///
/// A text that says what is wrong.
pub fn count(text: &str) -> Result<u64, String> {
    let wrong = || "a whole number above 0 is needed".into();
    text.parse().ok().filter(|it| *it > 0).ok_or_else(wrong)
}

/// Parses how often `-v` was given, which an environment variable may also say with a word.
///
/// # Errors
///
/// A text that says what is wrong.
pub fn verbosity(text: &str) -> Result<u8, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" => Ok(1),
        "false" | "no" | "off" | "n" | "f" => Ok(0),
        number => number
            .parse()
            .map_err(|_| "a number is needed, such as 2, or true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_a_limit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration(" 0s "), Ok(Duration::ZERO));
        assert_eq!(duration("49days"), Ok(LONGEST));
        assert!(duration("50days").is_err_and(|error| error.contains("49 days")));
        for wrong in ["5", "0.5", "abc", "", "-1s", "99999999999999999999s"] {
            let error = duration(wrong).unwrap_err();
            assert!(error.contains("its unit"), "{wrong}: {error}");
            assert!(error.contains("such as 500ms"), "{wrong}: {error}");
        }
        assert!(duration("5 parsecs").is_err_and(|error| error.contains("\"parsecs\"")));
    }

    #[test]
    fn a_spin_is_short() {
        assert_eq!(spin("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(spin("0s"), Ok(Duration::ZERO));
        assert_eq!(spin("1s"), Ok(LONGEST_SPIN));
        assert!(spin("1001ms").is_err_and(|error| error.contains("at most 1s")));
        assert!(spin("50").is_err_and(|error| error.contains("unit")));
    }

    #[test]
    fn keep_alive_is_in_whole_seconds() {
        assert_eq!(keep_alive("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(keep_alive("1000ms"), Ok(Duration::from_secs(1)));
        assert_eq!(keep_alive("9h"), Ok(LONGEST_KEEP_ALIVE));
        assert_eq!(keep_alive("0s"), Ok(Duration::ZERO));
        for wrong in ["1500ms", "1s 1ns", "500ms", "32401s"] {
            let error = keep_alive(wrong).unwrap_err();
            assert!(error.contains("whole seconds"), "{wrong}: {error}");
        }
        assert!(keep_alive("60").is_err_and(|error| error.contains("unit")));
    }

    #[test]
    fn bytes_may_have_units() {
        for (text, number) in [
            ("1", 1),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("64 KB", 64_000),
            ("1M", 1 << 20),
            ("3GiB", 3 << 30),
        ] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for (text, part) in [
            ("", "such as"),
            ("KiB", "such as"),
            ("-1", "such as"),
            ("64x", "such as"),
            ("0", "at least 1"),
            ("4GiB", "less than"),
            ("99999999999999999999", "such as"),
            ("18446744073709551615g", "less than"),
        ] {
            let error = bytes(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn bytes_have_a_range() {
        let parse = bytes_in(1024..=65_536);
        assert_eq!(parse("64KiB"), Ok(65_536));
        assert!(parse("1023").is_err_and(|error| error.contains("1024 to 65536")));
        assert!(parse("x").is_err_and(|error| error.contains("such as")));
    }

    #[test]
    fn a_count_is_above_0() {
        assert_eq!(count("1"), Ok(1));
        for wrong in ["0", "-1", "x", "", "1.5"] {
            assert!(count(wrong).is_err_and(|error| error.contains("above 0")));
        }
    }

    #[test]
    fn verbosity_is_a_number_or_a_word() {
        assert_eq!(verbosity("2"), Ok(2));
        assert_eq!(verbosity("True"), Ok(1));
        assert_eq!(verbosity("off"), Ok(0));
        assert!(verbosity("loud").is_err());
    }
}
