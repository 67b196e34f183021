//! The numbers of a JSON text, read exactly or refused.

use serde_json::Number;

use super::{Malformed, malformed};

/// Every number outside strings, in the order of the text. Integers that fit 64 bits are exact;
/// anything else must have the very value that its nearest double is printed with, so that what we
/// judge, show and record is what was sent. Tokens that are no numbers at all are left to the parser,
/// which refuses them.
pub(super) fn scan(text: &str) -> Result<Vec<Number>, Malformed> {
    let bytes = text.as_bytes();
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = token_end(bytes, at);
                let token = text.get(at..end).unwrap_or_default();
                if let Ok(double) = token.parse::<f64>() {
                    let number = exact(token, double).ok_or_else(|| changed(text, at))?;
                    numbers.push(number);
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    Ok(numbers)
}

/// The place after the closing quote of the string whose content begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn token_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The token as a number without loss.
fn exact(token: &str, double: f64) -> Option<Number> {
    // -0 has a sign that an integer would lose
    if token != "-0" {
        if let Ok(integer) = token.parse::<u64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = token.parse::<i64>() {
            return Some(integer.into());
        }
    }
    let number = Number::from_f64(double)?;
    let same = Decimal::read(token)? == Decimal::read(&number.to_string())?;
    same.then_some(number)
}

/// Whether two texts are the same number.
pub(super) fn same(a: &str, b: &str) -> bool {
    matches!((read(a), read(b)), (Some(a), Some(b)) if a == b)
}

/// A number as JSON writes it: no plus sign, no leading zeros, no bare point. Zero has no sign.
fn read(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mantissa = unsigned.split(['e', 'E']).next()?;
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole) && fraction.is_none_or(digits);
    if !plain || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let mut number = Decimal::read(text)?;
    number.negative &= !number.digits.is_empty();
    Some(number)
}

/// `digits` × 10^`exponent`; digits without zeros at either end, so that equal values are equal.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// `None` for what is no decimal (`inf`) or has an exponent beyond 64 bits.
    fn read(token: &str) -> Option<Self> {
        let unsigned = token.strip_prefix('-').unwrap_or(token);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole
            .bytes()
            .chain(fraction.bytes())
            .skip_while(|digit| *digit == b'0')
            .collect();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let negative = token.starts_with('-');
        if digits.is_empty() {
            let exponent = 0;
            return Some(Self {
                negative,
                digits,
                exponent,
            });
        }
        let written = digits.len();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let zeros = i64::try_from(written - digits.len()).ok()?;
        let places = i64::try_from(fraction.len()).ok()?;
        let exponent: i64 = exponent.parse().ok()?;
        let exponent = exponent.checked_sub(places)?.checked_add(zeros)?;
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }
}

fn changed(text: &str, at: usize) -> Malformed {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    malformed(&format_args!(
        "the number at line {line} column {column} does not survive as a double; send it as a \
         string, or with fewer digits"
    ))
}
