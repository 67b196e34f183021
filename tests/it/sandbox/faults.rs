//! The hooks for tests: the log, changes from elsewhere, scripted faults.

use std::io::ErrorKind;

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use writegate::mutation::CrmKind::Salesforce;
use writegate::sandbox::{Fault, Gate, Running, seed};

use super::client::{Client, parsed};
use super::started;

fn acme() -> String {
    format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME)
}

/// What came back for a PATCH of Acme's phone: the bytes, or how the connection ended.
async fn patched(client: &Client) -> Result<Vec<u8>, ErrorKind> {
    let headers = "Content-Type: application/json\r\n";
    let body = br#"{"Phone":"changed"}"#;
    let sent = client.exchange("PATCH", &acme(), headers, body).await;
    sent.map_err(|error| error.kind())
}

fn changed(running: &Running) -> bool {
    let record = running.record(Salesforce, "Account", seed::ACME).unwrap();
    record["Phone"] == "changed"
}

fn script(running: &Running, fault: Fault) {
    running.script(|head| head.method == "PATCH", 1, fault);
}

#[tokio::test]
async fn a_closed_connection_may_or_may_not_have_changed_something() {
    for (fault, complete, effect) in [
        (Fault::CloseBeforeBody, false, false),
        (Fault::CloseBeforeEffect, true, false),
        (Fault::CloseAfterEffect, true, true),
    ] {
        let (running, client, _) = started().await;
        script(&running, fault.clone());
        let came = patched(&client).await.unwrap_or_default();
        assert_eq!(came, b"", "{fault:?}");
        assert_eq!(changed(&running), effect, "{fault:?}");
        let writes = running.writes();
        assert_eq!(writes.len(), 1);
        assert_eq!(
            (writes[0].complete, writes[0].status),
            (complete, None),
            "{fault:?}"
        );
        assert_eq!(!writes[0].effects.is_empty(), effect, "{fault:?}");
        let whole = patched(&client).await.unwrap();
        assert_eq!(parsed(&whole).unwrap().status, 204, "a fault is used up");
    }
}

#[tokio::test]
async fn answers_can_be_cut_off_by_a_close_or_a_reset() {
    let (running, client, _) = started().await;
    script(&running, Fault::Cut { keep: 20 });
    let part = patched(&client).await.unwrap();
    assert_eq!(part, b"HTTP/1.1 204 No Cont");
    assert!(changed(&running));
    running.script(|head| head.method == "GET", 1, Fault::Cut { keep: 400 });
    let part = client.exchange("GET", &acme(), "", b"").await.unwrap();
    assert_eq!((part.len(), parsed(&part).is_none()), (400, true));
    script(&running, Fault::Reset { keep: 20 });
    assert_eq!(patched(&client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn scripted_answers_come_in_place_of_the_effect() {
    let (running, client, _) = started().await;
    let answer = Fault::Answer {
        status: 503,
        headers: vec![("Retry-After".into(), "7".into())],
        body: Bytes::from_static(b"busy"),
    };
    script(&running, answer);
    let reply = parsed(&patched(&client).await.unwrap()).unwrap();
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (503, b"busy".as_slice())
    );
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert!(!changed(&running));
    assert_eq!(running.writes()[0].status, Some(503));
}

#[tokio::test]
async fn requests_wait_at_gates_until_the_test_opens_them() {
    let (running, client, _) = started().await;
    let (before, after) = (Gate::new(), Gate::new());
    script(&running, Fault::WaitBeforeEffect(before.clone()));
    script(&running, Fault::WaitAfterEffect(after.clone()));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { patched(&client).await }
    });
    before.arrived(1).await;
    assert!(!changed(&running));
    assert!(running.writes()[0].complete, "in the log from its arrival");
    before.open();
    after.arrived(1).await;
    assert!(changed(&running));
    assert_eq!(client.get(&acme()).await.status, 200, "others do not wait");
    assert!(!waiting.is_finished());
    after.open();
    assert_eq!(
        parsed(&waiting.await.unwrap().unwrap()).unwrap().status,
        204
    );
}

#[tokio::test]
async fn a_request_is_in_the_log_before_its_body() {
    let (running, _, _) = started().await;
    let gate = Gate::new();
    running.script(
        |head| head.headers.contains_key("x-run"),
        1,
        Fault::WaitBeforeEffect(gate.clone()),
    );
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let head = format!(
        "PATCH {}?x=%41 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nX-Run: 1\r\n\
         Content-Length: 15\r\nExpect: 100-continue\r\n\r\n",
        acme()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    let seen = running.writes().remove(0);
    assert_eq!((seen.complete, seen.body.len()), (false, 0));
    assert_eq!(seen.target, format!("{}?x=%41", acme()), "byte for byte");
    stream.write_all(b"{\"Phone\": \"new\"").await.unwrap();
    gate.arrived(1).await;
    let seen = running.writes().remove(0);
    assert_eq!(seen.body, "{\"Phone\": \"new\"");
    assert_eq!(running.bytes_received(), (head.len() + 15) as u64);
    assert_eq!((running.requests(), running.connections()), (1, 1));
    gate.open();
}

#[tokio::test]
async fn somebody_else_can_change_and_delete_records() {
    let (running, client, clock) = started().await;
    clock.advance_ms(5000);
    assert!(running.set_field(
        Salesforce,
        "account",
        seed::ACME.split_at(15).0,
        "industry",
        json!("Retail")
    ));
    assert!(!running.set_field(
        Salesforce,
        "Account",
        "001Wg0000009999IAA",
        "Name",
        json!("x")
    ));
    let read = client.get(&acme()).await.json();
    assert_eq!(
        (&read["Industry"], &read["SystemModstamp"]),
        (&json!("Retail"), &json!("2026-01-12T10:00:05.000+0000"))
    );
    assert!(running.delete(Salesforce, "Account", seed::ACME));
    assert_eq!(client.get(&acme()).await.status, 404);
    assert!(
        running.writes().is_empty(),
        "none of that came over the wire"
    );
}

#[tokio::test]
async fn a_stopped_sandbox_lets_go_of_its_port_and_connections() {
    let (running, client, _) = started().await;
    let addr = running.addr;
    let gate = Gate::new();
    script(&running, Fault::WaitBeforeEffect(gate.clone()));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { patched(&client).await }
    });
    gate.arrived(1).await;
    running.stop().await;
    assert_eq!(waiting.await.unwrap().unwrap_or_default(), b"");
    let refused = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
