//! Addresses that lead elsewhere. The CRM's real one: it leads to the sandbox, and tells who came there, this process (the proxy is in
//! it) or a client that went past the proxy.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A listener that stands where the CRM is known to be.
#[derive(Debug)]
pub(crate) struct RealAddress {
    address: SocketAddr,
    came: Arc<Came>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Came {
    ours: AtomicUsize,
    strangers: AtomicUsize,
}

impl RealAddress {
    pub(crate) async fn of(sandbox: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(Came::default());
        let count = Arc::clone(&came);
        let accepting = tokio::spawn(async move {
            loop {
                let (near, peer) = listener.accept().await.unwrap();
                if !is_of_this_process(peer, address) {
                    count.strangers.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                count.ours.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(lead(near, sandbox));
            }
        });
        Self {
            address,
            came,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that the proxy made.
    pub(crate) fn ours(&self) -> usize {
        self.came.ours.load(Ordering::SeqCst)
    }

    /// Connections that anybody else made.
    pub(crate) fn strangers(&self) -> usize {
        self.came.strangers.load(Ordering::SeqCst)
    }
}

impl Drop for RealAddress {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An address that clients are told before there is anything behind it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, listener }
    }

    /// Leads there, until the test's runtime ends.
    pub(crate) fn lead_to(self, behind: SocketAddr) {
        tokio::spawn(async move {
            loop {
                let (near, _) = self.listener.accept().await.unwrap();
                tokio::spawn(lead(near, behind));
            }
        });
    }
}

async fn lead(mut near: TcpStream, behind: SocketAddr) {
    let mut far = TcpStream::connect(behind).await.unwrap();
    far.set_nodelay(true).unwrap();
    near.set_nodelay(true).unwrap();
    // Either end may hang up at any time.
    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
}

/// Whether the other end of a connection is a socket of this process: the kernel's table has its inode,
/// and a process's descriptors name theirs.
fn is_of_this_process(peer: SocketAddr, here: SocketAddr) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let (peer, here) = (in_table(peer), in_table(here));
    let inode = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&peer.as_str()) && words.get(2) == Some(&here.as_str()))
            .then(|| words[9].to_owned())
    });
    let Some(inode) = inode else { return false };
    let name = format!("socket:[{inode}]");
    let names = fs::read_dir("/proc/self/fd").unwrap();
    names
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.as_os_str() == name.as_str())
}

/// An address as the kernel's table spells it: the bytes of the host turned round, both in hex.
fn in_table(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else {
        panic!("{address} is not on the loopback of version 4");
    };
    let host = u32::from_le_bytes(SocketAddrV4::ip(&address).octets());
    format!("{host:08X}:{:04X}", address.port())
}
