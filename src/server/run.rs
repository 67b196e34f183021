//! Runs a server: one thread and one current-thread runtime for each worker, until a drain is over.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::accept::{self, Lobby};
use super::bind::Bound;
use super::drain::{Inflight, Shutdown, Trigger};
use super::{Handler, Settings};

/// What a drain had to cut when its grace was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a request under way.
    pub connections: usize,
    /// Detached tasks.
    pub tasks: usize,
}

impl Bound {
    /// Serves until `trigger` is pulled and the drain is over; blocks the calling thread. `make` is
    /// called once on each worker thread, inside its runtime, with the worker's number. A worker that
    /// ends pulls the trigger, so that a server is never left with a part of its workers.
    ///
    /// The drain stops accepting, finishes requests under way and waits for all of `inflight`, at
    /// most for the grace.
    ///
    /// # Errors
    /// When a thread or runtime cannot be started, or a worker panics; the others are drained then.
    pub fn run<H, F>(self, make: F, trigger: &Trigger, inflight: &Inflight) -> io::Result<Drained>
    where
        H: Handler,
        F: Fn(usize) -> H + Sync,
    {
        let open = Arc::new(Semaphore::new(
            self.settings.connections.min(Semaphore::MAX_PERMITS),
        ));
        let (settings, make) = (&self.settings, &make);
        let mut shares = shares(self.sites, settings.workers.max(1), &open);
        std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .drain(..)
                .enumerate()
                .map(|(number, share)| {
                    let ending = Ending(trigger);
                    let work = move || {
                        // Moved in whole: a part of it would leave the rest to drop right away.
                        let ending = ending;
                        let shutdown = ending.0.shutdown();
                        worker(number, share, settings, make, shutdown, inflight)
                    };
                    std::thread::Builder::new()
                        .name(format!("worker-{number}"))
                        .spawn_scoped(scope, work)
                })
                .collect();
            collect(workers)
        })
    }
}

/// Pulls the trigger when a worker ends, by whatever way.
struct Ending<'a>(&'a Trigger);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.pull();
    }
}

/// What one worker serves: each lobby with its listener.
type Share = Vec<(Arc<Lobby>, TcpListener)>;

fn shares(sites: Vec<super::bind::Site>, workers: usize, open: &Arc<Semaphore>) -> Vec<Share> {
    let mut shares: Vec<Share> = (0..workers).map(|_| Share::new()).collect();
    for (endpoint, site) in sites.into_iter().enumerate() {
        let lobby = Arc::new(Lobby::new(endpoint, site.tls, site.rules, Arc::clone(open)));
        for (share, listener) in shares.iter_mut().zip(site.listeners) {
            share.push((Arc::clone(&lobby), listener));
        }
    }
    shares
}

fn collect(
    workers: Vec<io::Result<ScopedJoinHandle<'_, io::Result<Drained>>>>,
) -> io::Result<Drained> {
    let mut total = Ok(Drained::default());
    for worker in workers {
        let outcome = worker.and_then(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(_panic) => Err(io::Error::other("a worker thread panicked")),
        });
        total = match (total, outcome) {
            (Ok(total), Ok(one)) => Ok(Drained {
                connections: total.connections + one.connections,
                tasks: total.tasks.max(one.tasks),
            }),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
    }
    total
}

fn worker<H, F>(
    number: usize,
    share: Share,
    settings: &Settings,
    make: &F,
    mut shutdown: Shutdown,
    inflight: &Inflight,
) -> io::Result<Drained>
where
    H: Handler,
    F: Fn(usize) -> H,
{
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let handler = make(number);
        let connections = Inflight::new();
        for (lobby, listener) in share {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let accepting = accept::accept(
                listener,
                lobby,
                accept::builder(settings),
                settings.timeouts.clone(),
                handler.clone(),
                (shutdown.clone(), connections.clone()),
            );
            drop(tokio::spawn(accepting));
        }
        shutdown.started().await;
        let finished = async {
            connections.none().await;
            inflight.none().await;
        };
        if timeout(settings.grace, finished).await.is_ok() {
            return Ok(Drained::default());
        }
        let cut = Drained {
            connections: connections.count(),
            tasks: inflight.count(),
        };
        tracing::warn!(
            connections = cut.connections,
            tasks = cut.tasks,
            "the grace is over: cutting what is still under way"
        );
        Ok(cut)
    })
}
