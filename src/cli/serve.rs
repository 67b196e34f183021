//! `serve`: the routes of a configuration, until TERM or INT.

use clap::Args;

use super::{ConfigArguments, Context, Exit, Failure};
use crate::config::Mode;
use crate::rules;
use crate::serve::{self, ServeError};
use crate::server::Trigger;
use crate::telemetry::{self, LogFormat};

/// Serve the routes of a configuration
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    telemetry::init(arguments.log_format).map_err(|error| Failure::Refused(error.to_string()))?;
    let config = arguments.config.load(context.env)?;
    let rules = rules::proven(&config).map(|proven| proven.rules);
    let opened = serve::open(config, rules)?;
    let config = &opened.app().config;
    for (route, address) in config.routes.iter().zip(opened.addresses()) {
        tracing::info!(route = %route.name, %address, upstream = %route.upstream, "listening");
        if route.mode == Mode::Observe {
            tracing::warn!(route = %route.name, "observes: verdicts and limits are recorded, not enforced");
        }
        if route.release_credential.is_none() {
            tracing::warn!(
                route = %route.name,
                "no release_credential: cannot revert, and a release without a broker's credential \
                 waits for the agent's next repeat"
            );
        }
    }
    if let Ok(address) = opened.admin_address() {
        tracing::info!(%address, "operators");
    }
    let drained = opened.run(&Trigger::new())?;
    if drained.connections > 0 || drained.tasks > 0 {
        tracing::warn!(
            connections = drained.connections,
            writes = drained.tasks,
            "cut off when the grace was over"
        );
    }
    Ok(Exit::Done)
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(what) => Self::Rules(what),
            ServeError::Start(what) => Self::Refused(what),
        }
    }
}
