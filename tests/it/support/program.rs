//! The real binary: `writegate serve` with a configuration of its own in a folder of its own, and the
//! other verbs against it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use writegate::config::Fingerprint;

use super::canaries;
use super::client::Client;
use super::house::{
    APPROVER, BROKER, KEY, OPEN_HUBSPOT, OPEN_RULES, OPERATOR, OTHER_TOKEN, TOKEN, VIEWER,
};

/// What a verb came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// How the program is started.
pub(crate) struct Starting {
    folder: Arc<TempDir>,
    upstream: String,
    rules: Vec<(String, String)>,
    route: String,
    clients: String,
    ledger: PathBuf,
    env: Vec<(String, String)>,
    before: Vec<String>,
}

impl Starting {
    /// This text as `rules/NAME`, in place of the open rules.
    pub(crate) fn rules(mut self, files: &[(&str, &str)]) -> Self {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        self.rules = files.iter().map(owned).collect();
        self
    }

    /// The folder of an earlier program: a restart.
    pub(crate) fn folder(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Arc::clone(folder);
        self.ledger = self.folder.path().join("writegate.db");
        self
    }

    /// What `enrichment-agent` logs in by.
    pub(crate) fn clients(mut self, names: &[&str]) -> Self {
        self.clients = names.join("', '");
        self
    }

    /// The ledger in another place.
    pub(crate) fn ledger(mut self, file: PathBuf) -> Self {
        self.ledger = file;
        self
    }

    /// More keys of each route, as YAML in flow style: `, upstream_ca: x.pem`.
    pub(crate) fn route(mut self, more: &str) -> Self {
        self.route = more.to_owned();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command that runs the program: `strace …`.
    pub(crate) fn under(mut self, command: &[&str]) -> Self {
        self.before = command.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// The folder, for a program that may not live to tell it.
    pub(crate) fn place(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    fn write(&self) -> PathBuf {
        let rules = self.folder.path().join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        for (name, text) in &self.rules {
            std::fs::write(rules.join(name), text).unwrap();
        }
        let file = self.folder.path().join("writegate.yaml");
        let print = |secret: &str| Fingerprint::of(secret.as_bytes()).to_string();
        let (upstream, more, ledger) = (&self.upstream, &self.route, self.ledger.display());
        let clients = &self.clients;
        let text = format!(
            "routes:
  - {{ name: salesforce, crm: salesforce, listen: '127.0.0.1:0', upstream: '{upstream}'{more} }}
  - {{ name: hubspot, crm: hubspot, listen: '127.0.0.1:0', upstream: '{upstream}'{more} }}
admin: {{ listen: '127.0.0.1:0' }}
ledger: 'sqlite:{ledger}'
rules: rules
service_accounts:
  - {{ name: enrichment-agent, owner: kim, tokens: ['{}'], clients: ['{clients}'] }}
  - {{ name: sdr-agent, tokens: ['{}'] }}
  - name: scoring-agent
    keys: ['{}']
    credentials: {{ salesforce: {{ env: BROKER }}, hubspot: {{ env: BROKER }} }}
operators:
  - {{ name: dana, roles: [admin], teams: [Sales Ops], token: '{}' }}
  - {{ name: ann, roles: [approver], token: '{}' }}
  - {{ name: vic, roles: [viewer], token: '{}' }}
",
            print(TOKEN),
            print(OTHER_TOKEN),
            print(KEY),
            print(OPERATOR),
            print(APPROVER),
            print(VIEWER),
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    fn command(&self) -> Command {
        let file = self.write();
        let binary = env!("CARGO_BIN_EXE_writegate").to_owned();
        let mut words = self.before.iter().chain([&binary]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["serve", "--log-format", "json", "--config"])
            .arg(file)
            .env_clear()
            .env("BROKER", BROKER)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs the program to its end: for starts that are refused.
    pub(crate) fn refused(&self) -> Ran {
        ran(&mut self.command())
    }

    /// Starts it and returns when it listens. Blocks.
    pub(crate) fn start(self) -> Program {
        self.try_start()
            .unwrap_or_else(|log| panic!("it ended:\n{log}"))
    }

    /// The same, with the log of a program that ended before it listened.
    pub(crate) fn try_start(self) -> Result<Program, String> {
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let enough = Arc::new(AtomicBool::new(false));
        let (over, gone) = watch::channel(());
        let stderr = child.stderr.take().unwrap();
        let (log, reading, lines) = read(stderr, Arc::clone(&enough), over);
        let mut listens = BTreeMap::new();
        while listens.len() < 3 {
            let Ok(line) = lines.recv() else {
                child.wait().unwrap();
                reading.join().unwrap();
                return Err(log.borrow().join("\n"));
            };
            listens.extend(address(&line));
        }
        Ok(Program {
            child: Some(child),
            log,
            reading: Some(reading),
            gone,
            enough,
            folder: self.folder,
            ledger: self.ledger,
            salesforce: listens["salesforce"],
            hubspot: listens["hubspot"],
            admin: listens["operators"],
        })
    }
}

type Log = watch::Sender<Vec<String>>;

/// Collects lines as they come, until the flag ends it; the receiver gets them one by one.
fn read(
    from: impl Read + Send + 'static,
    enough: Arc<AtomicBool>,
    over: watch::Sender<()>,
) -> (Log, JoinHandle<()>, Receiver<String>) {
    let log = watch::Sender::new(Vec::new());
    let (hand_over, lines) = channel();
    let all = log.clone();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            all.send_modify(|all: &mut Vec<String>| all.push(line.clone()));
            drop(hand_over.send(line));
            if enough.load(Ordering::SeqCst) {
                break;
            }
        }
        drop(over);
    });
    (log, reading, lines)
}

#[expect(clippy::disallowed_methods, reason = "our own log lines")]
fn parsed(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

/// The listener that a line tells of.
fn address(line: &str) -> Option<(String, SocketAddr)> {
    let line = parsed(line)?;
    let address = line.get("address")?.as_str()?.parse().ok()?;
    match line.get("message")?.as_str()? {
        "listening" => Some((line.get("route")?.as_str()?.to_owned(), address)),
        "operators" => Some(("operators".into(), address)),
        _ => None,
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a verb in an empty environment but for these variables.
pub(crate) fn verb(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    ran(Command::new(env!("CARGO_BIN_EXE_writegate"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied()))
}

/// A running `writegate serve`.
pub(crate) struct Program {
    child: Option<Child>,
    log: Log,
    reading: Option<JoinHandle<()>>,
    gone: watch::Receiver<()>,
    enough: Arc<AtomicBool>,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) ledger: PathBuf,
    pub(crate) salesforce: SocketAddr,
    pub(crate) hubspot: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Program {
    /// A program with open rules in a new folder.
    pub(crate) fn before(upstream: &str) -> Starting {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Starting {
            ledger: folder.path().join("writegate.db"),
            folder,
            upstream: upstream.to_owned(),
            rules: vec![
                ("salesforce.yaml".into(), OPEN_RULES.into()),
                ("hubspot.yaml".into(), OPEN_HUBSPOT.into()),
            ],
            route: String::new(),
            clients: "client-of-enrichment".into(),
            env: Vec::new(),
            before: Vec::new(),
        }
    }

    /// `enrichment-agent` on the Salesforce route.
    pub(crate) fn agent(&self) -> Client {
        Client::new(self.salesforce, TOKEN)
    }

    /// `sdr-agent` on the Salesforce route.
    pub(crate) fn other_agent(&self) -> Client {
        Client::new(self.salesforce, OTHER_TOKEN)
    }

    /// A verb that asks this program, as dana.
    pub(crate) fn verb(&self, arguments: &[&str]) -> Ran {
        self.verb_as(OPERATOR, arguments)
    }

    /// The same as another operator. Blocks.
    pub(crate) fn verb_as(&self, token: &str, arguments: &[&str]) -> Ran {
        let admin = format!("http://{}", self.admin);
        verb(
            arguments,
            &[("WRITEGATE_ADMIN", &admin), ("WRITEGATE_TOKEN", token)],
        )
    }

    /// The log so far, a line each.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Returns once a line of the log holds this.
    pub(crate) async fn logged(&self, text: &str) {
        self.logged_times(text, 1).await;
    }

    /// Returns once so many lines of the log hold this.
    pub(crate) async fn logged_times(&self, text: &str, times: usize) {
        let mut log = self.log.subscribe();
        let hold =
            |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count() >= times;
        log.wait_for(hold).await.unwrap();
    }

    /// The log is closed after its next line: what is written to it from then on fails.
    pub(crate) fn read_no_more(&self) {
        self.enough.store(true, Ordering::SeqCst);
    }

    /// The memory of its own that it holds now, in bytes (Linux): without the
    /// pages of files, which the system takes back when it needs them.
    pub(crate) fn memory(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("RssAnon:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// kill -9, also of the command that it runs under.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        kill_all(&child);
        let status = child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        status
    }

    /// The same, without waiting for the end.
    pub(crate) fn strike(&self) {
        kill_all(self.child.as_ref().unwrap());
    }

    /// Returns once it is gone, whatever ended it.
    pub(crate) async fn gone(&self) {
        // nothing is ever sent: the sender is dropped at the end of the log
        drop(self.gone.clone().changed().await);
    }

    /// TERM, without waiting for the end.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end that something else causes. Blocks.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = self.child.take().unwrap().wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        status
    }

    /// TERM, and its exit code. Blocks until it has ended.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.ended().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            kill_all(child);
            drop(child.wait());
        }
        if !std::thread::panicking() {
            canaries::none_in_ledger(self.ledger.parent().unwrap());
            canaries::none_in("the log", self.log.borrow().join("\n").as_bytes());
        }
    }
}

/// A program leads a process group of its own: strace would leave it behind.
fn kill_all(child: &Child) {
    let group = format!("-{}", child.id());
    let sent = Command::new("sh")
        .args(["-c", "kill -KILL \"$1\"", "kill", &group])
        .stderr(Stdio::null())
        .status();
    // one that has ended already is waited for all the same
    assert!(sent.is_ok());
}
