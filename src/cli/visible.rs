//! Text from requests and records as a terminal may show it: nothing in it moves the cursor, hides
//! or turns round what stands beside it.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::Value;

/// The text with every character that a terminal would act on or not show, as `\u{…}`.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            shown.push(c);
        } else if write!(shown, "\\u{{{:x}}}", u32::from(c)).is_err() {
            shown.push('?');
        }
    }
    shown
}

/// A field's value: JSON, so that `null` and `"null"` differ, cut where it gets long.
pub(super) fn value(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return visible(&text);
    }
    let cut: String = text.chars().take(LONGEST).collect();
    format!("{}…", visible(&cut))
}

/// `2026-11-24 14:00 UTC`; what is no moment stays as it is.
pub(super) fn minute(moment: &str) -> String {
    let read: Result<Timestamp, _> = moment.parse();
    match read {
        Ok(moment) => moment.strftime("%F %H:%M UTC").to_string(),
        Err(_other) => visible(moment),
    }
}

fn is_plain(c: char) -> bool {
    let hidden = matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF);
    !c.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(visible("Zoë 株式会社 → ✓"), "Zoë 株式会社 → ✓");
        assert_eq!(
            visible("a\u{1b}[2Jb\r\n\u{9b}"),
            "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{9b}"
        );
        assert_eq!(visible("5\u{202e}0001"), "5\\u{202e}0001");
        assert_eq!(visible("a\u{200b}b\u{e0041}"), "a\\u{200b}b\\u{e0041}");
    }

    #[test]
    fn a_moment_is_told_to_the_minute() {
        assert_eq!(
            minute("2026-11-20T10:39:29.917323538Z"),
            "2026-11-20 10:39 UTC"
        );
        assert_eq!(minute("\u{1b}soon"), "\\u{1b}soon");
    }

    #[test]
    fn values_keep_their_type() {
        assert_eq!(value(&Value::Null), "null");
        assert_eq!(value(&Value::from("null")), "\"null\"");
        assert_eq!(value(&Value::from("x".repeat(100))).chars().count(), 81);
    }
}
