//! Numbers in sentences.

use std::fmt::Display;

/// Returns a number with what it counts, such as `1 line` or `2 lines`.
#[must_use]
pub fn counted(number: impl Into<u64>, one: &str) -> String {
    let number = number.into();
    shown(number, number, one)
}

/// Returns the same with the number as it is shown, such as `2,000 lines`.
#[must_use]
pub fn shown(number: u64, shown: impl Display, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{shown} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let texts = [0_u32, 1, 2].map(|number| counted(number, "line"));
        assert_eq!(texts, ["0 lines", "1 line", "2 lines"]);
        assert_eq!(shown(2000, "2,000", "byte"), "2,000 bytes");
    }
}
