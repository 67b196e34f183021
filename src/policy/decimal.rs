//! Decimal numbers of any size, compared exactly: on their text, never as floating point.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// A number in the form 0.d₁d₂d₃… × 10^point, without zeros at either end; zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    /// Reads a number as JSON writes it (RFC 8259, section 6): no leading zeros, no plus sign, no
    /// white space. `None` for anything else, and for exponents beyond 64 bits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || (whole.len() > 1 && whole.starts_with('0'))
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return None;
        }
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .map(|byte| byte - b'0');
        let point = exponent.checked_add(i64::try_from(whole.len()).ok()?)?;
        Self::normal(negative, digits.collect(), point)
    }

    /// The number that a value is or spells.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) => Self::parse(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn normal(negative: bool, mut digits: Vec<u8>, point: i64) -> Option<Self> {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                point: 0,
            });
        }
        let point = point.checked_sub(i64::try_from(zeros).ok()?)?;
        Some(Self {
            negative,
            digits,
            point,
        })
    }

    /// How many digits it has.
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    /// The exact product.
    pub(super) fn times(&self, factor: &Self) -> Option<Self> {
        let mut product = vec![0_u32; self.digits.len() + factor.digits.len()];
        for (i, a) in self.digits.iter().enumerate().rev() {
            let mut carry = 0;
            for (j, b) in factor.digits.iter().enumerate().rev() {
                let slot = product.get_mut(i + j + 1)?;
                let sum = *slot + u32::from(*a) * u32::from(*b) + carry;
                *slot = sum % 10;
                carry = sum / 10;
            }
            *product.get_mut(i)? += carry;
        }
        let digits = product
            .into_iter()
            .map(u8::try_from)
            .collect::<Result<_, _>>()
            .ok()?;
        let point = self.point.checked_add(factor.point)?;
        Self::normal(self.negative != factor.negative, digits, point)
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for Decimal {
    /// In the form `-0.125e3`, which [`Decimal::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        f.write_str(if self.negative { "-0." } else { "0." })?;
        self.digits
            .iter()
            .try_for_each(|digit| write!(f, "{digit}"))?;
        write!(f, "e{}", self.point)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = || {
            self.point
                .cmp(&other.point)
                .then_with(|| self.digits.cmp(&other.digits))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => by_size(),
            _ => by_size().reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn only_what_json_calls_a_number_is_one() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x10",
            "1_000",
            " 1",
            "1,000",
            "NaN",
            "Infinity",
            "1e99999999999999999999",
            "1e5x",
            "--1",
            "1.2.3",
            "٣",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_number_in_another_form_is_equal() {
        for (a, b) in [
            ("5", "5.00"),
            ("100", "1e2"),
            ("0", "-0.0e7"),
            ("0.1", "1E-1"),
            ("-12.50", "-125e-1"),
        ] {
            assert_eq!(decimal(a), decimal(b), "{a} {b}");
        }
    }

    #[test]
    fn what_floating_point_cannot_tell_apart_differs() {
        assert!(decimal("9007199254740993") > decimal("9007199254740992"));
        assert!(decimal("0") < decimal("1e-20"));
        assert!(decimal("100000.00000000000000001") > decimal("1e5"));
        assert!(decimal("1e400") < decimal("1.0000001e400"));
        assert!(decimal("1e999999999999") > decimal("9e99"));
        assert!(decimal("-1e999999999999") < decimal("-9e99"));
    }

    /// A decimal as an integer of hundred-thousandths, written in many ways.
    fn written(units: i64, form: u8) -> String {
        let sign = if units < 0 { "-" } else { "" };
        let size = units.unsigned_abs();
        match form {
            0 => format!("{units}e-5"),
            1 => format!("{sign}{}.{:05}", size / 100_000, size % 100_000),
            2 => format!("{sign}{}.{:05}000E0", size / 100_000, size % 100_000),
            _ => format!("{units}0e-6"),
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_integers(
            a in -10_000_000_i64..10_000_000, b in -10_000_000_i64..10_000_000, f in 0_u8..4, g in 0_u8..4,
        ) {
            let (left, right) = (written(a, f), written(b, g));
            // `-0` and `00` are the model's way to write zero, not JSON's.
            prop_assume!(Decimal::parse(&left).is_some() && Decimal::parse(&right).is_some());
            prop_assert_eq!(decimal(&left).cmp(&decimal(&right)), a.cmp(&b), "{} {}", left, right);
            prop_assert_eq!(decimal(&left) == decimal(&right), a == b);
        }

        #[test]
        fn a_number_reads_what_it_writes(a in any::<i64>(), e in -30_i64..30) {
            let number = decimal(&format!("{a}e{e}"));
            prop_assert_eq!(decimal(&number.to_string()), number);
        }

        #[test]
        fn products_are_those_of_integers(a in any::<i32>(), b in any::<i32>(), e in -20_i64..20) {
            let product = decimal(&format!("{a}e{e}")).times(&decimal(&b.to_string())).unwrap();
            prop_assert_eq!(product, decimal(&format!("{}e{e}", i64::from(a) * i64::from(b))));
        }
    }
}
