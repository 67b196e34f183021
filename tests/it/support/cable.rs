//! A wire to a server that a test can cut: before a request passes, after it has passed and before its
//! answer does, somewhere in the answer; or that swallows everything.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

/// What happens to what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Pass,
    /// Nothing passes, and nobody is told.
    Swallow,
    /// The request that holds this is cut off before it passes.
    Before(String),
    /// It passes; of what comes back, only so many bytes do.
    After(String, usize),
}

/// A wire; everything on it ends with the process.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    to: AtomicU16,
    plan: Mutex<Plan>,
    made: AtomicUsize,
    cuts: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

/// What both directions of one connection know.
#[derive(Debug, Default)]
struct Pair {
    /// How many bytes of answers still pass; `None`: all.
    left: Mutex<Option<usize>>,
}

impl Wire {
    /// A wire to a port of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            to: AtomicU16::new(port),
            plan: Mutex::new(Plan::Pass),
            made: AtomicUsize::new(0),
            cuts: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepting.made.fetch_add(1, Ordering::SeqCst);
                accepting.carry(stream);
            }
        });
        Self { port: own, inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn plan(&self, plan: Plan) {
        *self.inner.plan.lock() = plan;
    }

    /// Leads to another port from now on; what is connected is cut.
    pub(crate) fn lead_to(&self, port: u16) {
        self.inner.to.store(port, Ordering::SeqCst);
        self.cut();
    }

    /// Leads nowhere from now on; what is connected stays.
    pub(crate) fn strand(&self) {
        self.inner.to.store(1, Ordering::SeqCst);
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for stream in self.inner.open.lock().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// How many connections were made.
    pub(crate) fn made(&self) -> usize {
        self.inner.made.load(Ordering::SeqCst)
    }

    /// How many requests or answers were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.inner.cuts.load(Ordering::SeqCst)
    }
}

impl Inner {
    fn carry(self: &Arc<Self>, client: TcpStream) {
        let to = ("127.0.0.1", self.to.load(Ordering::SeqCst));
        let Ok(server) = TcpStream::connect(to) else {
            return;
        };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let mut open = self.open.lock();
        open.push(client.try_clone().unwrap());
        open.push(server.try_clone().unwrap());
        drop(open);
        let pair = Arc::new(Pair::default());
        let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (inner, pair_of) = (Arc::clone(self), Arc::clone(&pair));
        thread::spawn(move || inner.requests(ends.0, ends.1, &pair_of));
        let inner = Arc::clone(self);
        thread::spawn(move || inner.answers(server, client, &pair));
    }

    fn requests(&self, mut from: TcpStream, mut to: TcpStream, pair: &Pair) {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let piece = &buffer[..count];
            let holds = |mark: &str| {
                piece
                    .windows(mark.len())
                    .any(|part| part == mark.as_bytes())
            };
            let mut plan = self.plan.lock();
            match &*plan {
                Plan::Before(mark) if holds(mark) => {
                    *plan = Plan::Pass;
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Plan::After(mark, bytes) if holds(mark) => {
                    *pair.left.lock() = Some(*bytes);
                    *plan = Plan::Pass;
                }
                Plan::Swallow => continue,
                Plan::Pass | Plan::Before(_) | Plan::After(..) => {}
            }
            drop(plan);
            if to.write_all(piece).is_err() {
                break;
            }
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }

    fn answers(&self, mut from: TcpStream, mut to: TcpStream, pair: &Pair) {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if *self.plan.lock() == Plan::Swallow {
                continue;
            }
            let left = *pair.left.lock();
            let passes = left.unwrap_or(count).min(count);
            if to.write_all(&buffer[..passes]).is_err() {
                break;
            }
            if let Some(left) = left {
                *pair.left.lock() = Some(left - passes);
                if left <= count {
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }
}
