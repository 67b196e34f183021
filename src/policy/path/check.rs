//! Which paths are safe to select with.

use jsonpath_rust::parser::model::{
    Comparable, Comparison, Filter, FilterAtom, Literal, Segment, Selector, SingularQuery, Test,
};

/// Refuses filters that decide by functions or numbers, and those that look at the whole document.
pub(super) fn check_segment(segment: &Segment, text: &str) -> Result<(), String> {
    match segment {
        Segment::Descendant(inner) => check_segment(inner, text),
        Segment::Selector(selector) => check_selector(selector, text),
        Segment::Selectors(selectors) => selectors
            .iter()
            .try_for_each(|selector| check_selector(selector, text)),
    }
}

fn check_selector(selector: &Selector, text: &str) -> Result<(), String> {
    match selector {
        Selector::Filter(filter) => check_filter(filter, text),
        Selector::Name(_) | Selector::Wildcard | Selector::Index(_) | Selector::Slice(..) => Ok(()),
    }
}

fn check_filter(filter: &Filter, text: &str) -> Result<(), String> {
    match filter {
        Filter::Or(filters) | Filter::And(filters) => filters
            .iter()
            .try_for_each(|filter| check_filter(filter, text)),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => check_filter(expr, text),
        Filter::Atom(FilterAtom::Test { expr, .. }) => match &**expr {
            Test::RelQuery(segments) => segments
                .iter()
                .try_for_each(|segment| check_segment(segment, text)),
            Test::AbsQuery(_) => Err(absolute(text)),
            Test::Function(_) => Err(function(text)),
        },
        Filter::Atom(FilterAtom::Comparison(comparison)) => check_comparison(comparison, text),
    }
}

fn check_comparison(comparison: &Comparison, text: &str) -> Result<(), String> {
    let (left, right) = comparison.vals();
    let ordered = !matches!(comparison, Comparison::Eq(..) | Comparison::Ne(..));
    let mut words = 0;
    for side in [left, right] {
        match side {
            Comparable::Literal(Literal::Int(_) | Literal::Float(_)) => return Err(number(text)),
            Comparable::Literal(Literal::String(_) | Literal::Bool(_) | Literal::Null) => {
                words += 1;
            }
            Comparable::Function(_) => return Err(function(text)),
            Comparable::SingularQuery(SingularQuery::Root(_)) => return Err(absolute(text)),
            Comparable::SingularQuery(SingularQuery::Current(_)) => {}
        }
    }
    // Two paths could both be numbers.
    if ordered || words == 0 {
        return Err(number(text));
    }
    Ok(())
}

fn function(text: &str) -> String {
    format!(
        "`{text}` uses a function in a filter: select without it and use an operator, such as `matches`"
    )
}

fn number(text: &str) -> String {
    format!(
        "`{text}` compares numbers in a filter: select without it and use an operator, such as `more_than`"
    )
}

fn absolute(text: &str) -> String {
    format!("`{text}` uses `$` in a filter: use `@` there, and a second condition for the rest")
}
