//! `writegate demo`: the sandbox CRM, the proxy before it, and a scripted agent whose steps tell a story
//! and check themselves. One process, one folder for temporary files, nothing outside this machine.
//!
//! ```text
//! folder   configuration, rules, certificates, ledger, as a user would have them
//! house    sandbox CRM + two routes with TLS + operators' side
//! tour     scenes: what the agent sends and sees, what operators run, what the ledger says, what the CRM saw
//! ending   how to point an SDK, and the other verbs, at what is running
//! turn     one write that is left for whoever watches to decide
//! fleet    two replicas in processes of their own, on a Redis and a PostgreSQL of their own
//! ```

mod cast;
mod client;
mod ending;
pub mod fleet;
mod folder;
mod house;
mod paper;
mod scene;
mod tour;
mod turn;
mod verbs;

use std::io;

use tokio::runtime;
use tokio::task::JoinError;

use crate::serve::{Opened, ServeError};
use crate::server::Trigger;
use house::House;

pub use paper::Paper;
pub use verbs::{Said, Verbs};

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Something it needs could not be made: a file, a certificate, a thread.
    #[error("{0}")]
    Start(String),
    /// The proxy could not be opened, or ended by itself.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The story could not be written.
    #[error("cannot write the story: {0}")]
    Output(#[from] io::Error),
}

/// How a demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every step did what it says.
    AsTold,
    /// A step did something else.
    Otherwise,
    /// A signal came before the tour was over.
    Interrupted,
}

/// Tells the story on `paper`, in which operators run `verbs`; with `stay` the proxy then runs until
/// TERM or INT. Blocks.
///
/// # Errors
/// [`DemoError`]; that a step does something else is no error but [`Ended::Otherwise`].
pub fn run(paper: &mut Paper<'_>, stay: bool, verbs: Verbs) -> Result<Ended, DemoError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DemoError::Start(format!("cannot start a runtime: {error}")))?;
    let (house, opened) = House::build(&runtime, verbs)?;
    runtime.block_on(serve(&house, opened, paper, stay))
}

/// Serves while the story is told; the sandbox answers on this runtime until the proxy has drained.
async fn serve(
    house: &House,
    opened: Opened,
    paper: &mut Paper<'_>,
    stay: bool,
) -> Result<Ended, DemoError> {
    let trigger = Trigger::new();
    let pulled = trigger.clone();
    let serving = tokio::task::spawn_blocking(move || opened.run(&pulled));
    let told = tell(house, &trigger, paper, stay).await;
    trigger.pull();
    let broken = |error: JoinError| DemoError::Start(format!("the proxy's thread: {error}"));
    serving.await.map_err(broken)??;
    told
}

async fn tell(
    house: &House,
    trigger: &Trigger,
    paper: &mut Paper<'_>,
    stay: bool,
) -> Result<Ended, DemoError> {
    let mut shutdown = trigger.shutdown();
    let ended = tokio::select! {
        ended = tour::run(house, paper) => ended?,
        () = shutdown.started() => return Ok(Ended::Interrupted),
    };
    if !stay {
        ending::farewell(paper)?;
        return Ok(ended);
    }
    ending::pointers(house, paper)?;
    let left = turn::leave(house, paper).await?;
    paper.flush()?;
    shutdown.started().await;
    Ok(if left { ended } else { Ended::Otherwise })
}
