//! Every client that is known to be used, unmodified but for its base URL: a whole session with each, and
//! what `docs/clients.md` says of it.

mod course;
mod page;

use std::path::{Path, PathBuf};
use std::process::Command;

use writegate::mutation::CrmKind;

use super::session::scripts;

/// A client that users have.
#[derive(Debug)]
pub(crate) struct Client {
    /// As its registry calls it.
    pub(crate) name: &'static str,
    /// The program in `tests/clients` that uses it.
    script: &'static str,
    crm: CrmKind,
    /// How it logs in, in a few words.
    login: &'static str,
    /// The variables by which it trusts a CA.
    trust: &'static [&'static str],
    /// What else stands in its environment.
    env: &'static [(&'static str, &'static str)],
    /// The steps of the course that it has no call for.
    lacks: &'static [&'static str],
    /// What it reads besides, and what it gets.
    more: &'static [(&'static str, &'static str)],
}

const PYTHON: &[&str] = &["REQUESTS_CA_BUNDLE"];
const NODE: &[&str] = &["NODE_EXTRA_CA_CERTS"];
/// Nobody but the CRM is to be asked.
const QUIET: &[(&str, &str)] = &[("SF_DISABLE_TELEMETRY", "true")];

/// It follows an address in the CRM's answer, token in hand.
const IDENTITY: &[(&str, &str)] = &[("identity", "integration@sandbox.example")];
/// Requests of paths that the client has no methods for.
const UNTYPED: &[(&str, &str)] = &[("untyped", "200")];

pub(crate) const ALL: [Client; 11] = [
    Client {
        name: "simple-salesforce",
        script: "simple-salesforce.py",
        crm: CrmKind::Salesforce,
        login: "session id",
        trust: PYTHON,
        env: &[],
        lacks: &[],
        more: &[],
    },
    Client {
        name: "langchain-salesforce",
        script: "langchain-salesforce.py",
        crm: CrmKind::Salesforce,
        login: "session id, in the client it is given",
        trust: PYTHON,
        env: &[],
        lacks: &["pages", "batch"],
        more: &[],
    },
    Client {
        name: "jsforce",
        script: "jsforce.cjs",
        crm: CrmKind::Salesforce,
        login: "access token",
        trust: NODE,
        env: &[],
        lacks: &[],
        more: IDENTITY,
    },
    Client {
        name: "@salesforce/cli",
        script: "sf.py",
        crm: CrmKind::Salesforce,
        login: "access token as `--target-org`",
        trust: NODE,
        env: QUIET,
        lacks: &["batch"],
        more: &[],
    },
    Client {
        name: "@tsmztech/mcp-server-salesforce",
        script: "salesforce-mcp.cjs",
        crm: CrmKind::Salesforce,
        login: "user and password, for each call",
        trust: NODE,
        env: &[],
        lacks: &["pages"],
        more: &[],
    },
    Client {
        name: "hubspot-api-client",
        script: "hubspot-api-client.py",
        crm: CrmKind::HubSpot,
        login: "token of a private app",
        trust: &["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"],
        env: &[],
        lacks: &[],
        more: UNTYPED,
    },
    Client {
        name: "hubspot-sdk",
        script: "hubspot-sdk.py",
        crm: CrmKind::HubSpot,
        login: "token of a private app",
        trust: &["SSL_CERT_FILE"],
        env: &[],
        lacks: &[],
        more: &[],
    },
    Client {
        name: "@hubspot/api-client",
        script: "hubspot-node.cjs",
        crm: CrmKind::HubSpot,
        login: "token of a private app",
        trust: NODE,
        env: &[],
        lacks: &[],
        more: UNTYPED,
    },
    Client {
        name: "@hubspot/mcp-server",
        script: "hubspot-mcp.cjs",
        crm: CrmKind::HubSpot,
        login: "token of a private app",
        trust: NODE,
        env: &[],
        lacks: &["delete"],
        more: &[],
    },
    Client {
        name: "simple-salesforce",
        script: "simple-salesforce-login.py",
        crm: CrmKind::Salesforce,
        login: "user and password; secret of an app",
        trust: PYTHON,
        env: &[],
        lacks: &[],
        more: &[("by_secret 001Wg0000000001IAA", "Acme Corporation")],
    },
    Client {
        name: "jsforce",
        script: "jsforce-login.cjs",
        crm: CrmKind::Salesforce,
        login: "user and password",
        trust: NODE,
        env: &[],
        lacks: &[],
        more: IDENTITY,
    },
];

impl Client {
    /// The lines of its program that name the base URL: what a user changes.
    pub(crate) fn changed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(scripts().join(self.script)).unwrap();
        let marked = text.lines().filter_map(|line| {
            let code = line
                .strip_suffix("# changed")
                .or(line.strip_suffix("// changed"));
            code.map(|code| code.trim().to_owned())
        });
        marked.collect()
    }

    /// What it needs in its environment to trust the proxy's CA.
    pub(crate) fn trusts(&self) -> String {
        let variable = |name: &&str| format!("{name}=ca.pem");
        let all: Vec<String> = self.trust.iter().map(variable).collect();
        all.join(" ")
    }

    fn of<T>(&self, salesforce: T, hubspot: T) -> T {
        match self.crm {
            CrmKind::Salesforce => salesforce,
            CrmKind::HubSpot => hubspot,
        }
    }

    /// Its program, ready to start in an empty home. Whatever it asks of anybody but the proxy goes to `others`.
    fn command(&self, home: &Path, ca: &Path, others: &str) -> Command {
        let installed = installed().unwrap();
        let modules = installed.join("node/node_modules");
        let script = scripts().join(self.script);
        let mut command = if self.script.ends_with(".py") {
            Command::new(installed.join("python/bin/python"))
        } else {
            Command::new(modules.join(".bin/node"))
        };
        let path = std::env::var("PATH").unwrap();
        command
            .arg(script)
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .env("PATH", format!("{}:{path}", modules.join(".bin").display()))
            .env("NODE_PATH", &modules)
            .env("OTHERS", others)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.env.iter().copied())
            .envs(self.trust.iter().map(|name| (name, ca)));
        if self.trust == NODE {
            let hook = scripts().join("only-here.cjs");
            command.env("NODE_OPTIONS", format!("--require {}", hook.display()));
        } else {
            command.env("NO_PROXY", "127.0.0.1");
            for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
                command.env(name, others);
            }
        }
        command
    }
}

/// Where `tests/run` installs the clients; `None` under a bare `cargo test`.
fn installed() -> Option<PathBuf> {
    std::env::var_os("WRITEGATE_CLIENTS").map(PathBuf::from)
}

#[tokio::test]
async fn simple_salesforce() {
    course::taken_by(&ALL[0]).await;
}

#[tokio::test]
async fn langchain_salesforce() {
    course::taken_by(&ALL[1]).await;
}

#[tokio::test]
async fn jsforce() {
    course::taken_by(&ALL[2]).await;
}

#[tokio::test]
async fn the_sf_command_line() {
    course::taken_by(&ALL[3]).await;
}

#[tokio::test]
async fn an_mcp_server_for_salesforce() {
    course::taken_by(&ALL[4]).await;
}

#[tokio::test]
async fn hubspot_api_client() {
    course::taken_by(&ALL[5]).await;
}

#[tokio::test]
async fn hubspot_sdk() {
    course::taken_by(&ALL[6]).await;
}

#[tokio::test]
async fn hubspot_api_client_of_node() {
    course::taken_by(&ALL[7]).await;
}

#[tokio::test]
async fn the_mcp_server_of_hubspot() {
    course::taken_by(&ALL[8]).await;
}

#[tokio::test]
async fn simple_salesforce_that_logs_in() {
    course::taken_by(&ALL[9]).await;
}

#[tokio::test]
async fn jsforce_that_logs_in() {
    course::taken_by(&ALL[10]).await;
}
