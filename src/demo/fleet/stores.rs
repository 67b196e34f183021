//! The stores of a fleet: a Redis and a PostgreSQL of its own, from what the system has installed, on free
//! ports of this machine, in folders of their own.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;

/// Another program may take a port that was free a moment ago; then the next one is tried.
const TRIES: usize = 5;
/// Its owner, in PostgreSQL.
const OWNER: &str = "writegate";

/// Both, running.
#[derive(Debug)]
pub(super) struct Stores {
    // in the order in which they end
    _redis: Process,
    _postgres: Process,
    _folder: Home,
    /// The lines of a configuration that name them.
    pub(super) lines: String,
}

/// A folder that goes when it is dropped.
#[derive(Debug)]
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the demo's folder stays behind");
        }
    }
}

impl Stores {
    /// Starts them. `name` is nobody else's; `secret` is PostgreSQL's password. Blocks.
    pub(super) fn start(logs: &Path, name: &str, secret: &str) -> Result<Self, String> {
        let (redis, redis_port) = at_a_free_port(|port| redis(logs, port))?;
        let programs = programs().ok_or(
            "PostgreSQL is not installed: a fleet needs `initdb` and `postgres`, on the path or where \
             Debian puts them (apt-get install postgresql)",
        )?;
        let failed = |error: io::Error| format!("the demo's files: {error}");
        let path = std::env::temp_dir().join(format!("writegate-demo-{name}-postgres"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let folder = Home(path);
        let user = user_for(&folder.0).map_err(failed)?;
        let server = Server {
            programs,
            user,
            data: folder.0.join("data"),
        };
        server.prepare(&folder.0, secret)?;
        let (postgres, port) = at_a_free_port(|port| server.run(logs, port))?;
        let lines = format!(
            "control: redis://127.0.0.1:{redis_port}\n\
             ledger: postgres://{OWNER}:{secret}@127.0.0.1:{port}/postgres?sslmode=disable\n"
        );
        Ok(Self {
            _redis: redis,
            _postgres: postgres,
            _folder: folder,
            lines,
        })
    }
}

fn at_a_free_port(
    start: impl Fn(u16) -> Result<Process, String>,
) -> Result<(Process, u16), String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        match start(port) {
            Ok(process) => return Ok((process, port)),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn redis(logs: &Path, port: u16) -> Result<Process, String> {
    if !on_the_path("redis-server") {
        return Err(
            "redis-server is not installed: a fleet needs one (apt-get install redis-server)"
                .into(),
        );
    }
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(logs);
    let log = logs.join("redis.log");
    let process = Process::start(("redis-server", "TERM"), &command, &log)?;
    process.until(|line| line.contains("Ready to accept"))?;
    Ok(process)
}

fn on_the_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// PostgreSQL's programs and what they work on.
struct Server {
    programs: PathBuf,
    /// Whom it runs as, where we are root: it refuses to run as root.
    user: Option<(u32, u32)>,
    data: PathBuf,
}

impl Server {
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={user}"), format!("--regid={group}")])
                    .arg("--clear-groups")
                    .arg(program);
                command
            }
        };
        command.arg("-D").arg(&self.data);
        command
    }

    /// Makes its files.
    fn prepare(&self, folder: &Path, secret: &str) -> Result<(), String> {
        let failed = |error: io::Error| format!("initdb: {error}");
        let password = folder.join("password");
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&password).map_err(failed)?;
        file.write_all(secret.as_bytes()).map_err(failed)?;
        if let Some((user, group)) = self.user {
            chown(&password, Some(user), Some(group)).map_err(failed)?;
        }
        let made = self
            .command("initdb")
            .args(["--encoding=UTF8", "--no-locale", "--auth=scram-sha-256"])
            .args(["--username", OWNER])
            .arg(format!("--pwfile={}", password.display()))
            .current_dir("/")
            .output()
            .map_err(failed)?;
        match made.status.success() {
            true => Ok(()),
            false => Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))),
        }
    }

    /// Runs it, and returns when it takes connections.
    fn run(&self, logs: &Path, port: u16) -> Result<Process, String> {
        let mut command = self.command("postgres");
        let port = format!("port={port}");
        for setting in [
            &port,
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "lc_messages=C",
        ] {
            command.args(["-c", setting]);
        }
        let log = logs.join("postgres.log");
        let process = Process::start(("postgres", "INT"), &command, &log)?;
        process.until(|line| line.contains("ready to accept connections"))?;
        Ok(process)
    }
}

/// The folder of PostgreSQL's programs: on the path, else where Debian puts the newest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
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

/// A user without rights where we are root, who gets the folder.
fn user_for(folder: &Path) -> io::Result<Option<(u32, u32)>> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let id = |option: &str, user: &str| -> Option<u32> {
        let id = Command::new("id").args([option, user]).output().ok()?;
        String::from_utf8(id.stdout).ok()?.trim().parse().ok()
    };
    let of = |user: &str| Some((id("-u", user)?, id("-g", user)?));
    let user = of("postgres").or_else(|| of("nobody"));
    let user = user.ok_or_else(|| io::Error::other("there is no user for PostgreSQL to run as"))?;
    chown(folder, Some(user.0), Some(user.1))?;
    Ok(Some(user))
}
