//! What a rule's `when` says of a mutation.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value;

use super::answer::{Answer, Range};
use super::decimal::Decimal;
use super::path::{Path, Selected, Source};
use super::scene::Scene;
use super::value::{contains, equals, same, text_of};
use crate::mutation::{field, is_blank};

/// A compiled condition.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// All hold; holds where empty.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
    /// Does not hold.
    Not(Box<Condition>),
    /// What a path selects passes a test.
    Test(Box<Path>, Check),
}

/// A test of what a path selects. Where it selects several values, one of them has to pass.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// Equals one of these.
    OneOf(Vec<Operand>),
    /// Text in which the expression is found.
    Matches(Regex),
    /// Contains this.
    Contains(Operand),
    /// Stands so to this number.
    Compare(Comparison, Operand),
    /// All selected values are blank, or one is not.
    Blank(bool),
    /// Differs from what stood there before the write, or does not.
    Changed(bool),
}

/// How two numbers stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    /// `more_than`
    MoreThan,
    /// `at_least`
    AtLeast,
    /// `less_than`
    LessThan,
    /// `at_most`
    AtMost,
}

/// The right side.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// What the rule says.
    Value(Value),
    /// What a path selects, times a number.
    Path(Box<Path>, Option<Decimal>),
}

impl Condition {
    /// Whether it looks only at who asks and what was claimed, so that it can speak of a request
    /// that could not be taken apart.
    pub(super) fn needs_mutation(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_mutation),
            Self::Not(inner) => inner.needs_mutation(),
            Self::Test(path, check) => path.needs_mutation() || check.needs_mutation(),
        }
    }

    /// The answers that are possible with what is known.
    pub(super) fn range(&self, scene: &Scene<'_>) -> Range {
        match self {
            Self::All(parts) => parts
                .iter()
                .map(|part| part.range(scene))
                .fold(Range::only(Answer::Yes), Range::and),
            Self::Any(parts) => parts
                .iter()
                .map(|part| part.range(scene))
                .fold(Range::only(Answer::No), Range::or),
            Self::Not(inner) => inner.range(scene).not(),
            Self::Test(path, check) => check.range(path, scene),
        }
    }
}

impl Check {
    fn needs_mutation(&self) -> bool {
        let looks = |operand: &Operand| match operand {
            Operand::Value(_) => false,
            Operand::Path(path, _) => path.needs_mutation(),
        };
        match self {
            Self::OneOf(operands) => operands.iter().any(looks),
            Self::Contains(operand) | Self::Compare(_, operand) => looks(operand),
            Self::Matches(_) | Self::Blank(_) | Self::Changed(_) => false,
        }
    }

    fn range(&self, path: &Path, scene: &Scene<'_>) -> Range {
        if let Self::Changed(wanted) = self {
            let range = changed(path, scene);
            return if *wanted { range } else { range.not() };
        }
        let left = match path.select(scene) {
            Selected::Values(values) => values,
            Selected::CannotTell => return Range::only(Answer::CannotTell),
            Selected::NotRead => return Range::OPEN,
        };
        match self {
            Self::OneOf(operands) => operands
                .iter()
                .map(|operand| operand.range(scene, &left, equals))
                .fold(Range::only(Answer::No), Range::or),
            Self::Contains(operand) => operand.range(scene, &left, contains),
            Self::Compare(comparison, operand) => {
                operand.range(scene, &left, |left, right| comparison.answer(left, right))
            }
            Self::Matches(expression) => any(&left, |value| found(expression, value)),
            Self::Blank(wanted) => {
                let blank = left.iter().all(|value| is_blank(Some(value)));
                Range::only(Answer::from(blank == *wanted))
            }
            Self::Changed(_) => Range::only(Answer::CannotTell),
        }
    }
}

impl Operand {
    /// The greatest answer over all pairs of a left and a right value. Nothing selected counts as one
    /// blank.
    fn range(
        &self,
        scene: &Scene<'_>,
        left: &[Cow<'_, Value>],
        answer: impl Fn(&Value, &Value) -> Answer,
    ) -> Range {
        let (path, factor) = match self {
            Self::Value(right) => return any(left, |left| answer(left, right)),
            Self::Path(path, factor) => (path, factor),
        };
        let right = match path.select(scene) {
            Selected::Values(values) => values,
            Selected::CannotTell => return Range::only(Answer::CannotTell),
            Selected::NotRead => return Range::OPEN,
        };
        match factor {
            None => any(&right, |right| any(left, |left| answer(left, right)).most),
            Some(factor) => any(&right, |right| {
                match Decimal::of(right).and_then(|right| right.times(factor)) {
                    Some(product) => {
                        let product = Value::String(product.to_string());
                        any(left, |left| answer(left, &product)).most
                    }
                    None if is_blank(Some(right)) => {
                        any(left, |left| answer(left, &Value::Null)).most
                    }
                    None => Answer::CannotTell,
                }
            }),
        }
    }
}

impl Comparison {
    /// A blank is neither more nor less than a number; what is no number cannot be told.
    fn answer(self, left: &Value, right: &Value) -> Answer {
        if is_blank(Some(left)) {
            return Answer::No;
        }
        let (Some(left), Some(right)) = (Decimal::of(left), Decimal::of(right)) else {
            return Answer::CannotTell;
        };
        let order = left.cmp(&right);
        Answer::from(match self {
            Self::MoreThan => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
            Self::LessThan => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
        })
    }
}

fn any(values: &[Cow<'_, Value>], answer: impl Fn(&Value) -> Answer) -> Range {
    Range::only(match values {
        [] => answer(&Value::Null),
        values => values
            .iter()
            .map(|value| answer(value))
            .max()
            .unwrap_or(Answer::No),
    })
}

fn found(expression: &Regex, value: &Value) -> Answer {
    if is_blank(Some(value)) {
        return Answer::No;
    }
    match text_of(value) {
        Some(text) => Answer::from(expression.is_match(&text)),
        None => Answer::CannotTell,
    }
}

/// Whether the write changes what a path below `before` or `after` selects. What is not written does
/// not change, so nothing needs to be read for it.
fn changed(path: &Path, scene: &Scene<'_>) -> Range {
    let (Source::Before(name) | Source::After(name)) = path.source() else {
        return Range::only(Answer::CannotTell);
    };
    if field(&scene.mutation.fields, name).is_none() {
        return Range::only(Answer::No);
    }
    let before = path.select_from(scene.field_before(name));
    let after = path.select_from(scene.field_after(name));
    match (before, after) {
        (Selected::NotRead, _) | (_, Selected::NotRead) => Range::OPEN,
        (Selected::CannotTell, _) | (_, Selected::CannotTell) => Range::only(Answer::CannotTell),
        (Selected::Values(before), Selected::Values(after)) => {
            let length = before.len().max(after.len());
            let kept = (0..length).all(|at| {
                same(
                    before.get(at).map(AsRef::as_ref),
                    after.get(at).map(AsRef::as_ref),
                )
            });
            Range::only(Answer::from(!kept))
        }
    }
}

#[cfg(test)]
mod tests;
