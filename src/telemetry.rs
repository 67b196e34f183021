//! Logs, to standard error: JSON lines for programs, coloured text for people.
//!
//! What a log line may hold:
//! - A readable sentence and fields beside it. Dotted names (`upstream.status`), units in names
//!   (`took_ms`). One event for each request, made where the request ends; a failure is logged once,
//!   where it is handled.
//! - Never a secret: no token, cookie, password, key or login body, not even in part. A credential
//!   appears as its fingerprint (`config::Fingerprint`). `config::Secret` cannot be printed.
//! - Never a value of a record: those go to the ledger alone. Objects, field names and record ids may
//!   stand.
//! - Never a whole request target: HubSpot has tokens in paths, jsforce puts one in the query. The
//!   class of the path may stand, the query may not.
//! - Never a whole header list or body, of either side.
//! - What a client sent and may stand (a claim, a host) is data, never the sentence: the formatters
//!   escape control characters in fields.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged unless `WRITEGATE_LOG` or `RUST_LOG` says otherwise.
const DEFAULT: &str = "info,hyper=warn,rustls=warn,tokio=warn";

/// The same beside a story on standard output, which tells of refusals and switches itself.
const QUIET: &str = "warn,writegate::proxy=error";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter that cannot be read.
    #[error("{variable} is not a log filter such as `info` or `writegate=debug`")]
    Filter {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A second set-up.
    #[error("logging is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up logging for the process, once.
///
/// # Errors
/// [`TelemetryError`] for a filter that cannot be read, or a second call.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    init_at(DEFAULT, format)
}

/// The same for `demo`: only what goes wrong is logged.
///
/// # Errors
/// As [`init`].
pub fn init_quietly(format: LogFormat) -> Result<(), TelemetryError> {
    init_at(QUIET, format)
}

fn init_at(default: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (ours, usual) = (set("WRITEGATE_LOG"), set("RUST_LOG"));
    let filter = filter(ours.as_deref(), usual.as_deref(), default)?;
    let look = Look::choose(
        format,
        io::stderr().is_terminal(),
        set("NO_COLOR").is_some(),
    );
    let subscriber = subscriber(look, filter, io::stderr);
    subscriber.try_init().map_err(TelemetryError::Twice)
}

/// Our own variable before the usual one before the default.
fn filter(
    ours: Option<&str>,
    usual: Option<&str>,
    default: &str,
) -> Result<EnvFilter, TelemetryError> {
    let (variable, text) = match (ours, usual) {
        (Some(text), _) => ("WRITEGATE_LOG", text),
        (None, Some(text)) => ("RUST_LOG", text),
        (None, None) => ("the default", default),
    };
    EnvFilter::try_new(text).map_err(|source| TelemetryError::Filter { variable, source })
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Json,
    Text { colour: bool },
}

impl Look {
    fn choose(format: LogFormat, terminal: bool, no_colour: bool) -> Self {
        let text = Self::Text {
            colour: terminal && !no_colour,
        };
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => text,
            LogFormat::Auto if terminal => text,
            LogFormat::Auto => Self::Json,
        }
    }
}

fn subscriber<W>(look: Look, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // An error of the writer would be told on standard error, and where that is what broke, the thread
    // that wanted to log would panic: a log that nobody reads must stop nothing.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false);
    match look {
        Look::Json => Box::new(
            builder
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .finish(),
        ),
        Look::Text { colour } => Box::new(builder.with_ansi(colour).finish()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(look: Look, ours: Option<&str>, event: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = {
            let lines = lines.clone();
            move || lines.clone()
        };
        let subscriber = subscriber(look, filter(ours, None, DEFAULT).unwrap(), writer);
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    #[test]
    fn the_look_follows_the_terminal_unless_it_is_chosen() {
        let text = |colour| Look::Text { colour };
        assert_eq!(Look::choose(LogFormat::Auto, true, false), text(true));
        assert_eq!(Look::choose(LogFormat::Auto, true, true), text(false));
        assert_eq!(Look::choose(LogFormat::Auto, false, false), Look::Json);
        assert_eq!(Look::choose(LogFormat::Text, false, false), text(false));
        assert_eq!(Look::choose(LogFormat::Json, true, false), Look::Json);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "our own log line")]
    fn a_json_line_is_one_object_with_the_fields_beside_the_message() {
        let line = logged(Look::Json, None, || {
            tracing::info!(claim = "a\n\"b\u{1b}[31m", "one\tevent");
        });
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["message"], "one\tevent");
        assert_eq!(object["claim"], "a\n\"b\u{1b}[31m");
        assert_eq!(object["level"], "INFO");
    }

    #[test]
    fn text_without_colour_holds_no_escape_even_from_a_field() {
        let line = logged(Look::Text { colour: false }, None, || {
            tracing::warn!(claim = "x\u{1b}[31m", "event");
        });
        assert!(
            line.contains("WARN") && !line.contains('\u{1b}'),
            "{line:?}"
        );
    }

    #[test]
    fn our_variable_wins_and_a_bad_filter_is_named() {
        let quiet = logged(Look::Json, Some("error"), || tracing::info!("hidden"));
        assert_eq!(quiet, "");
        let error = filter(Some("a=b=c"), Some("info"), DEFAULT).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("WRITEGATE_LOG is not a log filter"),
            "{error}"
        );
    }
}
