//! P14: only configured upstream hosts are ever contacted, and a credential goes only where it belongs.

use http::Method;
use serde_json::{Value, json};
use writegate::config::{Secret, UnknownCallers};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, seed};

use super::support::client::Client;
use super::support::house::{House, KEY, TOKEN};
use super::support::wire::{Canary, Recorder, statuses, talk};

fn row() -> String {
    format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME)
}

fn company() -> String {
    format!("/crm/v3/objects/companies/{}", seed::HS_ACME)
}

/// Every way in which a head can name a host.
#[tokio::test]
async fn no_head_leads_elsewhere() {
    let canary = Canary::start().await;
    let house = House::builder().build().await;
    let (own, other, row) = (house.salesforce, canary.address, row());
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let patch =
        "Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{\"Industry\":\"Software\"}\n";
    let refused = [
        format!("GET {row} HTTP/1.1\r\nHost: {other}\r\n{token}\r\n"),
        format!("PATCH {row} HTTP/1.1\r\nHost: {other}\r\n{token}{patch}"),
        format!("GET http://{other}{row} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
        format!("GET http://{other}{row} HTTP/1.1\r\nHost: {other}\r\n{token}\r\n"),
        format!("PATCH http://{other}{row} HTTP/1.1\r\nHost: {own}\r\n{token}{patch}"),
        format!("CONNECT {other} HTTP/1.1\r\nHost: {other}\r\n{token}\r\n"),
        format!("GET {row} HTTP/1.1\r\nHost: {own}\r\nHost: {other}\r\n{token}\r\n"),
        format!("GET {row} HTTP/1.1\r\nHost: {own}@{other}\r\n{token}\r\n"),
        format!("GET @{other}{row} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
        format!("GET *{row} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
        format!("GET {row}#@{other} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
        format!("GET /\\{other}{row} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
        format!("GET ///{other}{row} HTTP/1.1\r\nHost: {own}\r\n{token}\r\n"),
    ];
    for request in &refused {
        // Half of a conversation: nobody would read a second request behind a refusal.
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let answer = talk(own, &[request.clone().into_bytes()]).await;
        let statuses = statuses(&answer);
        assert_eq!(statuses.len(), 1, "{request}");
        assert!((400..500).contains(&statuses[0]), "{request}: {statuses:?}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    assert_eq!(canary.came(), 0);
    // Read as data, or dropped: all of these reach the configured CRM under its own name.
    let host = other.to_string();
    let agents = [
        house.agent().with("x-forwarded-host", &host),
        house.agent().with("x-forwarded-server", &host),
        house.agent().with("forwarded", &format!("host={host}")),
        house.agent().with("x-host", &host),
        house.agent().with("referer", &format!("http://{host}/")),
        house.agent().with("origin", &format!("http://{host}")),
    ];
    // Some servers take these for the path; such a request has two readings.
    for name in ["x-original-url", "X-Rewrite-URL", "x_original_url"] {
        let agent = house.agent().with(name, &format!("http://{host}/"));
        assert_eq!(agent.get(&row).await.code(), "WRITEGATE_MALFORMED");
        let reply = agent.patch(&row, &json!({ "Industry": "Software" })).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED");
    }
    assert_eq!(house.sandbox.requests(), 0);
    for agent in &agents {
        assert_eq!(agent.get(&row).await.status, 200);
        let body = json!({ "Industry": "Software" });
        assert_eq!(agent.patch(&row, &body).await.status, 204);
    }
    for target in [
        format!("/acme.my.salesforce.com{row}"),
        format!("/login.salesforce.com{row}"),
        format!("{row}?next=http://{host}/"),
    ] {
        let reply = house.agent().get(&target).await;
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    }
    for seen in house.sandbox.seen() {
        assert_eq!(seen.headers["host"], house.sandbox.addr.to_string());
        assert!(!seen.target.contains("salesforce.com"), "{}", seen.target);
        for name in ["x-forwarded-host", "x-forwarded-server", "forwarded"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
    }
    assert_eq!(canary.came(), 0);
    house.finish().await;
}

/// No redirect is followed, not for reads, writes nor our own reads; nor is the caller shown where one
/// leads that leads away.
#[tokio::test]
async fn no_redirect_is_followed() {
    let canary = Canary::start().await;
    let location = format!("http://{}/elsewhere", canary.address);
    for status in [300, 301, 302, 303, 305, 307, 308] {
        // A write answered so is in doubt, and keeps its record to itself.
        let house = House::builder().build().await;
        let away = Fault::Answer {
            status,
            headers: vec![("location".into(), location.clone())],
            body: "{}".into(),
        };
        for (crm, target, body) in [
            (
                CrmKind::Salesforce,
                row(),
                json!({ "Industry": "Software" }),
            ),
            (
                CrmKind::HubSpot,
                company(),
                json!({ "properties": { "industry": "RETAIL" } }),
            ),
        ] {
            let agent = house.agent_of(crm);
            house.sandbox.script(|_| true, 1, away.clone());
            let seen = house.sandbox.requests();
            let reply = agent.get(&target).await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("location")),
                (502, None)
            );
            assert_eq!(house.sandbox.requests(), seen + 1);
            // The read before a write.
            house.sandbox.script(|_| true, 1, away.clone());
            let (seen, writes) = (house.sandbox.requests(), house.sandbox.writes().len());
            let reply = agent.patch(&target, &body).await;
            assert!(!reply.status.is_success(), "{}", reply.text());
            assert_eq!(house.sandbox.requests(), seen + 1);
            assert_eq!(house.sandbox.writes().len(), writes);
            // The write.
            let writing = |head: &writegate::sandbox::Head<'_>| head.method == Method::PATCH;
            house.sandbox.script(writing, 1, away.clone());
            let reply = agent.patch(&target, &body).await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("location")),
                (status, None)
            );
            assert_eq!(house.sandbox.writes().len(), writes + 1);
        }
        house.finish().await;
    }
    assert_eq!(canary.came(), 0);
}

/// Hosts in bodies: sub-requests, record URLs, login answers.
#[tokio::test]
async fn no_body_leads_elsewhere() {
    let canary = Canary::start().await;
    let house = House::builder().build().await;
    let away = format!("http://{}{}", canary.address, row());
    let net = format!("//{}{}", canary.address, row());
    let data = "/services/data/v60.0";
    let part = |url: &str| json!({ "method": "PATCH", "url": url, "referenceId": "r", "body": {} });
    let opaque: [(&str, Value); 6] = [
        ("/composite", json!({ "compositeRequest": [part(&away)] })),
        ("/composite", json!({ "compositeRequest": [part(&net)] })),
        (
            "/composite/batch",
            json!({ "batchRequests": [part(&away)] }),
        ),
        (
            "/composite/graph",
            json!({ "graphs": [{ "graphId": "1", "compositeRequest": [part(&net)] }] }),
        ),
        (
            "/composite/tree/Account",
            json!({ "records": [{ "url": away }] }),
        ),
        ("/jobs/ingest", json!({ "object": "Account", "url": away })),
    ];
    for (path, body) in opaque {
        let reply = house.agent().post(&format!("{data}{path}"), &body).await;
        let refused = ["WRITEGATE_OPAQUE", "WRITEGATE_MALFORMED"];
        assert!(
            refused.contains(&&*reply.code()),
            "{path}: {}",
            reply.text()
        );
    }
    for (path, form) in [
        ("/services/oauth2/token", "grant_type=password"),
        ("/services/Soap/u/60.0", "<login/>"),
    ] {
        let agent = house
            .agent()
            .with("content-type", "application/x-www-form-urlencoded");
        let reply = agent.raw(Method::POST, path, Some(form.into())).await;
        let fault = path.contains("Soap");
        assert_eq!(reply.status, if fault { 500 } else { 400 }, "{path}");
    }
    let form = house
        .hubspot_agent()
        .with("content-type", "application/x-www-form-urlencoded");
    let reply = form
        .raw(Method::POST, "/oauth/v1/token", Some("code=1".into()))
        .await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(house.sandbox.requests(), 0);
    // A record's own URL is data for the CRM.
    let url = json!({ "attributes": { "type": "Account", "url": away }, "Industry": "Software" });
    let reply = house.agent().patch(&row(), &url).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    // An answer that names another host changes nothing for the next request.
    house.sandbox.script(
        |head| head.path.ends_with("/userinfo"),
        1,
        Fault::Answer {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: json!({ "instance_url": away, "urls": { "rest": away } })
                .to_string()
                .into(),
        },
    );
    assert_eq!(
        house.agent().get("/services/oauth2/userinfo").await.status,
        200
    );
    assert_eq!(house.agent().get(&row()).await.status, 200);
    assert_eq!(canary.came(), 0);
    house.finish().await;
}

fn answer(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A key's credential for one route never reaches the other route's CRM, nor does the key itself.
#[tokio::test]
async fn a_broker_credential_goes_to_its_own_route_only() {
    let sales = json!({
        "attributes": { "type": "Account", "url": row() },
        "Id": seed::ACME, "Industry": null, "LastModifiedDate": "2026-01-12T09:00:00.000+0000",
    });
    let hub = json!({ "status": "COMPLETE", "results": [
        { "id": seed::HS_ACME, "properties": { "industry": "", "hs_object_id": seed::HS_ACME } },
    ] });
    let (first, second) = (
        Recorder::start(answer(&sales)).await,
        Recorder::start(answer(&hub)).await,
    );
    let urls = [first.url(), second.url()];
    let (one, two) = ("00Dxx!canary-for-salesforce", "pat-canary-for-hubspot");
    let mut house = House::builder()
        .unknown_callers(UnknownCallers::Reads)
        .configure(move |config| {
            for (route, url) in config.routes.iter_mut().zip(&urls) {
                route.upstream = url.parse().unwrap();
                route.login = url.parse().unwrap();
            }
            let account = config
                .service_accounts
                .iter_mut()
                .find(|a| a.name == "scoring-agent");
            account.unwrap().credentials = vec![
                ("salesforce".into(), Secret::new(one).into()),
                ("hubspot".into(), Secret::new(two).into()),
            ];
        })
        .build()
        .await;
    let (sales, hub) = (
        Client::new(house.salesforce, KEY),
        Client::new(house.hubspot, KEY),
    );
    sales.get(&row()).await;
    sales
        .patch(&row(), &json!({ "Industry": "Software" }))
        .await;
    hub.get(&company()).await;
    let body = json!({ "properties": { "industry": "RETAIL" } });
    hub.patch(&company(), &body).await;
    // The key in the other header that Salesforce takes.
    let mut session = Client::new(house.salesforce, "").with("x-sfdc-session", KEY);
    session.get(&row()).await;
    // A key that nobody has is no credential for anybody.
    session = Client::new(house.salesforce, "wg_nobody-has-this");
    session.get(&row()).await;
    house.stop().await;
    let (of_sales, of_hub) = (first.heads(), second.heads());
    assert_eq!(of_sales.len(), 5, "{of_sales:#?}");
    assert_eq!(of_hub.len(), 3, "{of_hub:#?}");
    for (heads, own, other, at) in [
        (&of_sales, one, two, first.address),
        (&of_hub, two, one, second.address),
    ] {
        for head in heads {
            assert!(!head.contains(other) && !head.contains("wg_"), "{head}");
            assert!(head.contains(&format!("host: {at}\r\n")), "{head}");
        }
        let with = heads
            .iter()
            .filter(|head| head.contains(&format!("authorization: Bearer {own}\r\n")));
        let without = usize::from(own == one);
        assert_eq!(with.count(), heads.len() - without, "{heads:#?}");
    }
    let last = of_sales.last().unwrap();
    assert!(!last.contains("authorization"), "{last}");
    // It is in no answer of ours and in no row either.
    let rows = house.entries().await;
    let text = format!("{rows:?}");
    assert!(!text.contains(one) && !text.contains(two) && !text.contains(KEY));
}

/// A key without a credential for the route gets nowhere.
#[tokio::test]
async fn a_key_without_a_credential_for_the_route_is_refused() {
    let house = House::builder()
        .configure(|config| {
            for account in &mut config.service_accounts {
                account.credentials.retain(|(route, _)| route == "hubspot");
            }
        })
        .build()
        .await;
    let agent = Client::new(house.salesforce, KEY);
    for reply in [
        agent.get(&row()).await,
        agent
            .patch(&row(), &json!({ "Industry": "Software" }))
            .await,
    ] {
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
        assert_eq!(
            reply.message(),
            "Not written: the key of scoring-agent has no CRM credential for route salesforce. Add \
             one under `credentials:`."
        );
    }
    assert_eq!(house.sandbox.requests(), 0);
    let agent = Client::new(house.hubspot, KEY);
    assert_eq!(agent.get(&company()).await.status, 200);
    house.finish().await;
}
