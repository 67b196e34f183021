//! `limits:`

use super::unit;
use crate::mutation::{Count, Limit, LimitKind, Operation, Per, Then};
use crate::policy::matrix::RuleFile;
use crate::policy::mistake::{Mistakes, Place, choices};
use crate::policy::reserve::Reserve;
use crate::policy::yaml::{Fields, Node};

/// A limit as it stands in a file.
pub(super) struct Read {
    /// The place of its name.
    pub(super) at: Place,
    limit: Either,
    /// Whether it is only recorded that it is reached.
    observe: bool,
}

/// What is counted here, or what the CRM counts.
enum Either {
    Limit(Limit),
    Reserve(Reserve),
}

impl Read {
    pub(super) fn name(&self) -> &str {
        match &self.limit {
            Either::Limit(limit) => &limit.name,
            Either::Reserve(reserve) => &reserve.name,
        }
    }

    /// Adds it to its file.
    pub(super) fn add_to(self, file: &mut RuleFile) {
        if self.observe {
            file.observing.push(self.name().to_owned());
        }
        match self.limit {
            Either::Limit(limit) => file.limits.push(limit),
            Either::Reserve(reserve) => file.reserves.push(reserve),
        }
    }
}

/// Reads a limit.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Read> {
    let mut fields = Fields::of(node, "limits", mistakes)?;
    let name = fields.need("name", mistakes);
    let at = name.map_or(fields.at(), |node| node.at);
    let name = name.and_then(|node| node.text("name", mistakes));
    if let Some(share) = fields.take("reserve") {
        return reserve((name, at), share, fields, mistakes);
    }
    let per = fields
        .need("per", mistakes)
        .map(|node| pers(node, mistakes));
    let count = fields.take("count");
    let rate = fields.take("rate");
    let burst = fields.take("burst");
    let max = fields.take("max");
    let window = fields.take("window");
    let then = fields
        .take("then")
        .map(|node| (node.at, then(node, mistakes)));
    let observe = fields.take("observe");
    let observe = observe.and_then(|node| node.truth("observe", mistakes));
    let at_fields = fields.at();
    fields.finish(mistakes);
    let count = match (count, rate) {
        (Some(node), _) => self::count(node, mistakes)?,
        (None, Some(_)) => Count::Requests,
        (None, None) => {
            mistakes.add(at_fields, "`count` is missing: say what is counted");
            return None;
        }
    };
    let kind = match rate {
        Some(rate) => {
            for (node, what) in [(max, "max"), (window, "window")] {
                if let Some(node) = node {
                    let why = format!(
                        "`{what}` does not go with `rate`: use `rate` and `burst`, or `max` and `window`"
                    );
                    mistakes.add(node.at, why);
                }
            }
            rate_kind(rate, burst, count, mistakes)
        }
        None => {
            if let Some(node) = burst {
                mistakes.add(
                    node.at,
                    "`burst` goes with `rate`: add `rate`, or remove it",
                );
            }
            budget_kind(max, window, count, at_fields, mistakes)
        }
    };
    let then = match then {
        Some((at, Some(then))) => fitting(then, count, at, mistakes)?,
        Some((_, None)) => return None,
        None => Then::Deny,
    };
    let per = fitting_per(per??, count, at_fields, mistakes)?;
    let limit = Limit {
        name: name?.to_owned(),
        count,
        per,
        kind: kind?,
        then,
    };
    Some(Read {
        at,
        limit: Either::Limit(limit),
        observe: observe.unwrap_or(false),
    })
}

/// Reads the rest of a limit that keeps a share of the CRM's calls for people.
fn reserve(
    (name, at): (Option<&str>, Place),
    share: &Node,
    mut fields: Fields<'_>,
    mistakes: &mut Mistakes,
) -> Option<Read> {
    let observe = fields.take("observe");
    let observe = observe.and_then(|node| node.truth("observe", mistakes));
    for what in ["count", "per", "max", "window", "rate", "burst", "then"] {
        if let Some(node) = fields.take(what) {
            let why = format!(
                "`{what}` does not go with `reserve`, for which the CRM counts: remove it, or make \
                 two limits"
            );
            mistakes.add(node.at, why);
        }
    }
    fields.finish(mistakes);
    let text = share.text("reserve", mistakes)?;
    let reserve = Reserve {
        name: name?.to_owned(),
        percent: mistakes.keep(share.at, unit::percent(text))?,
    };
    Some(Read {
        at,
        limit: Either::Reserve(reserve),
        observe: observe.unwrap_or(false),
    })
}

fn rate_kind(
    rate: &Node,
    burst: Option<&Node>,
    count: Count,
    mistakes: &mut Mistakes,
) -> Option<LimitKind> {
    let text = rate.text("rate", mistakes)?;
    let (per_period, period_ms) = mistakes.keep(rate.at, unit::rate(text))?;
    if matches!(count, Count::Records | Count::Holds) {
        mistakes.add(
            rate.at,
            "different records and waiting holds have no rate: use `max`",
        );
        return None;
    }
    let burst = match burst {
        Some(node) => match node.whole("burst", mistakes)? {
            0 => {
                mistakes.add(
                    node.at,
                    "`burst` is 0, so nothing would pass: use 1 or more",
                );
                return None;
            }
            burst => burst,
        },
        None => per_period,
    };
    Some(LimitKind::Rate {
        count: per_period,
        period_ms,
        burst,
    })
}

fn budget_kind(
    max: Option<&Node>,
    window: Option<&Node>,
    count: Count,
    at: Place,
    mistakes: &mut Mistakes,
) -> Option<LimitKind> {
    let max = match max {
        Some(node) => node.whole("max", mistakes),
        None => {
            mistakes.add(
                at,
                "`max` is missing: say how many still pass, or use `rate`",
            );
            None
        }
    };
    let window_ms = match (window, count) {
        (Some(node), Count::Holds) => {
            mistakes.add(
                node.at,
                "`window` does not go with `count: holds`, which counts what waits now: remove it",
            );
            None
        }
        (None, Count::Holds) => Some(0),
        (Some(node), _) => node
            .text("window", mistakes)
            .and_then(|text| mistakes.keep(node.at, unit::duration(text)))
            .and_then(|seconds| u64::try_from(seconds).ok()?.checked_mul(1000)),
        (None, _) => {
            mistakes.add(at, "`window` is missing: say in what time, such as 1h");
            None
        }
    };
    Some(LimitKind::Budget {
        max: max?,
        window_ms: window_ms?,
    })
}

fn count(node: &Node, mistakes: &mut Mistakes) -> Option<Count> {
    const WORDS: [&str; 5] = ["requests", "mutations", "records", "refusals", "holds"];
    Some(match node.text("count", mistakes)? {
        "requests" => Count::Requests,
        "mutations" => Count::Mutations,
        "records" => Count::Records,
        "refusals" => Count::Refusals,
        "holds" => Count::Holds,
        word => match Operation::from_word(word) {
            Some(operation) => Count::Operation(operation),
            None => {
                let mut words = WORDS.to_vec();
                words.push("an operation such as delete");
                mistakes.add(
                    node.at,
                    format!("unknown count `{word}`: use {}", choices(&words)),
                );
                return None;
            }
        },
    })
}

fn pers(node: &Node, mistakes: &mut Mistakes) -> Option<Vec<Per>> {
    const WORDS: [(&str, Per); 4] = [
        ("service_account", Per::ServiceAccount),
        ("record", Per::Record),
        ("object", Per::Object),
        ("route", Per::Route),
    ];
    let mut pers = Vec::new();
    let mut all_known = true;
    for item in node.items() {
        let text = item.text("per", mistakes);
        let known = text.and_then(|text| WORDS.iter().find(|(word, _)| *word == text));
        if let (Some(text), None) = (text, known) {
            let words = WORDS.map(|(word, _)| word);
            let why = format!("unknown `per` `{text}`: use {}", choices(&words));
            mistakes.add(item.at, why);
        }
        all_known &= known.is_some();
        pers.extend(known.map(|(_, per)| *per));
    }
    if pers.is_empty() && all_known {
        mistakes.add(
            node.at,
            "`per` is empty: name at least one, such as service_account",
        );
        return None;
    }
    pers.sort();
    pers.dedup();
    all_known.then_some(pers)
}

fn then(node: &Node, mistakes: &mut Mistakes) -> Option<Then> {
    match node.text("then", mistakes)? {
        "deny" => Some(Then::Deny),
        "hold" => Some(Then::Hold),
        "stop" => Some(Then::Stop),
        word => {
            mistakes.add(
                node.at,
                format!("unknown `then` `{word}`: use deny, hold or stop"),
            );
            None
        }
    }
}

fn fitting(then: Then, count: Count, at: Place, mistakes: &mut Mistakes) -> Option<Then> {
    if then == Then::Hold && matches!(count, Count::Refusals | Count::Holds) {
        mistakes.add(
            at,
            "`then: hold` does not go with refusals or holds: use deny or stop",
        );
        return None;
    }
    Some(then)
}

fn fitting_per(
    per: Vec<Per>,
    count: Count,
    at: Place,
    mistakes: &mut Mistakes,
) -> Option<Vec<Per>> {
    let of_records = per.contains(&Per::Record) || per.contains(&Per::Object);
    if of_records && matches!(count, Count::Refusals | Count::Holds) {
        mistakes.add(
            at,
            "refusals and holds are counted per service_account or route: change `per`",
        );
        return None;
    }
    Some(per)
}
