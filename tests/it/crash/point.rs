//! A point in the life of the program: the N-th call of a kind, on the way into which strace kills it, or
//! which fails.

use std::fmt;

/// Kinds of calls: what is made durable and written to disk, what is sent and read.
pub(super) const CALLS: [&str; 5] = [SYNCS, WRITES, SENDS, READS, "connect,accept4"];
pub(super) const SYNCS: &str = "fsync,fdatasync";
pub(super) const WRITES: &str = "pwrite64";
const READS: &str = "recvfrom,readv,recvmsg";
const SENDS: &str = "sendto,writev,sendmsg";

/// The calls of each thread are counted apart, and the first one that comes to the number is hit. For
/// the calls of a thread not to be hidden by those of another one, it gets so many more before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    Nobody,
    /// The operators' side.
    Desk,
    /// The routes.
    Agents,
}

/// So many requests; no other thread makes as many calls.
pub(super) const AHEAD: usize = 25;

impl Ahead {
    /// The first call that can be of interest: a request takes three reads, of which one finds nothing,
    /// and one send; an agent's one more to the CRM.
    pub(super) fn first(self, calls: &str) -> usize {
        let each = match (self, calls) {
            (Self::Nobody, _) => return 1,
            (_, READS) => 3,
            (Self::Agents, SENDS) => 2,
            (Self::Desk | Self::Agents, _) => 1,
        };
        AHEAD * each
    }
}

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Kill,
    /// The disk is broken.
    Error,
}

/// A point in the life of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) calls: &'static str,
    pub(super) at: usize,
    pub(super) ahead: Ahead,
    pub(super) what: What,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calls,
            at,
            ahead,
            what,
        } = self;
        write!(f, "{what:?} at {at} of {calls}")?;
        match ahead {
            Ahead::Nobody => Ok(()),
            Ahead::Desk | Ahead::Agents => write!(f, ", {ahead:?} ahead"),
        }
    }
}

impl Point {
    pub(super) fn kill(calls: &'static str, at: usize) -> Self {
        Self {
            calls,
            at,
            ahead: Ahead::Nobody,
            what: What::Kill,
        }
    }

    pub(super) fn error(calls: &'static str, at: usize) -> Self {
        Self {
            what: What::Error,
            ..Self::kill(calls, at)
        }
    }

    /// The command that runs the program.
    pub(super) fn under(&self) -> Vec<String> {
        let (calls, at) = (self.calls, self.at);
        let trace = format!("trace={calls}");
        let what = match self.what {
            What::Kill => "signal=SIGKILL",
            What::Error => "error=EIO",
        };
        let inject = format!("inject={calls}:{what}:when={at}");
        // on one processor there is one worker
        let processors = processors();
        let on = &processors[at % processors.len()];
        let quiet = ["-f", "-qq", "-o", "/dev/null"];
        let under = ["taskset", "-c", on, "strace"].into_iter();
        let words = under.chain(quiet).chain(["-e", &trace, "-e", &inject]);
        words.map(str::to_owned).collect()
    }
}

/// The processors that this process may use: `0-1,4` and the like.
fn processors() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.unwrap().trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let [first, last] = [first, last].map(|number| number.parse::<usize>().unwrap());
        first..=last
    });
    ranges.map(|number| number.to_string()).collect()
}
