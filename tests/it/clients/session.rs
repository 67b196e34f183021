//! A program with a real client in it, driven step by step, with what the CRM and the ledger saw of
//! each step.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::house::{House, OTHER_TOKEN, TOKEN};

/// The interpreter that has the SDKs; `None` under a bare `cargo test`.
pub(super) fn python() -> Option<PathBuf> {
    std::env::var_os("WRITEGATE_PYTHON").map(PathBuf::from)
}

/// Where the programs are.
pub(super) fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A running program before a house.
pub(super) struct Session<'a> {
    house: &'a House,
    base: String,
    program: Arc<Mutex<Program>>,
}

struct Program {
    child: Child,
    steps: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// An exception as the SDK's user sees it. In `text`, `{base}` stands for the base URL and `{entry}`
/// for the id of the entry that the step left.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    pub(super) step: String,
    pub(super) class: &'static str,
    pub(super) status: u16,
    pub(super) text: String,
    /// The reads we made of our own before refusing.
    pub(super) reads: usize,
}

/// What came of a step.
pub(super) struct Seen {
    pub(super) told: Value,
    /// Requests at the CRM that meant to change something.
    pub(super) writes: usize,
    /// All other requests at the CRM.
    pub(super) reads: usize,
    /// The ids of the entries it left: one for each attempt at a write.
    pub(super) entries: Vec<String>,
}

impl<'a> Session<'a> {
    /// Starts a script of `tests/clients` against `base`. It trusts the house's CA and no other.
    pub(super) fn start(python: &Path, script: &str, base: &str, house: &'a House) -> Self {
        let mut command = Command::new(python);
        command
            .arg("-B")
            .arg(scripts().join(script))
            .args([base, TOKEN, OTHER_TOKEN])
            .env("REQUESTS_CA_BUNDLE", house.ca())
            .env("SSL_CERT_FILE", house.ca())
            .env("NO_PROXY", "127.0.0.1");
        Self::of(&mut command, base, house)
    }

    /// Starts a program that runs steps.
    pub(super) fn of(command: &mut Command, base: &str, house: &'a House) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // never ours: Node makes what it inherits non-blocking, for everybody who has it
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let complaints = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in complaints.lines().map_while(Result::ok) {
                drop(writeln!(std::io::stderr(), "{line}"));
            }
        });
        let program = Program {
            steps: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        Self {
            house,
            base: base.to_owned(),
            program: Arc::new(Mutex::new(program)),
        }
    }

    /// The base URL that the program has.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// A step that only reads: what the program got.
    pub(super) async fn reads(&self, step: &str, got: &Value) {
        let seen = self.step(step).await;
        assert_eq!(seen.told, json!({ "returned": got }), "{step}");
        assert_eq!((seen.writes, seen.entries.len()), (0, 0), "{step}");
        assert!(seen.reads > 0, "{step}");
    }

    /// A step whose write goes through: one request, one entry.
    pub(super) async fn writes(&self, step: &str, got: &Value) {
        let seen = self.step(step).await;
        assert_eq!(seen.told, json!({ "returned": got }), "{step}");
        assert_eq!((seen.writes, seen.entries.len()), (1, 1), "{step}");
    }

    /// A step that is refused and says so without an exception.
    pub(super) async fn answers(&self, step: &str, got: &Value) {
        let seen = self.step(step).await;
        let entry = seen.entries.first().cloned().unwrap_or_default();
        let told = seen.told.to_string().replace(&entry, "{entry}");
        assert_eq!(told, json!({ "returned": got }).to_string(), "{step}");
        assert_eq!((seen.writes, seen.reads), (0, 0), "{step}");
        assert_eq!(seen.entries.len(), 1, "{step}: it was sent again");
    }

    /// A write that is refused: the exception word for word, nothing at the CRM but our own reads, and
    /// one entry, since it was sent once.
    pub(super) async fn refused(&self, expected: &Raised) {
        let seen = self.raises(expected).await;
        let step = &expected.step;
        assert_eq!(seen.writes, 0, "{step} reached the CRM");
        assert_eq!(seen.reads, expected.reads, "{step}: our own reads");
        assert_eq!(seen.entries.len(), 1, "{step}: it was sent again");
    }

    /// A read that fails, at the CRM or before it: the exception word for word, no entry.
    pub(super) async fn not_read(&self, expected: &Raised) {
        let seen = self.raises(expected).await;
        assert_eq!((seen.writes, seen.reads), (0, expected.reads));
        assert!(seen.entries.is_empty(), "{}", expected.step);
    }

    async fn raises(&self, expected: &Raised) -> Seen {
        let seen = self.step(&expected.step).await;
        let entry = seen.entries.first().cloned().unwrap_or_default();
        let text = expected.text.replace("{base}", &self.base);
        let text = text.replace("{entry}", &entry);
        let text = text.replace("{hold}", &hold_of(&seen.told));
        expected.is_told_by(&seen.told, &text);
        seen
    }

    pub(super) async fn step(&self, step: &str) -> Seen {
        let known = self.house.entries().await;
        let before = self.house.sandbox.seen().len();
        let (program, line) = (Arc::clone(&self.program), format!("{step}\n"));
        // The sandbox answers on this runtime meanwhile.
        let told = tokio::task::spawn_blocking(move || program.lock().run(&line))
            .await
            .unwrap();
        let requests = self.house.sandbox.seen().split_off(before);
        let writes = requests.iter().filter(|request| request.write).count();
        let entries = self.house.entries().await;
        let new = entries
            .iter()
            .filter(|entry| known.iter().all(|old| old.id != entry.id));
        Seen {
            told,
            writes,
            reads: requests.len() - writes,
            entries: new.map(|entry| entry.id.to_string()).collect(),
        }
    }
}

impl Raised {
    /// Whether this is what the program's user saw: the exception, and the last lines of a traceback.
    /// `text` is the expected one, with nothing left to be filled in.
    pub(super) fn is_told_by(&self, told: &Value, text: &str) {
        let told = masked(told);
        let module = told["module"].as_str().unwrap_or_default();
        let raised = json!({
            "raised": self.class,
            "status": self.status,
            "text": text,
            "traceback": format!("{module}.{}: {text}\n", self.class),
            "module": module,
        });
        assert_eq!(told, raised, "{}", self.step);
    }
}

/// The hold that an answer names; empty where it names none.
pub(super) fn hold_of(told: &Value) -> String {
    let text = told["text"].as_str().unwrap_or_default();
    let named = text
        .split_once("[hold ")
        .and_then(|(_, rest)| rest.split_once(']'));
    named.map(|(id, _)| id.to_owned()).unwrap_or_default()
}

/// What is different each time and cannot be told beforehand becomes a word: the `Date` header and
/// correlation ids, which HubSpot's exceptions show, and the CRM's count of calls.
fn masked(told: &Value) -> Value {
    let mut told = told.clone();
    for part in ["text", "traceback"] {
        if let Some(text) = told[part].as_str() {
            let text = ["'date': '", "\"correlationId\":\"", "daily-remaining': '"]
                .iter()
                .fold(text.to_owned(), |text, before| masked_after(&text, before));
            told[part] = Value::from(text);
        }
    }
    told
}

/// Replaces what stands between `before` and the next quote of the same kind.
fn masked_after(text: &str, before: &str) -> String {
    let quote = &before[before.len() - 1..];
    let Some((head, rest)) = text.split_once(before) else {
        return text.to_owned();
    };
    let (_, tail) = rest.split_once(quote).unwrap();
    format!("{head}{before}…{quote}{tail}")
}

impl Program {
    #[expect(clippy::disallowed_methods, reason = "our own script's answer")]
    fn run(&mut self, line: &str) -> Value {
        self.steps.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{line}{error}: {answer}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
