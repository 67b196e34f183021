//! A real Redis of a test's own: on a free port, in a folder of its own, without persistence.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::control::redis::{Address, Alone, Options, RedisControl, Time};
use writegate::control::{Admission, Ask, ControlState, Rebuild};
use writegate::error::StoreError;
use writegate::mutation::{Charge, Count, Limit, LimitKind, Per, Then};

use super::skipped;

/// Where a program is, by the search path.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|place| place.join(program));
    places.find(|place| place.is_file())
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    child: Option<Child>,
    options: Vec<String>,
    folder: TempDir,
    pub(crate) port: u16,
    /// The port of the primary that it watches, for a sentinel.
    watched: Option<u16>,
}

/// The service that sentinels watch in tests.
pub(crate) const SERVICE: &str = "gates";

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Number(i64),
    Text(String),
    Error(String),
    List(Vec<Said>),
}

impl Said {
    /// What has to be a text.
    pub(crate) fn text(self) -> String {
        let Self::Text(text) = self else {
            panic!("{self:?} is no text");
        };
        text
    }
}

impl Redis {
    /// Starts one; `None`, and a line that says so, where there is none to start.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::with(test, &[])
    }

    /// A sentinel that watches the primary at a port.
    pub(crate) fn sentinel(test: &str, primary: u16) -> Option<Self> {
        Self::make(test, &[], Some(primary))
    }

    /// The same with options of its own: `["--maxmemory", "2mb"]`.
    pub(crate) fn with(test: &str, options: &[&str]) -> Option<Self> {
        Self::make(test, options, None)
    }

    fn make(test: &str, options: &[&str], watched: Option<u16>) -> Option<Self> {
        if found("redis-server").is_none() {
            skipped(test, "redis-server");
            return None;
        }
        let mut redis = Self {
            child: None,
            options: options.iter().map(|word| (*word).to_owned()).collect(),
            folder: tempfile::tempdir().unwrap(),
            port: 0,
            watched,
        };
        redis.run();
        Some(redis)
    }

    /// Starts the server, anew and empty where it ran before. Another program may take a port that was
    /// free a moment ago; then the next one is tried.
    pub(crate) fn run(&mut self) {
        let same = self.port;
        for _ in 0..50 {
            let port = if same == 0 { free_port() } else { same };
            let mut child = self
                .command(port)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if is_ready(child.stdout.take().unwrap()) {
                self.child = Some(child);
                self.port = port;
                return;
            }
            child.wait().unwrap();
        }
        panic!("no Redis could be started");
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new("redis-server");
        if let Some(primary) = self.watched {
            let file = self.folder.path().join("sentinel.conf");
            let text = format!(
                "sentinel monitor {SERVICE} 127.0.0.1 {primary} 1\n\
                 sentinel down-after-milliseconds {SERVICE} 500\n\
                 sentinel failover-timeout {SERVICE} 3000\n"
            );
            std::fs::write(&file, text).unwrap();
            command.arg(file).arg("--sentinel");
        } else {
            command
                .args(["--save", "", "--appendonly", "no"])
                .args(["--enable-debug-command", "local"])
                .args(&self.options);
        }
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.folder.path());
        command
    }

    /// A URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
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

    /// Says something on a connection of its own, and returns the answer.
    pub(crate) fn say(&self, words: &[&str]) -> Said {
        Line::to(self.port).say(words)
    }

    /// The keys that hold this.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        let Said::List(keys) = self.say(&["KEYS", pattern]) else {
            panic!("no list");
        };
        keys.into_iter().map(Said::text).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A port that nobody listens on, a moment ago at least.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether it says that it takes connections, before it ends. What it says later is read away.
fn is_ready(from: impl Read + Send + 'static) -> bool {
    let mut lines = BufReader::new(from).lines();
    let ready = |line: &str| line.contains("Ready to accept") || line.contains("+monitor");
    let ready = lines.any(|line| ready(&line.unwrap_or_default()));
    std::thread::spawn(move || lines.for_each(drop));
    ready
}

/// A connection that says one thing after the other.
pub(crate) struct Line(BufReader<TcpStream>);

impl Line {
    pub(crate) fn to(port: u16) -> Self {
        Self(BufReader::new(
            TcpStream::connect(("127.0.0.1", port)).unwrap(),
        ))
    }

    pub(crate) fn say(&mut self, words: &[&str]) -> Said {
        self.send(words);
        self.hear()
    }

    /// Says it, and does not wait for the answer.
    pub(crate) fn send(&mut self, words: &[&str]) {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Said {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" => Said::Text(rest.to_owned()),
            "-" => Said::Error(rest.to_owned()),
            ":" => Said::Number(rest.parse().unwrap()),
            "$" if rest == "-1" => Said::Nothing,
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                Said::Text(String::from_utf8_lossy(&text).into_owned())
            }
            "*" => {
                let count = rest.parse::<i64>().unwrap().max(0);
                Said::List((0..count).map(|_| self.hear()).collect())
            }
            other => panic!("{other:?} in {line:?}"),
        }
    }
}

/// How control state is opened in a test: it shares its deployment, and the asks bring the time.
pub(crate) fn options(url: &str, replica: &str) -> Options {
    Options {
        address: Address::parse(url).unwrap(),
        replica: replica.into(),
        alone: None,
        clock: Arc::new(SystemClock),
        time: Time::Asks,
        // what is slow here is the machine
        within: Duration::from_secs(20),
    }
}

/// The same for one that uses its deployment alone.
pub(crate) fn alone(url: &str, kin: &str, process: &str) -> Options {
    let alone = Alone {
        kin: kin.into(),
        process: process.into(),
    };
    Options {
        alone: Some(alone),
        ..options(url, process)
    }
}

/// Control state in this server, with nothing in it.
pub(crate) async fn control(url: &str) -> RedisControl {
    let control = RedisControl::open(options(url, "one")).unwrap();
    built(&control, 1).await;
    control
}

/// Builds an empty state.
pub(crate) async fn built(control: &dyn ControlState, epoch: u64) {
    let from = Rebuild {
        epoch,
        ..Rebuild::default()
    };
    control.rebuild(from).await.unwrap();
}

/// A budget of so many mutations in an hour.
pub(crate) fn budget(max: u64) -> Limit {
    Limit {
        name: "hourly".into(),
        count: Count::Mutations,
        per: vec![Per::ServiceAccount],
        kind: LimitKind::Budget {
            max,
            window_ms: 3_600_000,
        },
        then: Then::Deny,
    }
}

/// So much of a limit, for `agent`.
pub(crate) fn charge(limit: &Limit, amount: u64) -> Charge {
    Charge {
        limit: limit.clone(),
        key: "agent".into(),
        amount,
        records: Vec::new(),
    }
}

/// An ask of `agent` for this and a lock, now.
pub(crate) fn ask(reservation: &str, lock: &str, charges: &[Charge]) -> Ask {
    Ask {
        reservation: EntryId::from_text(reservation),
        service_account: "agent".into(),
        locks: vec![format!("r/Account/{lock}")],
        charges: charges.to_vec(),
        patience: Duration::ZERO,
        now: SystemClock.now(),
    }
}

/// Whether an ask was granted.
pub(crate) fn granted(admitted: &Result<Admission, StoreError>) -> bool {
    matches!(admitted, Ok(Admission::Granted { .. }))
}
