//! `WRITEGATE_*` variables: which override a scalar of the file, and which look as if they should.

use std::collections::BTreeMap;

use super::mistake::Place;
use super::near::nearest;
use super::reader::{Fields, Reader, Text};

/// The environment of the process: name → value. Read in one place (`cli`), passed down.
pub type Environment = BTreeMap<String, String>;

/// Variables that take the place of a scalar: (variable, key of the file). Paths in them start in the
/// working directory, paths in the file in the file's folder.
const OVERRIDES: [(&str, &str); 6] = [
    ("WRITEGATE_ADMIN_LISTEN", "admin.listen"),
    ("WRITEGATE_CONTROL", "control"),
    ("WRITEGATE_LEDGER", "ledger"),
    ("WRITEGATE_REPLICA", "replica"),
    ("WRITEGATE_RULES", "rules"),
    ("WRITEGATE_UNKNOWN_CALLERS", "unknown_callers"),
];

/// Variables of the command line.
const COMMAND_LINE: [&str; 4] = [
    "WRITEGATE_ADMIN",
    "WRITEGATE_CONFIG",
    "WRITEGATE_LOG",
    "WRITEGATE_TOKEN",
];

/// Keys of the file that no variable can hold.
const NOT_SCALARS: [&str; 3] = [
    "WRITEGATE_ROUTES",
    "WRITEGATE_SERVICE_ACCOUNTS",
    "WRITEGATE_OPERATORS",
];

/// The scalar `key` of the file, or the variable that overrides it. `fields` is the map it stands in.
pub(super) fn scalar(
    path: &'static str,
    fields: Option<&Fields<'_>>,
    reader: &mut Reader<'_>,
) -> Option<Text> {
    let key = path.rsplit('.').next().unwrap_or(path);
    // Read in any case: a mistake in the file stays one when a variable hides it.
    let written = fields.and_then(|fields| reader.text(fields.get(key)?, key));
    let variable = OVERRIDES.iter().find(|(_, of)| *of == path);
    let Some((variable, _)) = variable else {
        return written;
    };
    let Some(text) = reader.env.get(*variable) else {
        return written;
    };
    let place = Place::Variable((*variable).to_owned());
    if text.is_empty() {
        reader.wrong(&place, "is set but empty: give it a value, or unset it");
        return written;
    }
    Some(Text {
        place,
        text: text.clone(),
    })
}

/// A variable that looks like a scalar of the file but is none would be ignored in silence: refused.
/// Other names that begin with `WRITEGATE_` are free, for secrets that `{ env: … }` names.
pub(super) fn check(reader: &mut Reader<'_>) {
    let known: Vec<&str> = OVERRIDES
        .iter()
        .map(|(variable, _)| *variable)
        .chain(COMMAND_LINE)
        .collect();
    for variable in reader.env.keys() {
        if !variable.starts_with("WRITEGATE_") || known.contains(&variable.as_str()) {
            continue;
        }
        let place = Place::Variable(variable.clone());
        if NOT_SCALARS.contains(&variable.as_str()) {
            let text = "is set, but lists cannot come from the environment: write them in the file";
            reader.mistakes.add(place, text);
        } else if let Some(near) = nearest(variable, &known) {
            let text = format!("is not a setting; did you mean {near}? Else name it otherwise");
            reader.mistakes.add(place, text);
        }
    }
}
