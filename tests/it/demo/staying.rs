//! A demo that stays up: what it said, its pointers, the verbs against it, a client of its routes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use writegate::tls::{self, Pem};

use super::demo;

/// After this line come two more, and no others.
const LAST: &str = "In Dana's terminal: after a yes, take it back";

/// A demo that stays up, and what it said.
pub(super) struct Staying {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
    pub(super) said: String,
    temporary: tempfile::TempDir,
}

impl Staying {
    /// Starts one and reads to the end of its pointers.
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with more in its environment.
    pub(super) fn with(environment: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = demo(&[], temporary.path());
        let environment = environment.iter().copied();
        let mut child = command.envs(environment).spawn().unwrap();
        let mut staying = Self {
            out: BufReader::new(child.stdout.take().unwrap()),
            log: BufReader::new(child.stderr.take().unwrap()),
            child,
            said: String::new(),
            temporary,
        };
        while staying.line() != LAST {}
        staying.line();
        staying.line();
        staying
    }

    /// Its next line.
    fn line(&mut self) -> &str {
        let from = self.said.len();
        let read = self.out.read_line(&mut self.said).unwrap();
        assert_ne!(read, 0, "it ended: {}", self.said);
        self.said[from..].trim_end()
    }

    /// Returns once a line of its log holds all of these.
    pub(super) fn logged(&mut self, parts: &[&str]) {
        let mut line = String::new();
        while !parts.iter().all(|part| line.contains(part)) {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "{parts:?}");
        }
    }

    /// The lines after the story.
    fn pointers(&self) -> impl Iterator<Item = &str> {
        let from = self.said.find("\nIt stays up.").unwrap();
        self.said[from..].lines()
    }

    /// What stands behind a name in the pointers.
    pub(super) fn pointer(&self, name: &str) -> &str {
        let mut lines = self.pointers();
        let line = lines.find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {}", self.said));
        line.trim_start()[name.len()..].trim()
    }

    pub(super) fn address(&self, route: &str) -> SocketAddr {
        let url = self.pointer(route);
        url.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// The enrichment agent's token for a CRM: first Salesforce, then HubSpot.
    pub(super) fn token(&self, place: usize) -> String {
        let tokens = self.pointer("enrichment-agent");
        tokens.split_whitespace().nth(place).unwrap().to_owned()
    }

    /// The variables that it has Dana set.
    fn variables(&self) -> BTreeMap<&str, &str> {
        let exported = |line: &'_ str| line.trim_start().starts_with("export WRITEGATE_");
        let lines = self.pointers().filter(|line| exported(line));
        lines
            .map(|line| {
                line.trim_start()["export ".len()..]
                    .split_once('=')
                    .unwrap()
            })
            .collect()
    }

    /// The line of the pointers that holds this.
    pub(super) fn printed(&self, part: &str) -> &str {
        let mut lines = self.pointers();
        let line = lines.find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no {part}: {}", self.said))
    }

    /// A line of the pointers, in a shell with the variables that stand above it.
    pub(super) fn shell(&self, line: &str) -> Output {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env_clear().envs(self.variables());
        shell.output().unwrap()
    }

    /// A verb as the pointers print it.
    pub(super) fn verb(&self, name: &str) -> Output {
        self.shell(self.printed(&format!("writegate {name}")))
    }

    /// What a verb answers to a program.
    pub(super) fn asks(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_writegate"));
        command.args(arguments).arg("--json").env_clear();
        let output = command.envs(self.variables()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        writegate::crm::json::parse(&output.stdout).unwrap()
    }

    /// Sends a request as the sales agent does.
    pub(super) async fn agent(
        &self,
        route: &str,
        request: (Method, &str, Option<Value>),
    ) -> (u16, Value) {
        let tokens = self.pointer("sdr-agent");
        let place = usize::from(route == "HubSpot");
        let token = tokens.split_whitespace().nth(place).unwrap();
        let ca = PathBuf::from(self.pointer("CA"));
        send(&ca, self.address(route), token, request).await
    }

    /// Sends TERM and waits; the exit code, and what was said after the pointers and in the log.
    pub(super) fn terminate(&mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        self.log.read_to_string(&mut rest).unwrap();
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
pub(super) async fn send(
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
