//! Integration tests, one binary; files are named after what is promised.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may fail loudly"
)]

mod answers;
mod cli;
mod config;
mod control_contract;
mod corpora;
mod framing;
mod journal_first;
mod judged_is_sent;
mod passthrough;
mod sandbox;
mod server;
mod support;
mod tidy;
mod unknown_is_opaque;
mod upstream_hosts;
