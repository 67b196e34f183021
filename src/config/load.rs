//! Finds the configuration file, reads it and the environment, and tells all mistakes together.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::address::{control, ledger, listen};
use super::environment::{Environment, check, scalar};
use super::identity::{Identities, Known, operators, service_accounts};
use super::mistake::{ConfigErrors, Mistakes, Place};
use super::name::replica;
use super::reader::{Fields, Reader};
use super::route::routes;
use super::tree::{Node, Tree, parse};
use super::{Admin, Config, ControlStore, UnknownCallers};

const KEYS: [&str; 10] = [
    "routes",
    "admin",
    "control",
    "ledger",
    "replica",
    "max_rows",
    "rules",
    "unknown_callers",
    "service_accounts",
    "operators",
];

/// Loads the configuration with everything it refers to: secrets are read, certificates must be
/// there. From `path`, else `WRITEGATE_CONFIG`, else `writegate.yaml` in the working directory.
///
/// # Errors
/// [`ConfigErrors`]: all mistakes, by place.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Config, ConfigErrors> {
    read(path, env, true)
}

/// Loads the configuration for a verb that talks to no CRM (`explain`): secrets are not looked for
/// and come out empty, but for where the ledger is, which is read where it is there; certificates need
/// not be there. All else is checked as in [`load`].
///
/// # Errors
/// [`ConfigErrors`]: all mistakes, by place.
pub fn load_without_secrets(
    path: Option<&Path>,
    env: &Environment,
) -> Result<Config, ConfigErrors> {
    read(path, env, false)
}

fn read(path: Option<&Path>, env: &Environment, complete: bool) -> Result<Config, ConfigErrors> {
    let file = find(path, env);
    let mut mistakes = Mistakes::default();
    let root = match std::fs::read_to_string(&file) {
        Ok(text) => parse(&text, &mut mistakes),
        Err(error) => {
            let text = format!(
                "cannot be read ({error}): name the configuration file with --config or WRITEGATE_CONFIG"
            );
            mistakes.add(Place::File, text);
            None
        }
    };
    let Some(root) = root else {
        return mistakes.finish(&file, None);
    };
    let mut reader = Reader {
        env,
        folder: file.parent().unwrap_or_else(|| Path::new("")),
        complete,
        mistakes,
    };
    let config = whole(&root, &file, &mut reader);
    reader.mistakes.finish(&file, config)
}

fn find(path: Option<&Path>, env: &Environment) -> PathBuf {
    let from_env = || {
        env.get("WRITEGATE_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    path.map(Path::to_path_buf)
        .or_else(from_env)
        .unwrap_or_else(|| PathBuf::from("writegate.yaml"))
}

fn whole(root: &Node, file: &Path, reader: &mut Reader<'_>) -> Option<Config> {
    check(reader);
    if matches!(root.tree, Tree::Nothing) {
        reader.wrong(&Place::File, "is empty: README.md shows what belongs in it");
        return None;
    }
    let fields = reader.fields(root, "the configuration", &KEYS)?;
    let admin = admin(&fields, reader);
    let (routes, names) = routes(fields.get("routes"), admin, reader);
    let control = match scalar("control", Some(&fields), reader) {
        Some(text) => control(&text, reader),
        None => Some(ControlStore::Memory),
    };
    let ledger = ledger(&fields, reader);
    let replica = replica(&fields, reader);
    let rules = rules(&fields, reader);
    let unknown_callers = unknown_callers(&fields, reader);
    let max_rows = max_rows(&fields, reader);
    let mut identities = Identities::default();
    let accounts = fields.get("service_accounts");
    let known = Known {
        names: &names,
        routes: &routes,
    };
    let service_accounts = service_accounts(accounts, known, &mut identities, reader);
    let operators = operators(fields.get("operators"), &mut identities, reader);
    Some(Config {
        file: file.to_owned(),
        routes,
        admin: Admin { listen: admin? },
        control: control?,
        ledger: ledger?,
        replica: replica?,
        rules,
        unknown_callers: unknown_callers?,
        max_rows: max_rows?,
        service_accounts,
        operators,
    })
}

/// A bulk job of more rows is held, unless the file says otherwise.
const MAX_ROWS: u64 = 10_000;

fn max_rows(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<u64> {
    match fields.get("max_rows") {
        None => Some(MAX_ROWS),
        Some(Node {
            tree: Tree::Whole(rows),
            ..
        }) => Some(*rows),
        Some(node) => {
            reader.wrong_at(node.at, "`max_rows` is no number of rows: write 10000");
            None
        }
    }
}

fn admin(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let inner = fields
        .get("admin")
        .and_then(|node| reader.fields(node, "`admin`", &["listen"]));
    match scalar("admin.listen", inner.as_ref(), reader) {
        Some(text) => listen(&text, reader),
        None => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090))),
    }
}

fn rules(fields: &Fields<'_>, reader: &mut Reader<'_>) -> PathBuf {
    let Some(text) = scalar("rules", Some(fields), reader) else {
        return reader.folder.join("rules");
    };
    reader.path(&text)
}

fn unknown_callers(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<UnknownCallers> {
    let Some(text) = scalar("unknown_callers", Some(fields), reader) else {
        return Some(UnknownCallers::Deny);
    };
    match text.text.as_str() {
        "deny" => Some(UnknownCallers::Deny),
        "reads" => Some(UnknownCallers::Reads),
        other => {
            let problem = format!("`{other}` is not for `unknown_callers`: write deny or reads");
            reader.wrong(&text.place, problem);
            None
        }
    }
}
