//! The line between the proxy and the CRM. What a program had sent before it was killed still arrives,
//! and a test can wait until all of it has; and an answer can be stopped half-way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A port that leads to the CRM.
pub(super) struct Line {
    pub(super) address: SocketAddr,
    ends: Arc<Ends>,
}

#[derive(Default)]
struct Ends {
    open: watch::Sender<usize>,
    /// How many bytes of the next answer to a write arrive.
    keep: Mutex<Option<usize>>,
    stopped: watch::Sender<bool>,
}

impl Line {
    pub(super) async fn to(crm: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ends = Arc::<Ends>::default();
        let shared = Arc::clone(&ends);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                shared.open.send_modify(|open| *open += 1);
                tokio::spawn(pass(near, crm, Arc::clone(&shared)));
            }
        });
        Self { address, ends }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answer to a write stops after so many bytes; nothing of it follows.
    pub(super) fn stop_answer_after(&self, bytes: usize) {
        *self.ends.keep.lock() = Some(bytes);
    }

    /// Returns once an answer was stopped.
    pub(super) async fn answer_stopped(&self) {
        let mut stopped = self.ends.stopped.subscribe();
        stopped.wait_for(|&stopped| stopped).await.unwrap();
    }

    /// Returns when all that was sent has arrived, and the CRM has done with it. To be called when
    /// nobody sends any more.
    pub(super) async fn quiet(&self) {
        // connections are taken in order: once this one is over, all before it are counted
        let mut last = TcpStream::connect(self.address).await.unwrap();
        last.shutdown().await.unwrap();
        last.read_to_end(&mut Vec::new()).await.unwrap();
        let mut open = self.ends.open.subscribe();
        open.wait_for(|&open| open == 0).await.unwrap();
    }
}

async fn pass(near: TcpStream, crm: SocketAddr, ends: Arc<Ends>) {
    let far = TcpStream::connect(crm).await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let writes = AtomicBool::new(false);
    tokio::join!(
        requests(from_near, to_far, &writes),
        answers(from_far, to_near, &writes, &ends)
    );
    ends.open.send_modify(|open| *open -= 1);
}

/// A reset ends it like an orderly close.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, writes: &AtomicBool) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        if let Some(write) = begins_write(&chunk[..count]) {
            writes.store(write, Ordering::SeqCst);
        }
        if to.write_all(&chunk[..count]).await.is_err() {
            break;
        }
    }
    // the CRM may have closed first
    drop(to.shutdown().await);
}

/// Whether a chunk begins a write; `None` where it begins nothing.
fn begins_write(chunk: &[u8]) -> Option<bool> {
    let line = String::from_utf8_lossy(chunk);
    let line = line.lines().next().unwrap_or_default();
    let reads = ["/batch/read", "/search"];
    match line.split_once(' ') {
        Some(("GET", _)) => Some(false),
        Some(("PATCH" | "POST" | "DELETE", rest)) => {
            Some(!reads.iter().any(|path| rest.contains(path)))
        }
        _ => None,
    }
}

async fn answers(mut from: OwnedReadHalf, to: OwnedWriteHalf, writes: &AtomicBool, ends: &Ends) {
    let mut to = Some(to);
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let keep = match writes.load(Ordering::SeqCst) {
            true => ends.keep.lock().take(),
            false => None,
        };
        let Some(near) = &mut to else { continue };
        let kept = keep.unwrap_or(count).min(count);
        // a program that is gone reads nothing; the CRM does not know yet
        if near.write_all(&chunk[..kept]).await.is_err() {
            to = None;
        }
        if keep.is_some() {
            ends.stopped.send_replace(true);
            while let Ok(1..) = from.read(&mut chunk).await {}
            return;
        }
    }
}
