//! PostgreSQL for tests: what the system has installed, in a folder of its own, on a free port of the
//! loopback, as a user without rights. It syncs as in earnest. One for all tests of the binary, with a
//! database for each; tests that harm a server have one of their own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_postgres::SimpleQueryMessage;
use writegate::clock::{Clock, SystemClock};
use writegate::tls::{self, DevCerts};

use super::skipped;

/// The user of every server, and its password.
const USER: &str = "wg";
const PASSWORD: &str = "hunter2-of-postgres";

/// Runs a server until its standard input ends, which it does with whoever started it, however that
/// ends. `keep` leaves the folder.
const SHELL: &str = r#"
folder=$1; shift
( "$@" </dev/null >&2; echo "the server has ended" >&2 ) &
read -r word || word=
[ -f "$folder/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$folder/data/postmaster.pid")" 2>/dev/null
wait
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// A server.
pub(crate) struct Postgres {
    programs: PathBuf,
    /// Whom the server runs as, where we are root.
    user: Option<(u32, u32)>,
    folder: PathBuf,
    settings: Vec<String>,
    /// A command that runs the server: `strace …`.
    under: Vec<String>,
    running: Option<Running>,
    port: u16,
    pub(crate) certificates: DevCerts,
}

struct Running {
    shell: Child,
    log: watch::Receiver<Vec<String>>,
}

/// A database of its own.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Database {
    pub(crate) fn url(&self) -> String {
        self.url_at(SocketAddr::from(([127, 0, 0, 1], self.port)))
    }

    /// The same through a proxy.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        let name = &self.name;
        format!("postgres://{USER}:{PASSWORD}@{address}/{name}")
    }

    /// A connection past the ledger, as the one who owns the server.
    pub(crate) fn by_hand(&self) -> ByHand {
        ByHand::connect(&self.url())
    }
}

/// Statements by hand, over a connection on a thread of its own: a test may run on a runtime, in which
/// no other can be waited for. Blocks.
pub(crate) struct ByHand(Sender<Asked>);

/// A statement, and where its answer goes.
type Asked = (String, Sender<Result<Vec<String>, String>>);

impl ByHand {
    fn connect(url: &str) -> Self {
        let url = url.to_owned();
        let (jobs, asked) = channel::<Asked>();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                while let Ok((sql, answer)) = asked.recv() {
                    let answered = client.simple_query(&sql).await;
                    let texts = answered.map(|rows| rows.iter().filter_map(text).collect());
                    drop(answer.send(texts.map_err(|error| said(&error))));
                }
            });
        });
        Self(jobs)
    }

    fn ask(&self, sql: &str) -> Result<Vec<String>, String> {
        let (answer, answered) = channel();
        self.0.send((sql.to_owned(), answer)).unwrap();
        answered.recv().unwrap()
    }

    /// Runs statements.
    pub(crate) fn run(&self, sql: &str) -> Result<(), String> {
        self.ask(sql).map(|_| ())
    }

    /// The first column of all rows, as text.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        self.ask(sql).unwrap()
    }
}

fn text(answer: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = answer else {
        return None;
    };
    row.get(0).map(ToOwned::to_owned)
}

fn said(error: &tokio_postgres::Error) -> String {
    let text = error.as_db_error().map(|error| error.message().to_owned());
    text.unwrap_or_else(|| error.to_string())
}

/// The server that all tests share; `None` where there is none to be had.
pub(crate) fn postgres(test: &str) -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Postgres::start(&[]));
    if shared.is_none() {
        skipped(test, "PostgreSQL");
    }
    shared.as_ref()
}

/// A server of one's own; `None` where there is none to be had.
pub(crate) fn own_postgres(test: &str, settings: &[&str]) -> Option<Postgres> {
    let own = Postgres::start(settings);
    if own.is_none() {
        skipped(test, "PostgreSQL");
    }
    own
}

impl Postgres {
    fn start(settings: &[&str]) -> Option<Self> {
        // a socket's path has to be short
        let folder = TempDir::with_prefix_in("wg-pg-", "/tmp").unwrap();
        Self::start_in(folder.keep(), settings)
    }

    /// A server that a command runs: `strace …`.
    pub(crate) fn start_under(command: &[&str]) -> Option<Self> {
        let folder = TempDir::with_prefix_in("wg-pg-", "/tmp").unwrap();
        let mut server = Self::new(folder.keep(), &[])?;
        server.under = command.iter().map(|word| (*word).to_owned()).collect();
        server.prepare();
        server.run_at_a_free_port();
        Some(server)
    }

    /// A server in a folder that is there, and that goes with it.
    pub(crate) fn start_in(folder: PathBuf, settings: &[&str]) -> Option<Self> {
        let mut server = Self::new(folder, settings)?;
        server.prepare();
        server.run_at_a_free_port();
        Some(server)
    }

    fn new(folder: PathBuf, settings: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let user = user_for(&folder);
        let certificates = tls::dev_ca(SystemClock.now()).unwrap();
        let server = Self {
            programs,
            user,
            folder,
            under: Vec::new(),
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
            running: None,
            port: 0,
            certificates,
        };
        Some(server)
    }

    fn run_at_a_free_port(&mut self) {
        while self.running.is_none() {
            // another process may take the port first
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            self.port = free.local_addr().unwrap().port();
            drop(free);
            self.run();
        }
    }

    fn as_user(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let Some((user, group)) = self.user else {
            return Command::new(program);
        };
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={group}")])
            .arg("--clear-groups")
            .arg(program);
        command
    }

    fn prepare(&self) {
        let password = self.write("password", PASSWORD);
        self.write("server.pem", &self.certificates.cert);
        self.write("server.key", &self.certificates.key);
        self.write("ca.pem", &self.certificates.ca);
        let made = self
            .as_user("initdb")
            .args(["--encoding=UTF8", "--no-locale", "--auth=scram-sha-256"])
            .args(["--no-sync", "--wal-segsize=1", "--username", USER])
            .arg(format!("--pwfile={}", password.display()))
            .arg("-D")
            .arg(self.folder.join("data"))
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// A file that the server reads.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;

        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.user {
            chown(&path, Some(user), Some(group)).unwrap();
        }
        path
    }

    /// The CA of the server's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Runs the server and waits until it takes connections; it may not, and end.
    fn run(&mut self) {
        let folder = self.folder.display().to_string();
        let server = self.as_user("postgres");
        let mut words: Vec<OsString> = self.under.iter().map(OsString::from).collect();
        words.push(server.get_program().to_owned());
        words.extend(server.get_args().map(ToOwned::to_owned));
        let port = format!("port={}", self.port);
        let sockets = format!("unix_socket_directories={folder}");
        let certificate = format!("ssl_cert_file={folder}/server.pem");
        let key = format!("ssl_key_file={folder}/server.key");
        let fixed = [
            &port,
            "listen_addresses=127.0.0.1",
            &sockets,
            &certificate,
            &key,
            "ssl=on",
            "max_connections=300",
            "lc_messages=C",
            "shared_buffers=16MB",
            "min_wal_size=2MB",
            "max_wal_size=64MB",
        ];
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh", &folder]).args(words);
        shell.arg("-D").arg(self.folder.join("data"));
        for setting in fixed
            .iter()
            .copied()
            .chain(self.settings.iter().map(String::as_str))
        {
            shell.args(["-c", setting]);
        }
        let mut shell = shell
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // what ends the tests from a terminal leaves it to tidy up
            .process_group(0)
            .spawn()
            .unwrap();
        let (write, log) = watch::channel(Vec::new());
        let lines = BufReader::new(shell.stderr.take().unwrap()).lines();
        let (ready, begun) = channel();
        let mut ready = Some(ready);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let begun = line.contains("ready to accept connections");
                if (begun || line.contains("the server has ended"))
                    && let Some(ready) = ready.take()
                {
                    ready.send(begun).unwrap();
                }
                write.send_modify(|log: &mut Vec<String>| log.push(line));
            }
        });
        if begun.recv() == Ok(true) {
            self.running = Some(Running { shell, log });
        } else {
            end(shell, true);
        }
    }

    /// A new database.
    pub(crate) fn database(&self, test: &str) -> Database {
        self.database_with(test, "")
    }

    /// A new database with options of its own.
    pub(crate) fn database_with(&self, test: &str, options: &str) -> Database {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let short: String = test.chars().take(40).collect();
        let database = Database {
            name: format!("{short}_{number}"),
            port: self.port,
        };
        let all = Database {
            name: "postgres".into(),
            port: self.port,
        };
        let make = format!("CREATE DATABASE \"{}\" {options}", database.name);
        all.by_hand().run(&make).unwrap();
        database
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// kill -9 of the server; it stays down.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        let running = self.running.take().unwrap();
        end(running.shell, true);
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.said("the server has ended") > 0
    }

    /// How many lines of its log hold this, since it was run.
    pub(crate) fn said(&self, text: &str) -> usize {
        let log = self.running.as_ref().unwrap().log.borrow();
        log.iter().filter(|line| line.contains(text)).count()
    }

    /// Starts a server that ended, however long its last processes take to end.
    pub(crate) fn start_again(&mut self) {
        if let Some(running) = self.running.take() {
            end(running.shell, true);
        }
        while self.running.is_none() {
            self.run();
        }
    }

    /// A signal to the server's first process.
    pub(crate) fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        send(name, &pid);
    }

    /// kill -9 of one of its processes, after which it starts anew by itself.
    pub(crate) fn kill_process(&self, pid: &str) {
        send("KILL", pid);
    }

    /// Returns once the server has taken connections so many times since it was run.
    pub(crate) async fn ready_times(&self, times: usize) {
        let mut log = self.running.as_ref().unwrap().log.clone();
        let ready = |line: &&String| line.contains("ready to accept connections");
        log.wait_for(|log| log.iter().filter(ready).count() >= times)
            .await
            .unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            end(running.shell, false);
        } else {
            drop(std::fs::remove_dir_all(&self.folder));
        }
    }
}

/// Ends a server that runs, and waits for it.
fn end(mut shell: Child, keep: bool) {
    let mut input = shell.stdin.take().unwrap();
    if keep {
        input.write_all(b"keep\n").unwrap();
    }
    drop(input);
    shell.wait().unwrap();
}

fn send(name: &str, pid: &str) {
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, pid])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// The folder of the server's programs: on the path, else where Debian puts the newest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        std::cmp::Reverse(name.and_then(|name| name.parse::<u32>().ok()))
    });
    folders.extend(versions.iter().map(|version| version.join("bin")));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// A user without rights where we are root, who gets the folder: PostgreSQL refuses to run as root.
fn user_for(folder: &Path) -> Option<(u32, u32)> {
    let uid = std::fs::metadata(folder).unwrap().uid();
    if uid != 0 {
        return None;
    }
    let id = |option: &str, user: &str| -> Option<u32> {
        let id = Command::new("id").args([option, user]).output().ok()?;
        String::from_utf8(id.stdout).ok()?.trim().parse().ok()
    };
    let of = |user: &str| Some((id("-u", user)?, id("-g", user)?));
    let user = of("postgres").or_else(|| of("nobody")).unwrap();
    chown(folder, Some(user.0), Some(user.1)).unwrap();
    Some(user)
}
