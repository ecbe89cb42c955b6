//! The faults of the link, as given on the command line.

use std::time::Duration;

use clap::Args;
use linecho_devices::faulty::Faults;

/// The delay of a frame when only other faults are asked for: long enough for frames to be under
/// way at the same time.
const DELAY: Duration = Duration::from_millis(1);
/// With more, TCP would give up.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The faults of the link. Any of these puts the run on a link in virtual time.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Faults (any of these puts it on a faulty link, in virtual time)")]
pub(crate) struct FaultOptions {
    /// Share of the frames that are lost
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = permille)]
    drop: Option<u16>,

    /// Share of the frames that arrive with one bit flipped
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = permille)]
    corrupt: Option<u16>,

    /// Share of the frames that are held back for 5 ms, so that others overtake them
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = permille)]
    reorder: Option<u16>,

    /// Share of the frames that arrive twice
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = permille)]
    duplicate: Option<u16>,

    /// Delay of each frame, such as 20ms [default: 1ms]
    #[arg(long, value_name = "TIME", value_parser = delay)]
    delay: Option<Duration>,

    /// Rate of the link in bits per second, such as 64k, 10M or 1G [default: no limit]
    #[arg(long, value_name = "BITS", value_parser = bits_per_second)]
    rate: Option<u64>,
}

impl FaultOptions {
    /// Returns the faults, if any were asked for.
    #[must_use]
    pub(crate) fn faults(&self) -> Option<Faults> {
        let chances = [self.drop, self.corrupt, self.reorder, self.duplicate];
        if chances.iter().all(Option::is_none) && self.delay.is_none() && self.rate.is_none() {
            return None;
        }
        Some(Faults {
            delay: self.delay.unwrap_or(DELAY),
            loss_permille: self.drop.unwrap_or(0),
            corrupt_permille: self.corrupt.unwrap_or(0),
            reorder_permille: self.reorder.unwrap_or(0),
            duplicate_permille: self.duplicate.unwrap_or(0),
            bytes_per_second: self.rate.map_or(0, |bits| bits.div_ceil(8)),
            ..Faults::NONE
        })
    }
}

fn permille(text: &str) -> Result<u16, String> {
    let percent = text.strip_suffix('%').unwrap_or(text);
    match percent.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) && has_one_decimal(percent) => {
            Ok((percent * 10.0).round() as u16)
        }
        _ => Err(
            "a number from 0 to 100 is needed, such as 5 or 0.5, with one decimal at most".into(),
        ),
    }
}

/// Returns `true` for tenths, as near as binary fractions are to decimal ones.
fn has_one_decimal(percent: f64) -> bool {
    let permille = percent * 10.0;
    (permille - permille.round()).abs() < 1e-9
}

fn delay(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(delay) if delay <= MAX_DELAY => Ok(delay),
        _ => Err("a number with its unit is needed, such as 500us or 20ms; at most 1m".into()),
    }
}

fn bits_per_second(text: &str) -> Result<u64, String> {
    let units = [('k', 1_000), ('M', 1_000_000), ('G', 1_000_000_000)];
    let with_unit = |(letter, factor): (char, u64)| {
        Some((
            text.strip_suffix([letter, letter.to_ascii_uppercase()])?,
            factor,
        ))
    };
    let (number, factor) = units.into_iter().find_map(with_unit).unwrap_or((text, 1));
    let rate = number.parse().ok().and_then(|n: u64| n.checked_mul(factor));
    rate.filter(|rate| *rate > 0)
        .ok_or_else(|| "a whole number above 0 is needed, such as 9600, 64k or 10M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_one_decimal() {
        assert_eq!(permille("5"), Ok(50));
        assert_eq!(permille("0.5%"), Ok(5));
        assert_eq!(permille("100"), Ok(1000));
        assert_eq!(permille("99.9"), Ok(999));
        assert_eq!(permille("0.10"), Ok(1));
        for wrong in ["", "-1", "100.1", "nan", "x", "0.04", "0.25", "5.001"] {
            assert!(permille(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn delays_are_such_as_tcp_bears() {
        assert_eq!(delay("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(delay("1m"), Ok(MAX_DELAY));
        for wrong in ["", "5", "61s", "1000000y"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_have_units() {
        assert_eq!(bits_per_second("9600"), Ok(9600));
        assert_eq!(bits_per_second("64k"), Ok(64_000));
        assert_eq!(bits_per_second("10M"), Ok(10_000_000));
        assert_eq!(bits_per_second("1G"), Ok(1_000_000_000));
        for wrong in [
            "",
            "0",
            "M",
            "1.5M",
            "-1",
            "99999999999999999999",
            "20000000000G",
        ] {
            assert!(bits_per_second(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_options_there_is_no_faulty_link() {
        assert_eq!(FaultOptions::default().faults(), None);
        let slow = FaultOptions {
            rate: Some(9),
            ..FaultOptions::default()
        };
        assert_eq!(slow.faults().map(|faults| faults.bytes_per_second), Some(2));
    }
}
