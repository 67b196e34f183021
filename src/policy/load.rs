//! Rule files → a compiled rule set. Every mistake of every file is reported at once.

mod condition;
mod file;
mod limit;
mod row;
mod rule;
mod unit;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::RuleSet;
use super::mistake::{LoadErrors, Mistake, Mistakes, Place};
use super::yaml;

pub use condition::OPERATORS;
pub use unit::{duration, rate};

/// The ending of the files with cases.
pub(super) const CASES: &str = ".cases.yaml";

/// Reads and compiles every `*.yaml` of a folder except `*.cases.yaml`.
///
/// # Errors
/// All mistakes of all files; also a folder that cannot be read or has no rule file, and files that
/// others may write.
pub fn load(dir: &Path) -> Result<RuleSet, LoadErrors> {
    let shown: Vec<_> = read_rules(dir)?
        .into_iter()
        .map(|(name, text)| (dir.join(name).display().to_string(), text))
        .collect();
    compile(&shown)
}

/// Reads every `*.yaml` of a folder except `*.cases.yaml`, for [`RuleSet::compile`].
///
/// # Errors
/// A folder that cannot be read or has no rule file, and files that others may write.
pub fn read_rules(dir: &Path) -> Result<Vec<(String, String)>, LoadErrors> {
    let files = read(dir, |name| {
        name.ends_with(".yaml") && !name.ends_with(CASES)
    })?;
    if files.is_empty() {
        return Err(whole(
            dir,
            "has no rule file: add one, such as salesforce.yaml",
        ));
    }
    Ok(files)
}

/// Reads every `*.cases.yaml` of a folder, for [`super::cases::run`].
///
/// # Errors
/// A folder or file that cannot be read.
pub fn read_cases(dir: &Path) -> Result<Vec<(String, String)>, LoadErrors> {
    read(dir, |name| name.ends_with(CASES))
}

fn whole(path: &Path, what: impl Into<String>) -> LoadErrors {
    LoadErrors(vec![mistake(path, what)])
}

fn mistake(path: &Path, what: impl Into<String>) -> Mistake {
    Mistake {
        file: path.display().to_string(),
        place: None,
        what: what.into(),
    }
}

/// Names and texts of the files that are chosen, sorted by name.
fn read(dir: &Path, chosen: fn(&str) -> bool) -> Result<Vec<(String, String)>, LoadErrors> {
    let unreadable = |error: std::io::Error| whole(dir, format!("cannot be read: {error}"));
    if writable_by_others(&fs::metadata(dir).map_err(unreadable)?) && !is_config_map(dir) {
        let what = "is a folder that everybody may write, so anybody may put other rules in it: run \
                    `chmod o-w` on it";
        return Err(whole(dir, what));
    }
    let mut names = Vec::new();
    let mut mistakes = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            mistakes.push(mistake(&path, "has a name that is not UTF-8: rename it"));
            continue;
        };
        if chosen(name) {
            names.push(name.to_owned());
        } else if name.ends_with(".yml") {
            mistakes.push(mistake(
                &path,
                "would be ignored: rename it to end in .yaml",
            ));
        }
    }
    names.sort();
    let mut files = Vec::new();
    for name in names {
        match read_file(&dir.join(&name)) {
            Ok(text) => files.push((name, text)),
            Err(what) => mistakes.push(mistake(&dir.join(&name), what)),
        }
    }
    if mistakes.is_empty() {
        Ok(files)
    } else {
        Err(LoadErrors(mistakes))
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let data = fs::metadata(path).map_err(unreadable)?;
    if writable_by_others(&data) {
        return Err("is writable by everybody: run `chmod o-w` on it".to_owned());
    }
    fs::read_to_string(path).map_err(unreadable)
}

#[cfg(unix)]
fn writable_by_others(data: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    data.permissions().mode() & 0o002 != 0
}

/// Whether a folder is a mounted config map: Kubernetes mounts those read-only, but with a mode that lets
/// everybody write. The link in it is root's, or the folder owner's, which nobody else can make.
#[cfg(unix)]
fn is_config_map(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(folder), Ok(link)) = (fs::metadata(dir), fs::symlink_metadata(dir.join("..data")))
    else {
        return false;
    };
    link.is_symlink() && (link.uid() == 0 || link.uid() == folder.uid())
}

#[cfg(not(unix))]
fn is_config_map(_: &Path) -> bool {
    false
}

#[cfg(not(unix))]
fn writable_by_others(_: &fs::Metadata) -> bool {
    false
}

/// Compiles rule files from names and texts; the order does not matter.
pub(super) fn compile(files: &[(String, String)]) -> Result<RuleSet, LoadErrors> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    let mut set = RuleSet {
        files: Vec::new(),
        digest: digest(&sorted),
        teams: None,
    };
    let mut mistakes = Vec::new();
    let mut taken = Taken::default();
    for (name, text) in sorted {
        let mut of_file = Mistakes::of(name);
        let tree = yaml::read(text, &mut of_file);
        let read = tree.and_then(|tree| file::read(name, &tree, &mut taken, &mut of_file));
        if of_file.is_empty() {
            set.files.extend(read);
        }
        mistakes.extend(of_file.into_list());
    }
    if mistakes.is_empty() {
        Ok(set)
    } else {
        Err(LoadErrors(mistakes))
    }
}

/// Names that are taken already, with where: rules and limits are named in verdicts and commands.
#[derive(Debug, Default)]
struct Taken {
    rules: HashMap<String, String>,
    limits: HashMap<String, String>,
}

impl Taken {
    fn rule(&mut self, name: &str, file: &str, at: Place) -> Result<(), String> {
        take(&mut self.rules, "rule", name, file, at)
    }

    fn limit(&mut self, name: &str, file: &str, at: Place) -> Result<(), String> {
        take(&mut self.limits, "limit", name, file, at)
    }
}

fn take(
    names: &mut HashMap<String, String>,
    what: &str,
    name: &str,
    file: &str,
    at: Place,
) -> Result<(), String> {
    let here = format!("{file}:{}", at.line);
    match names.insert(name.to_ascii_lowercase(), here) {
        None => Ok(()),
        Some(there) => Err(format!(
            "{what} `{name}` exists already at {there}: give it another name"
        )),
    }
}

/// Over names without folders and texts, each with its length before it.
fn digest(files: &[&(String, String)]) -> String {
    let mut context = Context::new(&SHA256);
    for (name, text) in files {
        for part in [base_name(name), text.as_str()] {
            context.update(part.len().to_string().as_bytes());
            context.update(b":");
            context.update(part.as_bytes());
        }
    }
    let digest = context.finish();
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A file's name without its folder.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// A file's compiled rules are kept under its name without folder.
fn named(name: &str) -> String {
    base_name(name).to_owned()
}

/// A condition by itself, for the tests of conditions.
#[cfg(test)]
pub(super) fn condition(tree: &yaml::Node, mistakes: &mut Mistakes) -> super::condition::Condition {
    condition::read(tree, "when", mistakes)
}

#[cfg(test)]
mod tests;
