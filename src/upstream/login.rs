//! Requests to a route's login host, for the credentials that the proxy holds itself. They are rare, so
//! each has a connection of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Limited};

use super::Destination;
use super::body::Body;
use super::pool::{self, Pool, Sent};
use crate::credential::LoginHost;

/// How long an answer may take; agents wait for it.
const ANSWER_FOR: Duration = Duration::from_secs(20);
/// The largest answer.
const ANSWER_MOST: usize = 64 * 1024;

type Make = Box<dyn Fn() -> Result<Destination, String> + Send + Sync>;

/// The way to a login host.
pub struct Login(Make);

impl Login {
    /// The way that `make` finds when it is needed.
    #[must_use]
    pub fn by(make: impl Fn() -> Result<Destination, String> + Send + Sync + 'static) -> Self {
        Self(Box::new(make))
    }

    async fn exchange(&self, path: &str, form: String) -> Result<(u16, Bytes), String> {
        let to = (self.0)()?;
        let mut request = Request::new(Body::full(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(path).map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.insert(HOST, to.host.clone());
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let pool = Arc::new(Pool::new(to.place));
        let unreachable = |error: pool::PoolError| format!("the login host: {error}");
        let (lease, _) = pool.lease().await.map_err(unreachable)?;
        let (answer, _lease) = match pool::hand_over(lease, request).await {
            Sent::Answer(answer, lease) => (answer, lease),
            Sent::Unsent(_) => return Err("the login host closed the connection".into()),
            Sent::Broken(error) => return Err(format!("the login host: {error}")),
        };
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MOST)
            .collect()
            .await;
        let body = body.map_err(|error| format!("the login host's answer: {error}"))?;
        Ok((status, body.to_bytes()))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

#[async_trait]
impl LoginHost for Login {
    async fn post(&self, path: &str, form: String) -> Result<(u16, Bytes), String> {
        let exchange = self.exchange(path, form);
        match tokio::time::timeout(ANSWER_FOR, exchange).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err("the login host did not answer in time".into()),
        }
    }
}
