//! Binds every address once for each worker, before anything runs, so that a mistake is an error at
//! start.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::Settings;
use super::strict::Rules;
use super::strict::host::HostRule;
use crate::config::Route;
use crate::tls::{Live, TlsError};

/// Connections that wait to be accepted, for each listener.
const BACKLOG: i32 = 1024;

/// An address to serve.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS; plain HTTP without it.
    pub tls: Option<Live>,
    /// Which `Host` it answers to.
    pub hosts: HostRule,
}

impl Endpoint {
    /// The endpoint of a configured route, which goes by the authority of its public URL.
    ///
    /// # Errors
    /// [`TlsError`] when its certificates cannot be used.
    pub fn of_route(route: &Route) -> Result<Self, TlsError> {
        Ok(Self {
            listen: route.listen,
            tls: route.tls.as_ref().map(Live::of).transpose()?,
            hosts: HostRule::new([route.public_url.clone()]),
        })
    }
}

/// An address that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", reason(.source))]
pub struct BindError {
    /// The address, as configured.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        "another program has the port, perhaps a second `writegate serve`; stop it or change `listen`"
            .to_owned()
    } else {
        error.to_string()
    }
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub struct Bound {
    pub(super) sites: Vec<Site>,
    pub(super) settings: Settings,
}

/// A bound endpoint.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) tls: Option<Live>,
    pub(super) rules: Arc<Rules>,
    /// One for each worker.
    pub(super) listeners: Vec<TcpListener>,
}

impl Bound {
    /// The addresses in the order of the endpoints, with the ports that were free.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sites.iter().map(|site| site.address).collect()
    }

    /// What shakes hands on each endpoint, in their order.
    #[must_use]
    pub fn certificates(&self) -> Vec<Option<Live>> {
        self.sites.iter().map(|site| site.tls.clone()).collect()
    }
}

/// Binds every endpoint.
///
/// # Errors
/// [`BindError`] for the first address that cannot be had.
pub fn bind(endpoints: Vec<Endpoint>, settings: Settings) -> Result<Bound, BindError> {
    let sites = endpoints
        .into_iter()
        .map(|endpoint| {
            let address = endpoint.listen;
            site(endpoint, &settings).map_err(|source| BindError { address, source })
        })
        .collect::<Result<_, _>>()?;
    Ok(Bound { sites, settings })
}

fn site(endpoint: Endpoint, settings: &Settings) -> io::Result<Site> {
    let first = socket(endpoint.listen)?;
    first.bind(&endpoint.listen.into())?;
    let address = first
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::Error::other("the system bound no IP address"))?;
    let mut listeners = Vec::new();
    if settings.workers > 1 {
        // Only now: bound without the option, the first socket found out that nobody else has the
        // port. It keeps the port while it lets the others in.
        first.set_reuse_port(true)?;
    }
    listeners.push(listen(first)?);
    for _ in 1..settings.workers {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        listeners.push(listen(socket)?);
    }
    let rules = Rules {
        limits: settings.limits.clone(),
        hosts: endpoint.hosts.names(address, endpoint.tls.is_some()),
        methods: settings.methods.clone(),
        plain: endpoint.tls.is_none(),
    };
    Ok(Site {
        address,
        tls: endpoint.tls,
        rules: Arc::new(rules),
        listeners,
    })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(listen: SocketAddr) -> Endpoint {
        Endpoint {
            listen,
            tls: None,
            hosts: HostRule::default(),
        }
    }

    fn settings(workers: usize) -> Settings {
        Settings {
            workers,
            ..Settings::default()
        }
    }

    #[test]
    fn all_workers_share_a_free_port_and_a_second_server_is_told_so() {
        let any = "127.0.0.1:0".parse().unwrap();
        let bound = bind(vec![endpoint(any)], settings(3)).unwrap();
        let address = bound.addresses()[0];
        assert_ne!(address.port(), 0);
        for listener in &bound.sites[0].listeners {
            assert_eq!(listener.local_addr().unwrap(), address);
        }
        for workers in [1, 2] {
            let error = bind(vec![endpoint(address)], settings(workers)).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("cannot listen on {address}: another program")),
                "{text}"
            );
        }
    }
}
