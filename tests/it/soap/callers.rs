//! Who sends a message is told by its session: unknown callers are refused before anything is done, two
//! credentials are one too many, and the session is kept nowhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use writegate::control::{SwitchChange, SwitchScope};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, seed};

use super::{OPEN, PARTNER, call, message, only_write, post, post_by, told};
use crate::support::canaries::found;
use crate::support::client::Client;
use crate::support::house::{House, KEY, OTHER_TOKEN, TOKEN};

const WRITE: &str = "<create><sObjects><type>Account</type><Name>New</Name></sObjects></create>";

#[tokio::test]
async fn the_session_says_who_calls() {
    let house = House::builder().rules(OPEN).build().await;
    for (session, account) in [(TOKEN, "enrichment-agent"), (OTHER_TOKEN, "sdr-agent")] {
        let reply = post(&house, PARTNER, &message(session, "", WRITE)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let entries = house.entries().await;
        assert!(
            entries
                .iter()
                .any(|entry| entry.service_account.as_deref() == Some(account)),
            "{account}: {entries:?}"
        );
    }
    let writes = house.sandbox.writes();
    for (write, session) in writes.iter().zip([TOKEN, OTHER_TOKEN]) {
        assert_eq!(write.body, message(session, "", WRITE).as_bytes());
        assert!(!write.headers.contains_key("authorization"));
    }
    house.finish().await;
}

#[tokio::test]
async fn what_a_row_opens_goes_as_it_came() {
    let rules = "
crm: salesforce
default: deny
endpoints: { POST /services/Soap/class/*: { agents: allow } }
";
    let house = House::builder().rules(rules).build().await;
    let body = message(TOKEN, "", "<run/>").replace(
        "urn:partner.soap.sforce.com",
        "http://soap.sforce.com/schemas/class/Mine",
    );
    post(&house, "/services/Soap/class/Mine", &body).await;
    let entries = house.entries().await;
    let account = entries[0].service_account.as_deref();
    assert_eq!(account, Some("enrichment-agent"));
    assert_eq!(only_write(&house).body, body.as_bytes());
    let kept = house.ledger.rows(RowFilter::default()).await.unwrap();
    assert!(!format!("{kept:?}").contains(TOKEN));
    house.finish().await;
}

#[tokio::test]
async fn a_session_in_a_header_stays_there() {
    let house = House::builder().rules(OPEN).build().await;
    let reply = post_by(&house.agent(), PARTNER, &message("", "", WRITE)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let write = only_write(&house);
    assert_eq!(write.body, message("", "", WRITE).as_bytes());
    assert_eq!(write.headers["authorization"], format!("Bearer {TOKEN}"));
    house.finish().await;
}

#[tokio::test]
async fn unknown_and_doubled_callers_are_refused_before_anything_is_done() {
    let house = House::builder().rules(OPEN).build().await;
    let (agent, keyed) = (house.agent(), Client::new(house.salesforce, KEY));
    let nobody = Client::new(house.salesforce, "");
    let stranger = Client::new(house.salesforce, "00Dxx!nobody");
    let query = "<query><queryString>SELECT Id FROM Account</queryString></query>";
    for operation in [WRITE, query] {
        for (client, session, code) in [
            (&nobody, "", "WRITEGATE_UNKNOWN_CALLER"),
            (&nobody, "00Dxx!nobody", "WRITEGATE_UNKNOWN_CALLER"),
            (&stranger, TOKEN, "WRITEGATE_UNKNOWN_CALLER"),
            (&agent, OTHER_TOKEN, "WRITEGATE_MALFORMED"),
            (&nobody, KEY, "WRITEGATE_OPAQUE"),
            (&keyed, "", "WRITEGATE_OPAQUE"),
            (&keyed, KEY, "WRITEGATE_OPAQUE"),
            (&nobody, "wg_another", "WRITEGATE_UNKNOWN_CALLER"),
        ] {
            let reply = post_by(client, PARTNER, &message(session, "", operation)).await;
            assert_eq!(told(&reply).0, code, "{session}: {}", reply.text());
        }
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn who_is_stopped_by_a_session_in_the_body_writes_nothing() {
    let house = House::builder().rules(OPEN).build().await;
    let change = SwitchChange::Throw(writegate::control::Switch {
        service_account: "enrichment-agent".into(),
        scope: SwitchScope::All,
        reason: "test".into(),
        by: "dana".into(),
        at: house.app.clock.now(),
        limit: None,
    });
    house.app.control.set_switch(change).await.unwrap();
    for operation in [WRITE, "<getUserInfo/>"] {
        let reply = call(&house, operation).await;
        assert_eq!(told(&reply).0, "WRITEGATE_STOPPED", "{}", reply.text());
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn the_session_is_kept_nowhere() {
    let house = House::builder().rules(OPEN).build().await;
    for operation in [
        WRITE.to_owned(),
        "<update><sObjects/></update>".to_owned(),
        format!("<delete><ids>{}</ids></delete>", seed::WONKA),
        "<setPassword><userId>005Wg0000000001IAA</userId><password>secret</password></setPassword>"
            .to_owned(),
    ] {
        call(&house, &operation).await;
    }
    let rows = house.ledger.rows(RowFilter::default()).await.unwrap();
    assert!(rows.len() >= 4);
    for row in rows {
        let kept = format!("{row:?}");
        assert!(!kept.contains(TOKEN) && !kept.contains("secret"), "{kept}");
    }
    house.finish().await;
}

/// The bytes that wait for a person are all of the message but its session, in the file of the ledger too.
#[tokio::test]
async fn a_hold_keeps_a_message_without_its_session() {
    let rules = "crm: salesforce\ndefault: hold\nobjects: { '*': { create: { agents: hold } } }\n";
    let house = House::builder().rules(rules).build().await;
    let held = call(&house, WRITE).await;
    assert_eq!(told(&held).0, "WRITEGATE_HELD", "{}", held.text());
    let filter = RowFilter {
        kinds: vec![RowKind::Held],
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(filter).await.unwrap();
    let kept = rows[0].values.clone().unwrap();
    let bytes = STANDARD.decode(kept["bytes"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, message(TOKEN, "", WRITE).replace(TOKEN, ""));
    let folder = house.close().await;
    let files = std::fs::read_dir(folder.path()).unwrap().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().contains(".db"));
    let file: Vec<u8> = files
        .flat_map(|file| std::fs::read(file.path()).unwrap())
        .collect();
    // the message is found there, so its session would be
    let begins = STANDARD.encode(&text[..300]);
    assert!(memchr::memmem::find(&file, begins.as_bytes()).is_some());
    assert_eq!(found(&String::from_utf8_lossy(&file), &[TOKEN]), [""; 0]);
}

#[tokio::test]
async fn a_session_that_is_over_is_told_as_salesforce_tells_it() {
    let house = House::builder().rules(OPEN).build().await;
    house.sandbox.script(
        |head| head.method == http::Method::GET,
        1,
        Fault::Answer {
            status: 401,
            headers: vec![("content-type".into(), "application/json".into())],
            body: r#"[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]"#
                .into(),
        },
    );
    let update = format!(
        "<update><sObjects><type>Account</type><Id>{}</Id><Industry>x</Industry></sObjects></update>",
        seed::ACME
    );
    let reply = call(&house, &update).await;
    assert_eq!(told(&reply).0, "INVALID_SESSION_ID");
    assert!(
        reply
            .text()
            .contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>")
    );
    assert!(house.sandbox.writes().is_empty());
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    assert!(record.unwrap()["Industry"].is_null());
    house.finish().await;
}
