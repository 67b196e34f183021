//! Integration tests, one binary; files are named after what is promised.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may fail loudly"
)]

mod cli;
mod config;
mod control_contract;
mod demo;
mod framing;
mod hidden_fields;
mod ledger_contract;
mod passthrough;
mod revert;
mod sandbox;
mod server;
mod support;
mod tidy;
