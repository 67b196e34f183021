//! P3: messages with two readings, operations that nobody knows and headers that act unseen reach the
//! CRM in no spelling; reads pass.

use writegate::sandbox::seed;

use super::{ENTERPRISE, OPEN, PARTNER, call, enterprise, message, post, told};
use crate::support::house::{House, TOKEN};

const NAME: &str = "<type>Account</type><Name>x</Name>";

/// Header entries, and an operation.
fn vectors() -> Vec<(&'static str, String)> {
    let acme = seed::ACME;
    let create = |inner: &str| format!("<create><sObjects>{inner}</sObjects></create>");
    let plain = create(NAME);
    let mut all: Vec<(&'static str, String)> = [
        // 32: the operation is the first child, one of it, of the path's API
        format!("{plain}{plain}"),
        format!("<query/>{plain}"),
        plain.replace("<create>", "<create xmlns=\"urn:enterprise.soap.sforce.com\">"),
        plain.replace("<create>", "<create xmlns=\"http://soap.sforce.com/2006/04/metadata\">"),
        "<createMetadata/>".into(),
        "<unheardOf/>".into(),
        // 33 and 34: blanked, typed, repeated
        create("<type>Account</type><Name>x</Name><NAME>y</NAME>"),
        create("<type>Account</type><type>Lead</type><Name>x</Name>"),
        create("<type>Account</type><fieldsToNull>Name</fieldsToNull><Name>x</Name>"),
        create("<type>Account</type><Name xsi:nil=\"true\">x</Name>"),
        create("<Name>x</Name>"),
        create("<type>Account</type><Name><![CDATA[x]]></Name>"),
        create("<type>Account</type><Name>x<!-- y -->z</Name>"),
        create("<type>Account</type><Name href=\"#1\"/>"),
        create("<type>Account</type><o:Name xmlns:o=\"urn:other\">x</o:Name>"),
        create("<type>Account</type><attributes><type>Lead</type></attributes>"),
        create("<type>Custom__c</type><Name>x</Name>"),
        create(&format!("<type>Account</type><Id>{acme}</Id><Name>x</Name>")),
        plain.replace("<sObjects>", "<sObjects xsi:type=\"Lead\">"),
        format!("<update><sObjects><type>Lead</type><Id>{acme}</Id></sObjects></update>"),
        format!("<update><sObjects>{NAME}</sObjects></update>"),
        format!("<update><sObjects><type>Account</type><Id>{acme}</Id></sObjects><sObjects><type>Account</type><Id>{acme}</Id></sObjects></update>"),
        format!("<upsert><sObjects>{NAME}</sObjects></upsert>"),
        format!("<delete><ids>{acme}</ids><ids>{acme}</ids></delete>"),
        "<delete/>".into(),
        "<delete><ids>a0000000000001AAAA</ids></delete>".into(),
        // 36: writes that do not look like one
        "<deleteByExample><sObjects><type>Account</type></sObjects></deleteByExample>".into(),
        format!("<merge><request><masterRecord><type>Account</type><Id>{acme}</Id></masterRecord><recordToMergeIds>{}</recordToMergeIds></request></merge>", seed::HANK),
        "<query><queryString>SELECT Id FROM Account FOR VIEW</queryString></query>".into(),
        "<search><searchString>FIND {x} UPDATE TRACKING</searchString></search>".into(),
        "<renderStoredEmailTemplate><request><updateTemplateUsage>true</updateTemplateUsage></request></renderStoredEmailTemplate>".into(),
    ]
    .into_iter()
    .map(|operation| ("", operation))
    .collect();
    // 35: headers
    for header in [
        "<OwnerChangeOptions><options><execute>true</execute><type>TransferOwnedOpenOpportunities</type></options></OwnerChangeOptions>",
        "<UserTerritoryDeleteHeader><transferToUserId>005Wg0000000001IAA</transferToUserId></UserTerritoryDeleteHeader>",
        "<CallOptions><defaultNamespace>ns</defaultNamespace></CallOptions>",
        "<PackageVersionHeader/>",
        "<NewHeader/>",
        "<AllOrNoneHeader><allOrNone>maybe</allOrNone></AllOrNoneHeader>",
        "<AllOrNoneHeader><allOrNone>true</allOrNone><allOrNone>false</allOrNone></AllOrNoneHeader>",
        "<AssignmentRuleHeader><assignmentRuleId>001000000000001AAA</assignmentRuleId></AssignmentRuleHeader>",
        "<AllOrNoneHeader/><AllOrNoneHeader/>",
        "<EmailHeader><x>true</x></EmailHeader>",
        // 40: another session
        "<SessionHeader><sessionId>00Dxx!canary-token-of-sdr</sessionId></SessionHeader>",
    ] {
        all.push((header, plain.clone()));
    }
    all
}

#[tokio::test]
async fn no_way_around_gets_through() {
    let house = House::builder().rules(OPEN).build().await;
    let mut tried = 0;
    for (headers, operation) in vectors() {
        let body = message(TOKEN, headers, &operation);
        let reply = post(&house, PARTNER, &body).await;
        let (code, _) = told(&reply);
        assert!(
            [
                "WRITEGATE_MALFORMED",
                "WRITEGATE_OPAQUE",
                "WRITEGATE_DENIED"
            ]
            .contains(&code.as_str()),
            "{body}: {code}"
        );
        tried += 1;
    }
    for body in [
        "<!DOCTYPE a [<!ENTITY e \"x\">]>".to_owned()
            + &message(TOKEN, "", "<getUserInfo/>").replacen(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "",
                1,
            ),
        message(TOKEN, "", "<getUserInfo/>").replace("UTF-8", "UTF-16"),
        message(TOKEN, "", "<getUserInfo/>").replace(
            "http://schemas.xmlsoap.org/soap/envelope/",
            "http://www.w3.org/2003/05/soap-envelope",
        ),
        enterprise(
            TOKEN,
            "",
            &format!("<create><sObjects>{NAME}</sObjects></create>"),
        ),
        "{}".to_owned(),
        String::new(),
    ] {
        let reply = post(&house, ENTERPRISE, &body).await;
        assert!(told(&reply).0.starts_with("WRITEGATE_"), "{body}");
        tried += 1;
    }
    for path in [
        "/services/Soap/u/60",
        "/services/Soap/u/v60.0",
        "/services/soap/u/60.0",
        "/services/Soap/U/60.0",
        "/services/Soap/x/60.0",
        "/services/Soap/class/Mine",
        "/services/Soap/u/60.0?x=1",
    ] {
        let body = message(
            TOKEN,
            "",
            &format!("<create><sObjects>{NAME}</sObjects></create>"),
        );
        let reply = post(&house, path, &body).await;
        assert!(told(&reply).0.starts_with("WRITEGATE_"), "{path}");
        tried += 1;
    }
    // the account's own types were looked up, and that is all
    let seen = house.sandbox.seen();
    assert!(
        seen.iter()
            .all(|seen| !seen.write && seen.target.ends_with("/sobjects")),
        "{seen:?}"
    );
    println!("{tried} tried, 0 through");
    house.finish().await;
}

#[tokio::test]
async fn operations_with_names_are_denied_unless_a_rule_allows_them() {
    let rules = "
crm: salesforce
default: deny
objects: { '*': { update: { agents: allow } } }
";
    let house = House::builder().rules(rules).build().await;
    for operation in [
        "<sendEmail><messages><subject>s</subject></messages></sendEmail>",
        "<sendEmailMessage><ids>02s000000000001AAA</ids></sendEmailMessage>",
        "<process><actions><objectId>006000000000001AAA</objectId></actions></process>",
        "<performQuickActions><quickActions><quickActionName>Case.Mail</quickActionName></quickActions></performQuickActions>",
        "<executeListView/>",
        "<setPassword><userId>005000000000001AAA</userId><password>p</password></setPassword>",
        "<resetPassword/>",
        "<invalidateSessions/>",
        "<logout/>",
        "<emptyRecycleBin><ids>001000000000001AAA</ids></emptyRecycleBin>",
        "<undelete><ids>001000000000001AAA</ids></undelete>",
    ] {
        let reply = call(&house, operation).await;
        assert_eq!(
            told(&reply).0,
            "WRITEGATE_DENIED",
            "{operation}: {}",
            reply.text()
        );
    }
    for (path, namespace, operation) in [
        (
            "/services/Soap/m/60.0",
            "http://soap.sforce.com/2006/04/metadata",
            "<deploy><ZipFile>x</ZipFile></deploy>",
        ),
        (
            "/services/Soap/s/60.0",
            "http://soap.sforce.com/2006/08/apex",
            "<executeAnonymous><String>x</String></executeAnonymous>",
        ),
        (
            "/services/Soap/T/60.0",
            "urn:tooling.soap.sforce.com",
            "<create><sObjects/></create>",
        ),
    ] {
        let body = message(TOKEN, "", operation).replace("urn:partner.soap.sforce.com", namespace);
        let reply = post(&house, path, &body).await;
        assert_eq!(
            told(&reply).0,
            "WRITEGATE_DENIED",
            "{path}: {}",
            reply.text()
        );
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn reads_pass_as_they_came() {
    let house = House::builder().rules(OPEN).build().await;
    for (operation, holds) in [
        (
            "<query><queryString>SELECT Id, Name FROM Account LIMIT 1</queryString></query>",
            "<sf:Name>",
        ),
        ("<getUserInfo/>", "<userId>"),
        ("<getServerTimestamp/>", "<timestamp>"),
        (
            "<describeSObjects><sObjectType>Account</sObjectType></describeSObjects>",
            "<name>Account</name>",
        ),
    ] {
        let reply = call(&house, operation).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains(holds), "{}", reply.text());
    }
    let bodies: Vec<_> = house
        .sandbox
        .seen()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies[1], message(TOKEN, "", "<getUserInfo/>").as_bytes());
    assert!(house.entries().await.is_empty());
    house.finish().await;
}
