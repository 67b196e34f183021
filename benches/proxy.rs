//! The whole path in one process: a client, the proxy as it is served, the sandbox CRM. What a request
//! takes beside the same one sent straight to the CRM; all share this machine's cores.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark reports to a terminal and may fail loudly"
)]

mod stopwatch;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use stopwatch::Stopwatch;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use writegate::config::{Environment, Fingerprint, load};
use writegate::policy::RuleSet;
use writegate::sandbox::{Options, Sandbox, seed};
use writegate::serve;
use writegate::server::Trigger;

const TOKEN: &str = "00Dxx!token-of-the-benchmark";
/// Nothing looks at prior values.
const FREE: &str = "crm: salesforce\ndefault: allow\n";

fn main() {
    let Some(stopwatch) = Stopwatch::from_arguments() else {
        return;
    };
    let runtime = runtime();
    let crm = sandbox();
    // The shipped rules without their limits, which would end the benchmark after twenty writes.
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/salesforce.yaml");
    let shipped = std::fs::read_to_string(rules).unwrap();
    let (shipped, _limits) = shipped.split_once("\nlimits:").unwrap();
    let free = Proxy::before(crm, FREE);
    let shipped = Proxy::before(crm, shipped);
    for (name, to) in [("the CRM", crm), ("the proxy", shipped.address)] {
        for clients in [1_u32, 16] {
            let name = format!("read from {name}, {clients} at once");
            exchange(&stopwatch, &runtime, &name, (to, clients), &Method::GET);
        }
    }
    let ways = [
        ("the CRM", crm),
        ("the proxy, rules that look at nothing", free.address),
        ("the proxy, the shipped rules", shipped.address),
    ];
    for (name, to) in ways {
        for clients in [1_u32, 16] {
            let name = format!("write to {name}, {clients} at once");
            exchange(&stopwatch, &runtime, &name, (to, clients), &Method::PATCH);
        }
    }
    free.stop();
    shipped.stop();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A sandbox on a thread of its own, for as long as the process lives.
fn sandbox() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let options = Options::with_token(TOKEN);
            let listen = "127.0.0.1:0".parse().unwrap();
            let running = Sandbox::start(listen, options).await.unwrap();
            tell.send(running.addr).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// A proxy as `writegate serve` runs it, with a ledger on the disk.
struct Proxy {
    address: SocketAddr,
    trigger: Trigger,
    serving: thread::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn before(crm: SocketAddr, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("writegate.yaml");
        let config = format!(
            "routes:\n  - {{ name: bench, crm: salesforce, listen: '127.0.0.1:0', upstream: 'http://{crm}' }}\n\
             admin: {{ listen: '127.0.0.1:0' }}\nledger: sqlite:ledger.db\nrules: rules\n\
             service_accounts:\n  - {{ name: enrichment-agent, tokens: ['{}'] }}\n",
            Fingerprint::of(TOKEN.as_bytes())
        );
        std::fs::write(&file, config).unwrap();
        let config = load(Some(&file), &Environment::new()).unwrap_or_else(|why| panic!("{why}"));
        let rules = RuleSet::compile(&[("bench.yaml".into(), rules.into())]).unwrap();
        let opened = serve::open(config, Ok(rules)).unwrap();
        let address = *opened.addresses().first().unwrap();
        let trigger = Trigger::new();
        let pulled = trigger.clone();
        let serving = thread::spawn(move || {
            opened.run(&pulled).unwrap();
        });
        Self {
            address,
            trigger,
            serving,
            _folder: folder,
        }
    }

    fn stop(self) {
        self.trigger.pull();
        self.serving.join().unwrap();
    }
}

/// So many clients at once, each on a connection of its own and to a record of its own.
fn exchange(
    stopwatch: &Stopwatch,
    runtime: &Runtime,
    name: &str,
    (to, clients): (SocketAddr, u32),
    method: &Method,
) {
    let mut senders: Vec<_> = (0..clients)
        .map(|_| runtime.block_on(connect(to)))
        .collect();
    let mut written = 0;
    stopwatch.scenario(name, clients, || {
        runtime.block_on(async {
            let mut asking = JoinSet::new();
            for (place, mut sender) in senders.drain(..).enumerate() {
                written += 1;
                let request = request(method, to, place, written);
                asking.spawn(async move {
                    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    assert!(parts.status.is_success(), "{} {body:?}", parts.status);
                    sender.ready().await.unwrap();
                    sender
                });
            }
            senders = asking.join_all().await;
        });
    });
}

async fn connect(to: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A read of an account, or a write of a field that agents own.
fn request(method: &Method, to: SocketAddr, place: usize, written: u64) -> Request<Full<Bytes>> {
    const ACCOUNTS: [&str; 12] = [
        seed::ACME,
        seed::GLOBEX,
        seed::INITECH,
        seed::UMBRELLA,
        seed::STARK,
        seed::WAYNE,
        seed::HOOLI,
        seed::SOYLENT,
        seed::WONKA,
        seed::TYRELL,
        seed::CYBERDYNE,
        seed::VANDELAY,
    ];
    const CONTACTS: [&str; 4] = [seed::WILE, seed::HANK, seed::PETER, seed::ALICE];
    let records = ACCOUNTS.iter().map(|id| ("Account", id));
    let records = records.chain(CONTACTS.iter().map(|id| ("Contact", id)));
    let (object, id) = records.cycle().nth(place).unwrap();
    let body = match *method {
        Method::GET => Bytes::new(),
        _ => Bytes::from(format!("{{\"AI_Score__c\":{}}}", written % 100)),
    };
    Request::builder()
        .method(method)
        .uri(format!("/services/data/v60.0/sobjects/{object}/{id}"))
        .header("host", to.to_string())
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::new(body))
        .unwrap()
}
