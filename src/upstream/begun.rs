//! Answers to exports, which may be of any size: what is small is read whole, the rest is handed on part by
//! part where the CRM says that it is what was asked for. So are our own downloads.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Answer, Body, Lease, ReadError, Upstream, Way};
use crate::credential;

/// The largest answer that is read before any of it is handed on.
const WHOLE_MOST: usize = 1024 * 1024;
/// How long the CRM may pause in an answer.
const PAUSE_MOST: Duration = Duration::from_secs(120);

/// The answer to an export.
#[derive(Debug)]
pub enum Exported {
    /// All of it.
    Whole(Answer),
    /// Its beginning.
    Begun(Box<Begun>),
}

/// An answer of which more comes than is held.
#[derive(Debug)]
pub struct Begun {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as they came.
    pub headers: HeaderMap,
    first: Bytes,
    rest: Incoming,
    lease: Option<Lease>,
}

impl Exported {
    pub(super) async fn begin(answer: Response<Incoming>, lease: Lease) -> Result<Self, String> {
        // a failure is looked at before it is anybody's answer
        if !answer.status().is_success() {
            return super::collect(answer, lease).await.map(Self::Whole);
        }
        let (parts, mut rest) = answer.into_parts();
        let mut first = BytesMut::new();
        while first.len() <= WHOLE_MOST {
            if let Some(bytes) = next(&mut rest, PAUSE_MOST).await? {
                first.extend_from_slice(&bytes);
                continue;
            }
            lease.give_back();
            return Ok(Self::Whole(Answer {
                status: parts.status,
                headers: parts.headers,
                body: first.freeze(),
            }));
        }
        Ok(Self::Begun(Box::new(Begun {
            status: parts.status,
            headers: parts.headers,
            first: first.freeze(),
            rest,
            lease: Some(lease),
        })))
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(answer) => answer.status,
            Self::Begun(begun) => begun.status,
        }
    }
}

impl Upstream {
    /// Makes a read of our own whose answer may be of any size; the CRM may pause neither before it nor
    /// in it.
    ///
    /// # Errors
    /// [`ReadError`] when no answer began.
    pub async fn download(&self, mut request: Request<Body>) -> Result<Begun, ReadError> {
        let path = request.uri().path().to_owned();
        credential::suit(request.headers_mut(), &path);
        let answer = self.ask(request, PAUSE_MOST).await;
        let status = answer.as_ref().ok().map(|(answer, _)| answer.status());
        self.traffic.count(Way::OwnRead, status);
        let (answer, lease) = answer?;
        let (parts, rest) = answer.into_parts();
        Ok(Begun {
            status: parts.status,
            headers: parts.headers,
            first: Bytes::new(),
            rest,
            lease: Some(lease),
        })
    }
}

impl Begun {
    /// How long its body is, where its head says.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// The next part; none at its end, when the connection goes back to the pool.
    ///
    /// # Errors
    /// Why it ended before its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        if !self.first.is_empty() {
            return Ok(Some(std::mem::take(&mut self.first)));
        }
        let part = next(&mut self.rest, PAUSE_MOST).await?;
        if part.is_none()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
        Ok(part)
    }
}

/// The next data of a body; trailers are its end.
async fn next(body: &mut Incoming, pause: Duration) -> Result<Option<Bytes>, String> {
    loop {
        let frame = tokio::time::timeout(pause, body.frame())
            .await
            .map_err(|_elapsed| "the CRM paused too long".to_owned())?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(error.to_string()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => return Ok(None),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A CRM that stops in the middle of an answer does not keep whoever reads it.
    #[tokio::test]
    async fn a_stalled_answer_ends() {
        let (ours, mut crm) = tokio::io::duplex(4_096);
        let io = TokioIo::new(ours);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let driving = tokio::spawn(connection);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst";
        let answer = sender.send_request(Request::new(Empty::<Bytes>::new()));
        let answering = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(crm.read_u8().await.unwrap());
            }
            crm.write_all(head).await.unwrap();
        };
        let (answer, ()) = tokio::join!(answer, answering);
        let mut body = answer.unwrap().into_body();
        let part = next(&mut body, PATIENCE).await;
        assert_eq!(part, Ok(Some(Bytes::from_static(b"first"))));
        let rest = next(&mut body, Duration::from_millis(1));
        let rest = tokio::time::timeout(PATIENCE, rest).await;
        assert_eq!(rest, Ok(Err("the CRM paused too long".to_owned())));
        crm.shutdown().await.unwrap();
        drop((body, sender));
        drop(driving.await);
    }
}
