//! The rows of a held bulk job, a page at a time: what stood in each record when it was judged, and what is
//! proposed.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::error::StoreError;
use crate::hold::Hold;
use crate::journal::Journal;
use crate::mutation::{Mutation, Prior, field};
use crate::proxy::rows::Rows;

/// Rows that are shown where nobody asks for others.
const FIRST: u64 = 20;
/// The largest page.
const PAGE_MOST: u64 = 1_000;

/// `A..B`: from row A up to B, which is not shown any more; both count from 0.
pub(super) fn page(text: Option<&str>) -> Option<Range<u64>> {
    let Some(text) = text else {
        return Some(0..FIRST);
    };
    let (from, to) = text.split_once("..")?;
    let from: u64 = from.parse().ok()?;
    let to: u64 = to.parse().ok()?;
    (from < to && to - from <= PAGE_MOST).then_some(from..to)
}

/// Those rows; `None`: it commits no job.
///
/// # Errors
/// The ledger's.
pub(super) async fn rows(
    journal: &Journal,
    hold: &Hold,
    page: Range<u64>,
) -> Result<Option<Value>, StoreError> {
    let Some(mut rows) = Rows::of(journal, &hold.route, &hold.entry).await? else {
        return Ok(None);
    };
    let mut items = Vec::new();
    while let Some(part) = rows.next().await? {
        if part.first >= page.end {
            break;
        }
        let mutations = part.mutations.unwrap_or_default();
        let told = mutations.iter().zip(&part.priors).zip(part.first..);
        let wanted = told.filter(|(_, place)| page.contains(place));
        items.extend(wanted.map(|((mutation, prior), place)| item(place, mutation, prior)));
    }
    Ok(Some(
        json!({ "total": rows.count(), "from": page.start, "items": items }),
    ))
}

fn item(place: u64, mutation: &Mutation, prior: &Prior) -> Value {
    let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, proposed) in &mutation.fields {
        let mut values = Map::new();
        values.extend(then(prior, name).map(|then| ("then".to_owned(), then)));
        values.insert("proposed".into(), proposed.clone());
        fields.insert(name, Value::Object(values));
    }
    if let (true, Prior::Found { fields: before, .. }) = (mutation.fields.is_empty(), prior) {
        let gone = before
            .iter()
            .map(|(name, then)| (name.as_str(), json!({ "then": then })));
        fields.extend(gone);
    }
    json!({
        "row": place,
        "object": mutation.object,
        "operation": mutation.operation,
        "record": mutation.record,
        "fields": fields,
    })
}

/// A field's prior value; `None` where it is not known.
fn then(prior: &Prior, name: &str) -> Option<Value> {
    match prior {
        Prior::Found { fields, .. } => Some(field(fields, name).cloned().unwrap_or_default()),
        Prior::Absent => Some(Value::Null),
        Prior::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_beginning_and_an_end() {
        assert_eq!(page(None), Some(0..20));
        assert_eq!(page(Some("5..7")), Some(5..7));
        for odd in ["", "5", "7..5", "5..5", "0..1001", "-1..2", "a..b"] {
            assert_eq!(page(Some(odd)), None, "{odd}");
        }
    }
}
