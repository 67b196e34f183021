//! A program beside the demo, which ends when the demo does, however that ends.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// Runs a program until its own standard input ends, which it does with whoever started it; then the
/// program gets a signal. Nobody waits for more once the program has ended.
const SHELL: &str = r#"
signal=$1; shift
exec 3<&0
"$@" 3<&- </dev/null 2>&1 &
program=$!
{ read -r _ <&3; kill -s "$signal" "$program"; } >/dev/null 2>&1 &
watch=$!
wait "$program"
kill "$watch" 2>/dev/null
"#;

/// A program that runs.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    shell: Child,
    lines: Receiver<String>,
    reading: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it; what it says goes to a file. It ends with the signal.
    pub(super) fn start(
        (name, signal): (&str, &str),
        command: &Command,
        log: &Path,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{name} cannot be started: {error}");
        let mut log = std::fs::File::create(log).map_err(failed)?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SHELL, "sh", signal])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        let mut shell = shell
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the demo alone, which ends the others in their order
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let out = shell.stdout.take().ok_or("no standard output")?;
        let (hand_over, lines) = channel();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if writeln!(log, "{line}").is_err() {
                    tracing::debug!("the demo's folder is full");
                }
                // nobody reads on once it is ready
                drop(hand_over.send(line));
            }
        });
        Ok(Self {
            name: name.to_owned(),
            shell,
            lines,
            reading: Some(reading),
        })
    }

    /// Reads what it says until that is enough.
    ///
    /// # Errors
    /// What it said last, when it ends before.
    pub(super) fn until(&self, mut enough: impl FnMut(&str) -> bool) -> Result<(), String> {
        let mut last = String::new();
        for line in &self.lines {
            if enough(&line) {
                return Ok(());
            }
            last = line;
        }
        Err(format!("{} ended: {last}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            tracing::warn!(%error, name = %self.name, "its end is not known");
        }
        if let Some(reading) = self.reading.take()
            && reading.join().is_err()
        {
            tracing::warn!(name = %self.name, "what it said is not read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &tempfile::TempDir) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(("it", "TERM"), &command, &folder.path().join("log")).unwrap()
    }

    #[test]
    fn it_ends_by_its_signal_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit' TERM; echo here; while :; do sleep 0.1; done";
        let process = shell(script, &folder);
        process.until(|line| line == "here").unwrap();
        drop(process);
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log, "here\nbye\n");
    }

    #[test]
    fn one_that_ends_by_itself_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell("echo no port is free >&2", &folder);
        let ended = process.until(|line| line == "here");
        assert_eq!(ended, Err("it ended: no port is free".into()));
    }
}
