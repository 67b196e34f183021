//! SOAP logins, as simple-salesforce and jsforce send them.

use http::Method;
use writegate::mutation::CrmKind;
use writegate::sandbox::Token;

use super::{PUBLIC, USER, builder, works};
use crate::support::client::{Client, Reply};
use crate::support::house::TOKEN;

/// What the sandbox takes as a password, and gives back as the session.
const PASSWORD: &str = "00D!canary-password-and-session";

fn message(api: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?><env:Envelope \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:n1=\"urn:{api}.soap.sforce.com\">\
         <env:Body><n1:login>{inside}</n1:login></env:Body></env:Envelope>"
    )
}

fn by(user: &str) -> String {
    format!("<n1:username>{user}</n1:username><n1:password>{PASSWORD}</n1:password>")
}

async fn post(client: &Client, target: &str, body: String) -> Reply {
    let client = client
        .with("content-type", "text/xml; charset=UTF-8")
        .with("soapaction", "login");
    client.raw(Method::POST, target, Some(body.into())).await
}

#[tokio::test]
async fn a_session_is_learned_and_leads_through_the_proxy() {
    let house = builder()
        .sandbox(|options| options.tokens.push(Token::new(PASSWORD)))
        .build()
        .await;
    let nobody = Client::new(house.salesforce, "");
    for (api, target) in [
        ("partner", "/services/Soap/u/59.0"),
        ("partner", "/x.salesforce.com/services/Soap/u/59.0/"),
        ("enterprise", "//services/Soap/c/60.0"),
    ] {
        let reply = post(&nobody, target, message(api, &by(USER))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        assert!(
            text.contains(&format!("<serverUrl>{PUBLIC}/services/Soap/")),
            "{text}"
        );
        assert!(
            text.contains(&format!("<metadataServerUrl>{PUBLIC}/services/Soap/")),
            "{text}"
        );
        assert!(!text.contains(&house.sandbox.addr.to_string()), "{text}");
        let seen = house.sandbox.seen();
        assert_eq!(
            seen.last().unwrap().body,
            message(api, &by(USER)).as_bytes()
        );
        works(&house, CrmKind::Salesforce, PASSWORD).await;
    }
    let read = "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns=\"urn:partner.soap.sforce.com\"><e:Header><SessionHeader><sessionId>";
    let read = format!(
        "{read}{PASSWORD}</sessionId></SessionHeader></e:Header><e:Body><getUserInfo/></e:Body></e:Envelope>"
    );
    let reply = post(&nobody, "/services/Soap/u/60.0", read).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    house.finish().await;
}

#[tokio::test]
async fn who_is_not_named_is_answered_by_a_fault_and_never_reaches_the_crm() {
    let house = builder().build().await;
    let nobody = Client::new(house.salesforce, "");
    let partner = "/services/Soap/u/60.0";
    let session = message("partner", &by(USER)).replace(
        "<env:Body>",
        "<env:Header><n1:SessionHeader><n1:sessionId>x</n1:sessionId></n1:SessionHeader></env:Header><env:Body>",
    );
    let (unknown, malformed) = ("WRITEGATE_UNKNOWN_CALLER", "WRITEGATE_MALFORMED");
    for (client, target, body, code) in [
        (
            nobody.clone(),
            partner,
            message("partner", &by("nobody@acme.test")),
            unknown,
        ),
        (nobody.clone(), partner, message("partner", ""), unknown),
        (
            nobody.clone(),
            partner,
            message("partner", &(by(USER) + &by("x"))),
            malformed,
        ),
        (
            nobody.clone(),
            partner,
            message("enterprise", &by(USER)),
            malformed,
        ),
        (nobody.clone(), partner, session, malformed),
        (
            Client::new(house.salesforce, TOKEN),
            partner,
            message("partner", &by(USER)),
            malformed,
        ),
        (
            nobody.clone(),
            "/services/Soap/u/60.0?x=1",
            message("partner", &by(USER)),
            malformed,
        ),
        (
            nobody.clone(),
            partner,
            message("partner", &(by(USER) + &"<n1:x/>".repeat(20_000))),
            "WRITEGATE_TOO_LARGE",
        ),
    ] {
        let reply = post(&client, target, body).await;
        assert_eq!(reply.status, 500, "{}", reply.text());
        let fault = format!("<faultcode>sf:{code}</faultcode><faultstring>{code}: Not written: ");
        assert!(reply.text().contains(&fault), "{}", reply.text());
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
