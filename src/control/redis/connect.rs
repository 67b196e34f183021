//! Makes connections, by whatever form the address has.

use std::sync::Arc;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    PushInfo, RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};

use super::address::{Address, Form};
use super::link::Connection;

/// For finding out where to connect to, and connecting.
const FIND: Duration = Duration::from_secs(2);

/// Who hears what the server tells by itself.
pub(super) type Ear = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// Makes a connection. Needs the runtime that is to carry it.
///
/// `within` is the time for one server, its greeting among it.
pub(super) async fn connect(
    address: &Address,
    within: Duration,
    ear: Ear,
) -> Result<Connection, RedisError> {
    let making = async {
        match &address.form {
            Form::One => one(address, config(within, ear)).await,
            Form::Sentinel { service } => by_sentinels(address, service, config(within, ear)).await,
            Form::Cluster => cluster(address, within, ear).await,
        }
    };
    match tokio::time::timeout(FIND.max(within), making).await {
        Ok(made) => made,
        Err(_elapsed) => Err(RedisError::from((
            ErrorKind::Io,
            "no connection could be made in time",
        ))),
    }
}

fn config(within: Duration, ear: Ear) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(within))
        // each question has a deadline of its own
        .set_response_timeout(None)
        .set_push_sender(move |told| {
            ear(told);
            Ok::<(), redis::aio::SendError>(())
        })
}

async fn one(address: &Address, config: AsyncConnectionConfig) -> Result<Connection, RedisError> {
    let Some((host, port)) = address.nodes.first() else {
        return Err(RedisError::from((
            ErrorKind::InvalidClientConfig,
            "no host",
        )));
    };
    let info = at(address, host, *port).into_connection_info()?;
    let info = info.set_redis_settings(settings(address));
    let client = match certificates(address)? {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    };
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.map(Connection::One)
}

/// Asks the sentinels where the primary is, each time anew.
async fn by_sentinels(
    address: &Address,
    service: &str,
    config: AsyncConnectionConfig,
) -> Result<Connection, RedisError> {
    let nodes = address
        .nodes
        .iter()
        .map(|(host, port)| at(address, host, *port));
    let mut builder = SentinelClientBuilder::new(nodes, service, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_db(address.db);
    if let Some(user) = &address.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if address.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates(address)? {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    let mut sentinels = builder.build()?;
    let connection = sentinels.get_async_connection_with_config(&config);
    connection.await.map(Connection::One)
}

/// All our keys are in one slot; the client finds its node, also after a failover.
async fn cluster(address: &Address, within: Duration, ear: Ear) -> Result<Connection, RedisError> {
    let nodes = address
        .nodes
        .iter()
        .map(|(host, port)| at(address, host, *port));
    let mut builder = ClusterClient::builder(nodes)
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(within)
        .response_timeout(within)
        .retries(1)
        .min_retry_wait(50)
        .max_retry_wait(200)
        .push_sender(move |told| {
            ear(told);
            Ok::<(), redis::aio::SendError>(())
        });
    if let Some(user) = &address.user {
        builder = builder.username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.password(password);
    }
    if address.tls {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = certificates(address)? {
        builder = builder.certs(certificates);
    }
    let connection = builder.build()?.get_async_connection().await;
    connection.map(Connection::Cluster)
}

fn at(address: &Address, host: &str, port: u16) -> ConnectionAddr {
    let host = host.to_owned();
    if address.tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn settings(address: &Address) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(address.db);
    if let Some(user) = &address.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &address.password {
        settings = settings.set_password(password);
    }
    settings
}

/// The CA to trust in place of the machine's. Read each time: certificates are renewed.
fn certificates(address: &Address) -> Result<Option<TlsCertificates>, RedisError> {
    let Some(file) = &address.ca else {
        return Ok(None);
    };
    let root = std::fs::read(file).map_err(|error| {
        let what = format!("{}: {error}", file.display());
        RedisError::from((
            ErrorKind::InvalidClientConfig,
            "the CA cannot be read",
            what,
        ))
    })?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(root),
    }))
}
