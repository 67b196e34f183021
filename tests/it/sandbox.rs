//! The built-in CRM: the surface that the proxy and the SDKs rely on, over real sockets.

mod client;
mod faults;
mod hubspot;
mod salesforce;
mod salesforce_reads;

use std::net::SocketAddr;
use std::sync::Arc;

use writegate::clock::ManualClock;
use writegate::sandbox::{Options, Running, Sandbox, Token, seed};

use client::Client;

/// A sandbox whose clock stands still an hour after the seed data, and a client for it.
async fn started() -> (Running, Client, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(seed::founded()));
    clock.advance_ms(3_600_000);
    let mut options = Options::with_token("good");
    options.clock = clock.clone();
    options.query_page = 5;
    options
        .tokens
        .push(Token::new("blind").without("Account", "AnnualRevenue"));
    let running = Sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0)), options)
        .await
        .unwrap();
    let client = Client::new(running.addr, "good");
    (running, client, clock)
}
