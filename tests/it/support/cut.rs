//! A TCP proxy that cuts: between a store and its client, on threads of its own, so that a client may
//! block the runtime of the test.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::spawn;

use parking_lot::{Condvar, Mutex};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ends are closed; nothing of what was just read goes on.
    Before,
    /// Both ends are closed once so many of the bytes that were just read went on.
    After(usize),
    /// The client's end is closed when the server answers to it, and the answer goes nowhere; the server
    /// is left to believe that the client is still there.
    Answer,
}

#[derive(Default)]
struct State {
    /// The next bytes that hold this, this way, are the last of their connection.
    at: Option<(Way, Vec<u8>, Cut)>,
    /// The connection that has passed so many bytes this way is cut there.
    budget: Option<(Way, usize)>,
    /// New connections are closed at once.
    closed: bool,
    /// Nothing goes on either way, and nobody is told.
    frozen: bool,
    next: u64,
    open: HashMap<u64, Pair>,
    cuts: usize,
}

struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// The client hears nothing any more.
    deaf: bool,
}

/// The proxy. Its connections end with it.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Cutter {
    /// A proxy before a server.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if accepting.state.lock().closed {
                    continue;
                }
                // a server that is away is like one that hangs up
                if let Ok(server) = TcpStream::connect(server) {
                    join(&accepting, client, server);
                }
            }
        });
        Self { address, shared }
    }

    /// The next bytes that hold `text`, this way, are the last of their connection.
    pub(crate) fn at(&self, way: Way, text: &[u8], cut: Cut) {
        self.shared.state.lock().at = Some((way, text.to_vec(), cut));
    }

    /// The connection that passes so many more bytes this way is cut there.
    pub(crate) fn after(&self, way: Way, bytes: usize) {
        self.shared.state.lock().budget = Some((way, bytes));
    }

    /// Cuts nothing that it was told to and did not come to.
    pub(crate) fn let_be(&self) {
        let mut state = self.shared.state.lock();
        (state.at, state.budget) = (None, None);
    }

    /// Cuts every connection.
    pub(crate) fn cut_all(&self) {
        let mut state = self.shared.state.lock();
        for (_, pair) in state.open.drain() {
            hang_up(&pair.client);
            hang_up(&pair.server);
        }
    }

    /// Whether new connections are closed at once.
    pub(crate) fn close(&self, closed: bool) {
        self.shared.state.lock().closed = closed;
    }

    /// Whether nothing goes on any more, in silence.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.shared.state.lock().frozen = frozen;
        self.shared.changed.notify_all();
    }

    /// How many connections were cut by what passed.
    pub(crate) fn cuts(&self) -> usize {
        self.shared.state.lock().cuts
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.close(true);
        self.freeze(false);
        self.cut_all();
        // the accepting thread wakes, and ends with its listener
        drop(TcpStream::connect(self.address));
    }
}

fn hang_up(stream: &TcpStream) {
    // one that is closed already is fine
    drop(stream.shutdown(Shutdown::Both));
}

fn join(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let number = {
        let mut state = shared.state.lock();
        state.next += 1;
        let pair = Pair {
            client: client.try_clone().unwrap(),
            server: server.try_clone().unwrap(),
            deaf: false,
        };
        let number = state.next;
        state.open.insert(number, pair);
        number
    };
    let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (there, back) = (Arc::clone(shared), Arc::clone(shared));
    spawn(move || pass(&there, number, Way::ToServer, client, server));
    spawn(move || pass(&back, number, Way::ToClient, back_from, back_to));
}

/// Passes bytes one way until the connection ends or is cut.
fn pass(shared: &Shared, number: u64, way: Way, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        let bytes = &buffer[..count];
        if count == 0 {
            break;
        }
        match shared.fate(way, bytes) {
            None if way == Way::ToClient && shared.is_deaf(number) => {
                hang_up(&to);
                return;
            }
            None => {
                if to.write_all(bytes).is_err() {
                    break;
                }
            }
            Some(Cut::Before) => break,
            Some(Cut::After(first)) => {
                drop(to.write_all(&bytes[..first.min(count)]));
                break;
            }
            Some(Cut::Answer) => {
                shared.deafen(number);
                drop(to.write_all(bytes));
            }
        }
    }
    // the server's end of a deaf client stays open until the proxy ends
    if !shared.is_deaf(number)
        && let Some(pair) = shared.state.lock().open.remove(&number)
    {
        hang_up(&pair.client);
        hang_up(&pair.server);
    }
}

impl Shared {
    fn is_deaf(&self, number: u64) -> bool {
        let state = self.state.lock();
        state.open.get(&number).is_some_and(|pair| pair.deaf)
    }

    fn deafen(&self, number: u64) {
        if let Some(pair) = self.state.lock().open.get_mut(&number) {
            pair.deaf = true;
        }
    }

    /// Whether these bytes are the last.
    fn fate(&self, way: Way, bytes: &[u8]) -> Option<Cut> {
        let mut state = self.state.lock();
        while state.frozen {
            self.changed.wait(&mut state);
        }
        let here = |(of, text, _): &(Way, Vec<u8>, Cut)| {
            *of == way
                && bytes
                    .windows(text.len())
                    .any(|window| window == text.as_slice())
        };
        if state.at.as_ref().is_some_and(here) {
            state.cuts += 1;
            return state.at.take().map(|(_, _, cut)| cut);
        }
        match &mut state.budget {
            Some((of, left)) if *of == way => {
                if *left < bytes.len() {
                    let first = *left;
                    state.budget = None;
                    state.cuts += 1;
                    return Some(Cut::After(first));
                }
                *left -= bytes.len();
            }
            Some(_) | None => {}
        }
        None
    }
}
