//! What is told of a client: its row and its section in `docs/clients.md`, which have to be what was seen.

use std::fmt::Write;
use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use super::Client;
use writegate::mutation::CrmKind;

/// What a session has shown.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) version: String,
    pub(super) passed: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

/// One call that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    case: &'static str,
    /// What the user of the client sees, as it was.
    pub(super) shown: String,
    /// The proxy's own reads at the CRM.
    reads: usize,
    /// How often the client sent it once more.
    resent: u64,
}

impl Refusal {
    pub(super) fn of(case: &'static str, told: &Value, reads: usize, resent: u64) -> Self {
        // The end of a traceback, where the client throws an exception of its own.
        let traceback = told["traceback"]
            .as_str()
            .filter(|_| told["module"] != "__main__");
        let shown = traceback.or(told["text"].as_str());
        let shown = shown.unwrap_or_else(|| panic!("{case}: {told}"));
        Self {
            case,
            shown: shown.trim_end().to_owned(),
            reads,
            resent,
        }
    }
}

impl Page {
    /// Writes the row and the section into `target/clients/seen`, and compares them with the page.
    pub(super) fn is_what_is_told(&self, client: &Client, base: &str) {
        let folder = root().join("target/clients/seen");
        std::fs::create_dir_all(&folder).unwrap();
        let (row, section) = (self.row(client), self.section(client, base));
        let (name, _) = client.script.rsplit_once('.').unwrap();
        std::fs::write(folder.join(format!("{name}.row")), &row).unwrap();
        std::fs::write(folder.join(format!("{name}.md")), &section).unwrap();
        let page = std::fs::read_to_string(root().join("docs/clients.md")).unwrap();
        for text in [&row, &section] {
            assert!(
                page.contains(text.as_str()),
                "docs/clients.md does not say (what was seen is in {}):\n{text}",
                folder.display()
            );
        }
    }

    fn row(&self, client: &Client) -> String {
        let resent: Vec<String> = self
            .refusals
            .iter()
            .filter(|refusal| refusal.resent > 0)
            .map(|refusal| format!("{} times when {}", refusal.resent, refusal.case))
            .collect();
        let resent = match resent.is_empty() {
            true => "0".to_owned(),
            false => resent.join(", "),
        };
        let lacks = match client.lacks.is_empty() {
            true => String::new(),
            false => format!("; it has no {}", client.lacks.join(", ")),
        };
        let reads: usize = self.refusals.iter().map(|refusal| refusal.reads).sum();
        format!(
            "| {} {} | {} | {} | {}{lacks} | 0 of {}, {reads} | {resent} |\n",
            client.name,
            self.version,
            client.login,
            client.changed().len(),
            self.passed.join(", "),
            self.refusals.len(),
        )
    }

    fn section(&self, client: &Client, base: &str) -> String {
        let mut text = format!("### {}: {}\n\n```\n", client.name, client.login);
        writeln!(text, "export {}", client.trusts()).unwrap();
        for line in client.changed() {
            writeln!(text, "{line}").unwrap();
        }
        text.push_str("```\n\nWhat its user sees:\n\n```text\n");
        let mut before = String::new();
        for refusal in &self.refusals {
            let shown = masked(&refusal.shown, base, client.crm);
            if shown != before {
                writeln!(text, "--- {}\n{shown}", refusal.case).unwrap();
            }
            before = shown;
        }
        text.push_str("```\n");
        text
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Without what is different each time: ports, ids, dates of answers.
fn masked(shown: &str, base: &str, crm: CrmKind) -> String {
    let usual = match crm {
        CrmKind::Salesforce => "https://127.0.0.1:8443",
        CrmKind::HubSpot => "https://127.0.0.1:8444",
    };
    let patterns = [
        r"\b[0-9A-HJKMNP-TV-Z]{26}\b",
        r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
        r"\b\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT",
    ];
    let mut text = shown.replace(base, usual);
    for pattern in patterns {
        let pattern = Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, "…").into_owned();
    }
    let hold = Regex::new(r"\[hold \w+\]").unwrap();
    let text = hold.replace_all(&text, "[hold …]");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}
