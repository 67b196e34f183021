//! One replica of a fleet: `writegate serve` in a process of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use serde_json::Value;

use super::process::Process;
use crate::crm::json;
use crate::demo::cast::Secrets;
use crate::demo::folder::{Folder, Listens};

/// It runs and listens.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) name: &'static str,
    pub(super) listens: Listens,
    _process: Process,
}

impl Replica {
    /// Starts it at free ports. Blocks until it listens.
    pub(super) fn start(
        name: &'static str,
        folder: &Folder,
        stores: &str,
        (sandbox, secrets): (&str, &Secrets),
    ) -> Result<Self, String> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listens = Listens {
            salesforce: any,
            hubspot: any,
            admin: any,
        };
        let config = folder.config_of(name);
        let stores = format!("{stores}replica: {name}\n");
        let written = folder.configure_as(&config, (listens, &stores), sandbox, secrets);
        written.map_err(|error| format!("the demo's files: {error}"))?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config);
        // what is set for other proxies of whoever runs the demo is not for these
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("WRITEGATE_") {
                command.env_remove(variable);
            }
        }
        let log = folder.path().join(format!("{name}.log"));
        let process = Process::start((name, "TERM"), &command, &log)?;
        let mut found = BTreeMap::new();
        process.until(|line| {
            found.extend(address(line));
            found.len() == 3
        })?;
        let at = |what: &str| found.get(what).copied().unwrap_or(any);
        Ok(Self {
            name,
            listens: Listens {
                salesforce: at("salesforce"),
                hubspot: at("hubspot"),
                admin: at("operators"),
            },
            _process: process,
        })
    }
}

/// The listener that a line of its log tells of.
fn address(line: &str) -> Option<(String, SocketAddr)> {
    let line = json::parse(line.as_bytes()).ok()?;
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    let address = text("address")?.parse().ok()?;
    match text("message")? {
        "listening" => Some((text("route")?.to_owned(), address)),
        "operators" => Some(("operators".into(), address)),
        _ => None,
    }
}
