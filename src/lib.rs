//! Writegate: a transparent reverse proxy between AI agents and the CRM (Salesforce, HubSpot).
//!
//! An agent keeps its SDK and its code; only its base URL changes. Reads stream through. Every write is
//! parsed into record and field changes, judged by rules, limited, snapshotted, recorded and forwarded.
//!
//! # Where things are
//!
//! | room | modules |
//! |---|---|
//! | the door | `main`, `cli`, [`config`], [`schema`], [`app`], [`server`], [`tls`], [`telemetry`], [`metrics`] |
//! | the data path | [`proxy`] (start here), [`upstream`]; the CRM credentials of our own: [`credential`] |
//! | the language | [`mutation`], [`error`], [`crm`], [`clock`] |
//! | the judgement | [`policy`], [`gate`]; loaded and proven by their cases: [`rules`], [`request`], [`reload`], [`push`]; the CRM's own quota: [`quota`] |
//! | the memory | [`control`], [`journal`], [`ledger`]; limits set at run time: [`limits`]; what other replicas write: [`follow`]; what logins brought: [`learned`] |
//! | second thoughts | [`snapshot`], [`digest`], [`hold`], [`doubt`], [`revert`] |
//! | the operators' side | [`admin`] |
//! | a CRM to try things on | [`sandbox`], [`demo`] |
//!
//! | to… | open |
//! |---|---|
//! | support another endpoint | `crm/<name>/families…` (what a path can do; `coverage` is made from it too), then the parser beside it |
//! | understand another SOAP operation | `crm/salesforce/soap/operation.rs`, then the parser beside it; answers: `reply/soap.rs` |
//! | take another step of bulk jobs | `crm/salesforce/bulk.rs`, then `proxy/write/job.rs`; the record: `journal/job.rs` |
//! | learn what became of a job's rows | `crm/salesforce/bulk/results.rs`; when it is asked: `proxy/jobs.rs` |
//! | add a condition to rules | `policy/`, the only place that knows JSONPath |
//! | change who may decide a hold | `hold/people.rs`; what counts as drift: `hold/drift.rs` |
//! | change what a caller is told | `proxy/words.rs` (words), `crm/<name>/reply.rs` (envelope) |
//! | get a credential in another way | `config/source.rs`, then `credential/grant.rs` |
//! | add a store | a file under `control/` or `ledger/`, one line in the contract suite in `tests/it` |
//! | teach a revert another way back | `crm/<name>/inverse.rs`, then `revert/deed.rs` |
//! | pass another login on | `crm/<name>/login.rs`, then `proxy/login.rs` |
//! | rewrite an address in another answer | `crm/<name>/login.rs` (its place), `proxy/links.rs` |
//! | change the order of things | `proxy.rs` and `proxy/write.rs`, and the list below |
//!
//! # The life of a write
//!
//! ```text
//! server            strict HTTP/1.1 framing, TLS, limits, timeouts
//!   proxy::handle   the clock is read once; a refusal becomes the CRM's own error shape
//!     proxy::run
//!       1 route and actor      every identity names one service account; one canonical path (of a SOAP
//!                              message: once its body is collected, which then loses its session)
//!       2 crm.classify         Read → streamed | Auth | Write(shape) | Opaque
//!         kill switch          before the body is read
//!       3 body::collect        bounded; gzip and deflate undone, one member
//!       4 crm.parse            bytes → ChangeSet (empty: a read after all, streamed); two readings →
//!                              refused; doubt → Opaque
//!         the same again       under way → its answer; in doubt → refused; settled → its answer
//!       5 policy.evaluate      verdict, or NeedsPrior → locks, snapshot::take, evaluate again
//!       6 gate::decide         switches, all charges, locks in one step → Permit, hold or refusal
//!       7 snapshot::take       if not taken yet
//!       8 journal.open         durable before anything is sent → Journaled
//!       9 upstream.send        last look at the switches, then one dispatch; detached
//!      10 crm.outcome          per record: done, failed, unknown
//!      11 journal.close        retried; what a crash leaves open is swept at the next start
//!      12 reply                as it came
//! ```
//!
//! The types carry that order: [`upstream::Upstream::send`] takes a [`journal::Journaled`], which only
//! [`journal::Journal::open`] makes from a [`gate::Permit`], which only [`gate::decide`] makes. There is
//! one door to the CRM for writes.
//!
//! # Who may know whom
//!
//! `mutation`, `error` and `clock` know nobody. `policy`, `crm`, `control` and `ledger` know those and
//! never each other; `policy` and `crm` do no I/O. `gate` knows policy and control, `journal` knows gate
//! and ledger, `hold` knows policy, control and ledger, `upstream` knows journal and credential, `snapshot` knows crm
//! and upstream, `doubt` knows these and the app, `proxy` knows all of these, `revert` those and proxy.
//! `admin` knows proxy, revert, ledger and control; `server` knows proxy and admin. A test reads the `use`
//! lines (`tests/it/tidy.rs`).

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod credential;
pub mod crm;
pub mod demo;
pub mod digest;
pub mod doubt;
pub mod error;
pub mod follow;
pub mod gate;
pub mod hold;
pub mod journal;
pub mod learned;
pub mod ledger;
pub mod limits;
pub mod metrics;
pub mod mutation;
pub mod policy;
pub mod proxy;
pub mod push;
pub mod quota;
pub mod reload;
pub mod request;
pub mod revert;
pub mod rules;
pub mod sandbox;
pub mod schema;
pub mod serve;
pub mod server;
pub mod snapshot;
pub mod telemetry;
pub mod tls;
pub mod upstream;
