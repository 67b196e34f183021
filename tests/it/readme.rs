//! README.md says what is so: its files are checked, its commands are run, its story is the demo's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use writegate::tls::{self, Pem};

use super::support::skipped;

/// A fenced block: what stands behind the three ticks, and its lines.
struct Block {
    info: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

fn blocks() -> Vec<Block> {
    blocks_of(&readme())
}

fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(info), None) => {
                open = Some(Block {
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Whether a text is as expected, where `…` stands for anything within a line.
pub(super) fn fits(expected: &str, seen: &str) -> bool {
    let pattern = regex::escape(expected).replace('…', ".*");
    regex::Regex::new(&format!("^{pattern}$"))
        .unwrap()
        .is_match(seen)
}

/// A folder with the files of the page, and certificates.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for block in blocks() {
        let Some((kind, name)) = block.info.split_once(' ') else {
            continue;
        };
        if matches!(kind, "yaml" | "http" | "json") {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block.text).unwrap();
        }
    }
    let certs = tls::dev_ca(Timestamp::UNIX_EPOCH).unwrap();
    fs::create_dir(folder.path().join("certs")).unwrap();
    fs::write(folder.path().join("certs/dev.pem"), certs.cert).unwrap();
    fs::write(folder.path().join("certs/dev.key"), certs.key).unwrap();
    folder
}

/// Runs a line of the page in a shell: everything it says.
fn shell(line: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_writegate"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{line}: {said}{:?}", output.stderr);
    said
}

#[test]
fn its_commands_say_what_stands_below_them() {
    let folder = folder();
    let mut run = 0;
    for block in blocks().iter().filter(|block| block.info == "console") {
        for command in block.text.split("$ ").skip(1) {
            let (line, expected) = command.split_once('\n').unwrap();
            let said = shell(line, folder.path());
            let (expected, said): (Vec<_>, Vec<_>) =
                (expected.lines().collect(), said.lines().collect());
            assert_eq!(expected.len(), said.len(), "$ {line}\n{said:#?}");
            for (expected, said) in expected.iter().zip(&said) {
                assert!(fits(expected, said), "$ {line}\n{expected}\n{said}");
            }
            run += 1;
        }
    }
    assert!(run >= 5, "only {run} commands were found");
}

/// Whoever follows the page has a token of their own at the end, and its fingerprint.
#[test]
fn its_operator_can_have_a_token() {
    let folder = folder();
    let readme = readme();
    let inline = |start: &str| {
        let found = readme.split('`').find(|code| code.starts_with(start));
        found.unwrap_or_else(|| panic!("no `{start}…`")).to_owned()
    };
    shell(&inline("head -c"), folder.path());
    let told = shell(&inline("writegate fingerprint <"), folder.path());
    assert!(fits("sha256:…", told.trim_end()), "{told}");
    let token = shell("cat dana.token", folder.path());
    assert!(token.trim_end().len() >= 32, "{token}");
}

/// Every code that a caller can see stands in the table.
#[test]
fn its_table_has_every_code() {
    let readme = readme();
    let source = fs::read_to_string(root().join("src/error.rs")).unwrap();
    let codes: Vec<&str> = source
        .split('"')
        .filter(|text| text.starts_with("WRITEGATE_"))
        .collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        let row = readme
            .lines()
            .any(|line| line.starts_with('|') && line.contains(&format!("`{code}`")));
        assert!(row, "no row for {code}");
    }
}

#[test]
fn its_story_is_the_demos() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_writegate"))
        .args(["demo", "--exit"])
        .env_clear()
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut told = said.lines();
    let blocks = blocks();
    let story = blocks
        .iter()
        .find(|block| block.info == "text demo")
        .unwrap();
    for line in story.text.lines() {
        assert!(
            told.any(|seen| fits(line, seen)),
            "the demo does not say, or not in this order: {line}\n{said}"
        );
    }
}

/// What a developer reads of a hold is what the sessions with the SDKs assert.
#[test]
fn its_tracebacks_are_the_sdks() {
    let seen = super::clients::holds::words::tracebacks();
    let mut seen = seen.iter();
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let blocks = blocks_of(&page);
    let shown = blocks
        .iter()
        .find(|block| block.info == "text traceback")
        .unwrap();
    assert!(shown.text.lines().count() >= 9);
    for line in shown.text.lines() {
        assert!(
            seen.any(|seen| fits(line, seen)),
            "no SDK shows, or not in this order: {line}"
        );
    }
}

/// What it says to change for each client is what the client's program changes, where the tests run it.
#[test]
fn its_clients_are_those_that_are_run() {
    let readme = readme();
    for client in &super::clients::every::ALL {
        let lines: Vec<String> = client
            .changed()
            .iter()
            .map(|line| format!("`{}`", line.trim_end_matches(';')))
            .collect();
        assert!(!lines.is_empty(), "{} changes nothing", client.name);
        let (name, trust) = (client.name, client.trusts());
        let row = format!("| {name} | `{trust}` | {} |", lines.join(" "));
        assert!(
            readme.lines().any(|line| line == row),
            "README.md does not say:\n{row}"
        );
    }
}

#[test]
fn its_verbs_and_links_exist() {
    let readme = readme();
    let folder = folder();
    let help = shell("writegate help", folder.path());
    let verbs = readme.split("writegate ").skip(1).filter_map(|rest| {
        let verb = rest
            .split(|letter: char| !letter.is_ascii_lowercase())
            .next();
        verb.filter(|verb| !verb.is_empty() && !rest.starts_with('.'))
    });
    for verb in verbs.filter(|verb| *verb != "demo") {
        assert!(
            help.contains(&format!("\n  {verb} ")),
            "no verb {verb}:\n{help}"
        );
    }
    for link in readme.split("](").skip(1) {
        let path = link.split(')').next().unwrap();
        assert!(root().join(path).exists(), "no {path}");
    }
    assert!(readme.lines().count() <= 250);
}

#[test]
fn dots_stand_for_anything_within_a_line() {
    assert!(fits("a … c", "a b c"));
    assert!(fits("a …", "a b"));
    assert!(fits("{…,\"x\":1,…}", "{\"y\":2,\"x\":1,\"z\":3}"));
    assert!(!fits("a … c", "a b d"));
    assert!(!fits("a", "a b"));
    assert!(!fits("a … c", "a b c d"));
}

/// What `certs/make` makes serves a client that trusts its CA, by each name.
#[tokio::test]
async fn made_certificates_serve() {
    let has = Command::new("openssl").arg("version").output();
    if has.is_err() {
        return skipped("certificates of certs/make", "openssl");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join("certs/make"), folder.path().join("make")).unwrap();
    for no_name in ["--help", "a,DNS:b", ""] {
        let told = Command::new(folder.path().join("make"))
            .arg(no_name)
            .output()
            .unwrap();
        assert_eq!(told.status.code(), Some(2), "{no_name}: {told:?}");
        assert!(!folder.path().join("ca.pem").exists());
    }
    let made = Command::new(folder.path().join("make"))
        .arg("crm-gate.internal")
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let (ca, cert, key) = (read("ca.pem"), read("dev.pem"), read("dev.key"));
    let pem = |text| Pem { text, of: "made" };
    let acceptor = TlsAcceptor::from(tls::server(pem(&cert), pem(&key), None).unwrap());
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&ca).unwrap())
        .unwrap();
    tls::install_provider();
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    for name in ["localhost", "127.0.0.1", "crm-gate.internal"] {
        let (near, far) = tokio::io::duplex(16_384);
        let name = ServerName::try_from(name).unwrap();
        let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
        near.unwrap();
        far.unwrap();
    }
}
