//! One binary for all integration tests.

mod framing;
mod server;
