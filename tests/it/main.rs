//! Integration tests, one binary; files are named after what is promised.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may fail loudly"
)]

mod answers;
mod broker;
mod budgets;
mod bulk;
mod chain;
mod cli;
mod clients;
mod config;
mod control_contract;
mod control_twin;
mod corpora;
mod crash;
mod demo;
mod exports;
mod fleet;
mod framing;
mod hang_up;
mod hidden_fields;
mod holds;
mod honest_outcomes;
mod hubspot_types;
mod hubspot_vectors;
mod in_doubt;
mod journal_first;
mod judged_is_sent;
mod kill_switch;
mod ledger_contract;
mod limits_at_run_time;
mod link_rewriting;
mod login;
mod metrics;
mod mtls;
mod named_operations;
mod nested_writes;
mod observe;
mod packs;
mod passthrough;
mod readme;
mod record_locks;
mod redis_faults;
mod redis_fleet;
mod redis_lost;
mod redis_serve;
mod redis_state;
mod reload;
mod restart;
mod revert;
mod rules_push;
mod salesforce_forms;
mod salesforce_types;
mod salesforce_vectors;
mod sandbox;
mod schema;
mod secrets;
mod server;
mod shared_ledger;
mod shutdown;
mod slow_arrivals;
mod soap;
mod support;
mod tidy;
mod unavailable;
mod unknown_is_opaque;
mod upstream_hosts;
mod without_prior_values;
