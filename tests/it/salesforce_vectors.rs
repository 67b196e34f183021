//! Ways around a proxy before Salesforce, by the numbers under which they are known, tried against the
//! pack that is shipped: none gets through. What one refused request cannot show has a test of its own.

use bytes::Bytes;
use http::Method;
use writegate::sandbox::seed::{ACME, ACME_CASE, ACME_RENEWAL, LEAD_ADA, WILE};

use super::support::client::Client;
use super::support::house::House;

const PACK: &str = include_str!("../../rules/salesforce.yaml");
const TABLE: &str = include_str!("salesforce_vectors/tried.txt");

/// How many vectors there are.
const LAST: u32 = 45;

/// Vectors that need more than one refused request: where their tests are, and what they are called.
const ELSEWHERE: &[(u32, &str, &str)] = &[
    (
        6,
        include_str!("nested_writes.rs"),
        "a_relationship_path_is_judged_as_the_parent",
    ),
    (
        10,
        include_str!("unknown_is_opaque.rs"),
        "an_unknown_coding_is_no_body",
    ),
    (
        14,
        include_str!("holds/otherwise.rs"),
        "the id in 15 characters",
    ),
    (
        15,
        include_str!("salesforce_types.rs"),
        "names_ids_and_prefixes_that_disagree_are_refused",
    ),
    (
        17,
        include_str!("salesforce_types.rs"),
        "relationships_of_the_orgs_own_lead_where_the_org_says",
    ),
    (
        19,
        include_str!("salesforce_forms.rs"),
        "files_of_a_collection_go_to_the_records_that_name_them",
    ),
    (
        21,
        include_str!("nested_writes.rs"),
        "what_a_reference_will_bring_is_not_guessed",
    ),
    (
        24,
        include_str!("nested_writes.rs"),
        "one_denied_part_refuses_the_whole_and_nothing_is_sent",
    ),
    (
        28,
        include_str!("bulk/cut.rs"),
        "rows_without_one_reading_are_cut_off",
    ),
    (
        28,
        include_str!("bulk/rows.rs"),
        "one_row_that_is_denied_keeps_all_from_being_written",
    ),
    (
        30,
        include_str!("bulk/unseen.rs"),
        "a_job_that_was_made_elsewhere_is_looked_up_before_it_is_fed",
    ),
    (
        37,
        include_str!("judged_is_sent.rs"),
        "headers_that_act_pass_or_stop_the_write",
    ),
    (
        38,
        include_str!("judged_is_sent.rs"),
        "a_verdict_that_rests_on_prior_values_holds_the_record_still",
    ),
    (
        45,
        include_str!("upstream_hosts.rs"),
        "no_head_leads_elsewhere",
    ),
    (
        45,
        include_str!("upstream_hosts.rs"),
        "no_body_leads_elsewhere",
    ),
];

/// One request of the table.
struct Tried<'t> {
    number: u32,
    method: Method,
    target: String,
    headers: Vec<(&'t str, String)>,
    body: String,
}

/// `number | METHOD target | name: value & name: value | body`.
fn tried() -> Vec<Tried<'static>> {
    let filled = |text: &str| {
        text.replace('~', "/services/data/v60.0")
            .replace("$ACC", ACME)
            .replace("$OPP", ACME_RENEWAL)
            .replace("$CON", WILE)
            .replace("$LEAD", LEAD_ADA)
            .replace("$CASE", ACME_CASE)
            .replace("\\r\\n", "\r\n")
    };
    let lines = TABLE.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut parts = line.splitn(4, '|').map(str::trim);
            let number = parts.next().unwrap().parse().unwrap();
            let (method, target) = parts.next().unwrap().split_once(' ').unwrap();
            let headers = parts.next().unwrap();
            let headers = headers.split(" & ").filter_map(|one| one.split_once(": "));
            Tried {
                number,
                method: method.parse().unwrap(),
                target: filled(target),
                headers: headers.map(|(name, value)| (name, filled(value))).collect(),
                body: filled(parts.next().unwrap()),
            }
        })
        .collect()
}

/// No limit: a probe too many must not stop the agent before the rest was tried.
fn pack() -> String {
    let (rules, _limits) = PACK.split_once("\nlimits:").unwrap();
    rules.to_owned()
}

#[test]
fn every_vector_has_a_test() {
    let tried = tried();
    for number in 1..=LAST {
        let here = tried.iter().any(|vector| vector.number == number);
        let elsewhere = ELSEWHERE.iter().any(|(known, ..)| *known == number);
        assert!(here || elsewhere, "nothing tries vector {number}");
    }
    assert!(
        tried
            .iter()
            .all(|vector| (1..=LAST).contains(&vector.number))
    );
    for (number, file, name) in ELSEWHERE {
        assert!(file.contains(name), "the test of {number}, {name}, is gone");
    }
}

fn agent(house: &House, vector: &Tried<'_>) -> Client {
    let mut agent = house.agent();
    let named = |name: &str| vector.headers.iter().any(|(known, _)| *known == name);
    if named("authorization") || named("cookie") {
        agent.token = String::new();
    }
    if !vector.body.is_empty() && !named("content-type") {
        agent = agent.with("content-type", "application/json");
    }
    for (name, value) in &vector.headers {
        agent = agent.with(name, value);
    }
    agent
}

#[tokio::test]
async fn nothing_gets_around_the_pack() {
    let house = House::builder().rules(&pack()).build().await;
    let vectors = tried();
    for vector in &vectors {
        let agent = agent(&house, vector);
        let body = (!vector.body.is_empty()).then(|| Bytes::from(vector.body.clone()));
        let (writes, requests) = (house.sandbox.writes().len(), house.sandbox.requests());
        let reply = agent.raw(vector.method.clone(), &vector.target, body).await;
        let what = format!("{} {} {}", vector.number, vector.method, vector.target);
        let seen = &house.sandbox.writes()[writes..];
        assert!(seen.is_empty(), "{what} got through: {seen:?}");
        assert!(!reply.status.is_success(), "{what}: {}", reply.text());
        // what changes something by a read never comes so far as to be asked about
        if vector.method == Method::GET || vector.method == Method::HEAD {
            assert_eq!(house.sandbox.requests(), requests, "{what} reached the CRM");
        }
    }
    println!(
        "ways around Salesforce: {} tried, got through 0",
        vectors.len()
    );
    house.finish().await;
}
