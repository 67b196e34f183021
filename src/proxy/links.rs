//! Addresses of the CRM in answers lead through the proxy (P10): by their places in a body, and in
//! `Location`. Everything else passes as it came.

use std::io::Write;

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;

use super::words::{login as words, unreachable_upstream};
use crate::app::RouteState;
use crate::crm::Head;
use crate::crm::json::edit::{Editor, Place};
use crate::crm::links::Location;
use crate::error::Refusal;
use crate::metrics::Class;
use crate::mutation::CrmKind;
use crate::upstream::{Body, Edit};

/// An answer up to this length is rewritten at once.
const WHOLE_MOST: usize = 256 * 1024;

/// Where addresses stand in the answer to a read.
pub(super) fn of_read(state: &RouteState, head: &Head<'_>) -> &'static [Place] {
    state.crm.links(head)
}

/// Asks for an answer that can be looked into: not coded, and whole.
pub(super) fn ask(places: &[Place], headers: &mut HeaderMap) {
    if !places.is_empty() {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(RANGE);
    }
}

/// The answer to a read, its addresses rewritten: a short one at once, so that its length stays known, a
/// long one while it passes.
///
/// # Errors
/// A refusal when it comes in a coding that cannot be undone, or breaks off.
pub(super) async fn answer(
    state: &RouteState,
    places: &'static [Place],
    mut answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    if places.is_empty() {
        return Ok(answer);
    }
    if !is_json(answer.headers()) {
        // its addresses would lead a client away, token in hand
        return match state.route.crm {
            CrmKind::Salesforce
                if answer.status().is_success() && !matches!(answer.body(), Body::Empty) =>
            {
                Err(words::leads_away(
                    "it is not JSON: ask for JSON, other forms are not rewritten",
                ))
            }
            CrmKind::Salesforce | CrmKind::HubSpot => Ok(answer),
        };
    }
    let editor = Editor::new(places, state.origins.change());
    let edit: Box<dyn Edit> = match coding(answer.headers())? {
        Coding::None => Box::new(Plain(editor)),
        Coding::Gzip => Box::new(Coded(MultiGzDecoder::new(Vec::new()), editor)),
        Coding::Deflate => Box::new(Coded(ZlibDecoder::new(Vec::new()), editor)),
    };
    // the answer to a HEAD says how long it would be
    if matches!(answer.body(), Body::Empty) {
        return Ok(answer);
    }
    let headers = answer.headers_mut();
    headers.remove(CONTENT_ENCODING);
    let length = headers.remove(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let (parts, body) = answer.into_parts();
    let body = Body::Edited(Box::new(body), edit);
    if length.is_none_or(|length| length > WHOLE_MOST) {
        return Ok(Response::from_parts(parts, body));
    }
    let whole = body.collect().await;
    let whole = whole.map_err(|error| unreachable_upstream(&error.to_string()))?;
    Ok(Response::from_parts(parts, Body::full(whole.to_bytes())))
}

/// What every answer goes through last: no redirect leads away, and the addresses in the answer to a
/// write, which is there whole, are rewritten.
pub(super) fn settle(
    state: &RouteState,
    class: Class,
    mut response: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    location(state, class, &mut response)?;
    if !matches!(class, Class::Write | Class::Opaque) || !is_json(response.headers()) {
        return Ok(response);
    }
    let places = state.crm.links_of_writes();
    if places.is_empty() || response.headers().contains_key(CONTENT_ENCODING) {
        return Ok(response);
    }
    let mut response = response.map(|body| match body {
        Body::Full(bytes) => Body::full(Editor::whole(places, state.origins.change(), &bytes)),
        body @ (Body::Empty
        | Body::Streamed(_)
        | Body::Leased(..)
        | Body::Piped(..)
        | Body::Edited(..)) => body,
    });
    if matches!(response.body(), Body::Full(_)) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// A `Location` that leads to the CRM leads here instead. A read that is sent elsewhere is refused;
/// the answer to a write stays what it is, and only does not say where.
fn location(
    state: &RouteState,
    class: Class,
    response: &mut Response<Body>,
) -> Result<(), Refusal> {
    if !response.headers().contains_key(LOCATION) {
        return Ok(());
    }
    let mut values = response.headers().get_all(LOCATION).iter();
    let only = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    match only.map_or(Location::Foreign, |value| state.origins.location(value)) {
        Location::Relative => Ok(()),
        Location::Moved(moved) => {
            let value = HeaderValue::try_from(moved)
                .map_err(|_invalid| words::leads_away("its Location cannot be rewritten"))?;
            response.headers_mut().insert(LOCATION, value);
            Ok(())
        }
        Location::Foreign if class == Class::Read && response.status().is_redirection() => {
            Err(words::leads_away("it redirects to another host"))
        }
        Location::Foreign => {
            response.headers_mut().remove(LOCATION);
            Ok(())
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
}

enum Coding {
    None,
    Gzip,
    Deflate,
}

/// How an answer is coded, although it was asked for as it is.
fn coding(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let only = match (values.next(), values.next()) {
        (None, _) => return Ok(Coding::None),
        (Some(value), None) => value.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => "several",
    };
    match only.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Coding::None),
        "gzip" | "x-gzip" => Ok(Coding::Gzip),
        "deflate" => Ok(Coding::Deflate),
        _ => Err(words::leads_away("its Content-Encoding cannot be undone")),
    }
}

struct Plain(Editor);

impl Edit for Plain {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.0.feed(piece, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.0.finish(out);
        Ok(())
    }
}

/// A decoder that plain bytes can be taken out of while it works.
trait Decoder: Write + Send + Sync {
    fn decoded(&mut self) -> &mut Vec<u8>;
    fn end(&mut self) -> std::io::Result<()>;
}

impl Decoder for MultiGzDecoder<Vec<u8>> {
    fn decoded(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.try_finish()
    }
}

impl Decoder for ZlibDecoder<Vec<u8>> {
    fn decoded(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.try_finish()
    }
}

struct Coded<D>(D, Editor);

impl<D: Decoder> Coded<D> {
    fn hand_on(&mut self, out: &mut Vec<u8>) {
        let plain = std::mem::take(self.0.decoded());
        self.1.feed(&plain, out);
    }
}

impl<D: Decoder> Edit for Coded<D> {
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.0.write_all(piece).map_err(|error| error.to_string())?;
        self.0.flush().map_err(|error| error.to_string())?;
        self.hand_on(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.0.end().map_err(|error| error.to_string())?;
        self.hand_on(out);
        self.1.finish(out);
        Ok(())
    }
}
