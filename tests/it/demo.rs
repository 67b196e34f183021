//! `writegate demo`: the real binary tells its story, and then serves whoever follows its pointers.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use writegate::sandbox::seed;
use writegate::tls::{self, Pem};

/// What every tour shows.
const HEADINGS: [&str; 9] = [
    "1. A blank field is filled",
    "2. The same in HubSpot",
    "3. An amount is not the agent's to write",
    "4. A fill would overwrite",
    "5. A batch with two bad rows",
    "6. A limit is used up",
    "7. A trip wire stops an agent that runs away",
    "8. An operator stops an agent, and lets it go on",
    "9. The record of all this is whole",
];

/// The program in a folder for temporary files of its own and an otherwise empty environment.
fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writegate"));
    command
        .arg("demo")
        .args(arguments)
        .env_clear()
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The story of a tour that did all it says, and nothing beside it.
fn story(output: &Output) -> String {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert_eq!(err, "", "the log clutters the story");
    out
}

#[test]
fn a_tour_tells_its_story_and_ends_with_0() {
    let temporary = tempfile::tempdir().unwrap();
    let out = story(&demo(&["--exit"], temporary.path()).output().unwrap());
    for heading in HEADINGS {
        assert!(out.lines().any(|line| line == heading), "{heading}\n{out}");
    }
    let checked = out.lines().filter(|line| line.starts_with("   checked  "));
    assert_eq!(checked.count(), HEADINGS.len(), "{out}");
    assert!(!out.contains("FAILED"), "{out}");
    assert!(out.contains("All 9 steps did what they say."), "{out}");
    assert!(!out.contains('\u{1b}'), "colour in a pipe");
    for seen in [
        "403 WRITEGATE_DENIED",
        "403 WRITEGATE_BUDGET",
        "403 WRITEGATE_STOPPED",
        "Account.Industry            null → \"Manufacturing\"",
        "companies.industry   null → \"MACHINERY\"",
        "records[1], records[3]: Account.NumberOfEmployees already has",
        "the chain is whole",
    ] {
        assert!(out.contains(seen), "{seen}\n{out}");
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "files stay behind");
}

#[test]
fn ports_that_are_taken_are_replaced_and_named() {
    // Whoever has it, this test or another program: the demo cannot.
    let taken = TcpListener::bind("127.0.0.1:8444");
    let temporary = tempfile::tempdir().unwrap();
    let out = story(&demo(&["--exit"], temporary.path()).output().unwrap());
    drop(taken);
    let told = out.lines().find(|line| line.starts_with("Somebody else"));
    assert!(told.is_some_and(|line| line.contains("8444")), "{out}");
}

/// A demo that stays up, and what it said.
struct Staying {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    said: String,
    temporary: tempfile::TempDir,
}

impl Staying {
    /// Starts one and reads to the end of its pointers.
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = demo(&[], temporary.path()).spawn().unwrap();
        let mut staying = Self {
            out: BufReader::new(child.stdout.take().unwrap()),
            child,
            said: String::new(),
            temporary,
        };
        while !staying.said.contains(" ledger verify --ledger ") {
            let read = staying.out.read_line(&mut staying.said).unwrap();
            assert_ne!(read, 0, "it ended: {}", staying.said);
        }
        staying
    }

    /// The lines after the story.
    fn pointers(&self) -> impl Iterator<Item = &str> {
        let from = self.said.find("\nIt stays up.").unwrap();
        self.said[from..].lines()
    }

    /// What stands behind a name in the pointers.
    fn pointer(&self, name: &str) -> &str {
        let mut lines = self.pointers();
        let line = lines.find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {}", self.said));
        line.trim_start()[name.len()..].trim()
    }

    fn address(&self, route: &str) -> SocketAddr {
        let url = self.pointer(route);
        url.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// The enrichment agent's token for a CRM: first Salesforce, then HubSpot.
    fn token(&self, place: usize) -> String {
        let tokens = self.pointer("enrichment-agent");
        tokens.split_whitespace().nth(place).unwrap().to_owned()
    }

    /// A verb as the pointers print it, in a shell, with the operator's token.
    fn verb(&self, name: &str) -> Output {
        let mut lines = self.pointers();
        let line = lines.find(|line| line.contains(&format!("writegate {name}")));
        Command::new("/bin/sh")
            .args(["-c", line.unwrap()])
            .env_clear()
            .env("WRITEGATE_TOKEN", self.pointer("export WRITEGATE_TOKEN="))
            .output()
            .unwrap()
    }

    /// Sends TERM and waits; the exit code, and what was said after the pointers and in the log.
    fn terminate(&mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let mut log = self.child.stderr.take().unwrap();
        log.read_to_string(&mut rest).unwrap();
        let code = self.child.wait().unwrap().code();
        let left: Vec<PathBuf> = std::fs::read_dir(self.temporary.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
        (code, rest)
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        // An error means that it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client with the printed CA, a base URL and a token: status and body.
async fn send(
    ca: &Path,
    to: SocketAddr,
    token: &str,
    request: (Method, &str, Option<Value>),
) -> (u16, Value) {
    let (method, target, body) = request;
    let text = std::fs::read(ca).unwrap();
    let pem = Pem {
        text: &text,
        of: "the demo's CA",
    };
    tls::install_provider();
    let tls = TlsConnector::from(tls::client(Some(pem)).unwrap());
    let tcp = TcpStream::connect(to).await.unwrap();
    let name = ServerName::IpAddress(to.ip().into());
    let stream = TokioIo::new(tls.connect(name, tcp).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", to.to_string())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let body = writegate::crm::json::parse(&bytes).unwrap_or_default();
    (status, body)
}

#[tokio::test]
async fn what_it_prints_leads_to_what_it_serves_until_term() {
    let mut demo = Staying::start();
    let ca = PathBuf::from(demo.pointer("CA"));
    let account = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let salesforce = demo.address("Salesforce");
    let token = demo.token(0);

    let read = (Method::GET, account.as_str(), None);
    let (status, body) = send(&ca, salesforce, &token, read).await;
    assert_eq!((status, &body["Name"]), (200, &json!("Acme Corporation")));
    assert_eq!(body["Industry"], "Manufacturing", "the tour wrote it");

    let again = json!({ "Industry": "Retail" });
    let write = (Method::PATCH, account.as_str(), Some(again));
    let (status, body) = send(&ca, salesforce, &token, write).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (403, &json!("WRITEGATE_DENIED"))
    );

    let company = format!("/crm/v3/objects/companies/{}", seed::HS_INITECH);
    let fill = json!({ "properties": { "numberofemployees": "310" } });
    let write = (Method::PATCH, company.as_str(), Some(fill));
    let (status, body) = send(&ca, demo.address("HubSpot"), &demo.token(1), write).await;
    assert_eq!(status, 200, "{body}");

    for (verb, says) in [
        ("status", "salesforce"),
        ("entries list", "update companies"),
        ("kill", "enrichment-agent is stopped"),
        ("resume", "enrichment-agent goes on"),
        ("check", "passed"),
        ("ledger verify", "the chain is whole"),
    ] {
        let output = demo.verb(verb);
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{verb}: {output:?}");
        assert!(out.contains(says), "{verb}: {out}");
    }
    let (code, rest) = demo.terminate();
    assert_eq!((code, rest.as_str()), (Some(0), ""));
}
