//! The schemas for editors say what the loaders say: the same keys, the same words, the same files.

mod checker;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use writegate::config::Environment;
use writegate::policy::RuleSet;
use writegate::schema;

use super::support::program::verb;
use checker::check;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The words behind the last `before` of a message: `use a, b or c` → a, b, c.
fn listed(message: &str, before: &str) -> BTreeSet<String> {
    let (_, list) = message
        .rsplit_once(before)
        .unwrap_or_else(|| panic!("`{before}` is not in: {message}"));
    let list = list.split(';').next().unwrap();
    list.replace(" or ", ", ")
        .split(", ")
        .map(|word| word.trim().to_owned())
        .collect()
}

fn of_rules(text: &str) -> String {
    RuleSet::compile(&[("a.yaml".into(), text.into())])
        .unwrap_err()
        .to_string()
}

/// The line of a loader's mistakes that holds this.
fn line<'m>(mistakes: &'m str, holds: &str) -> &'m str {
    mistakes
        .lines()
        .find(|line| line.contains(holds))
        .unwrap_or_else(|| panic!("`{holds}` is not in: {mistakes}"))
}

fn of_config(text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("writegate.yaml");
    fs::write(&file, text).unwrap();
    writegate::config::load(Some(&file), &Environment::default())
        .unwrap_err()
        .to_string()
}

fn keys(schema: &Value, place: &str) -> BTreeSet<String> {
    let map = schema.pointer(place).and_then(Value::as_object);
    map.unwrap_or_else(|| panic!("no {place}"))
        .keys()
        .cloned()
        .collect()
}

fn words(schema: &Value, place: &str) -> BTreeSet<String> {
    let list = schema.pointer(place).and_then(Value::as_array);
    list.unwrap_or_else(|| panic!("no {place}"))
        .iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

/// The loader itself says which keys it takes when it meets one that it does not.
#[test]
fn a_rule_file_has_the_keys_that_the_loader_takes() {
    let schema = schema::rules();
    let cases = [
        ("crm: salesforce\nzzz: 1", "/properties"),
        (
            "crm: salesforce\nrules: [{ zzz: 1 }]",
            "/definitions/rule/properties",
        ),
        (
            "crm: salesforce\nrules: [{ applies: { zzz: 1 } }]",
            "/definitions/applies/properties",
        ),
        (
            "crm: salesforce\nlimits: [{ zzz: 1 }]",
            "/definitions/limit/properties",
        ),
        (
            "crm: salesforce\nrules: [{ when: { after.A: { path: after.B, zzz: 1 } } }]",
            "/definitions/path/properties",
        ),
    ];
    for (text, place) in cases {
        let mistakes = of_rules(text);
        let loader = listed(line(&mistakes, "unknown key `zzz`"), ": use ");
        assert_eq!(keys(&schema, place), loader, "{place}");
    }
    let mistakes = of_rules("crm: salesforce\nobjects: { A: { zzz: deny } }");
    let mut loader = listed(line(&mistakes, "unknown operation `zzz`"), ": use ");
    loader.extend(["default".to_owned(), "fields".to_owned()]);
    assert_eq!(keys(&schema, "/definitions/object/properties"), loader);
    let mistakes = of_rules("crm: salesforce\nrules: [{ when: { after.A: { zzz: 1 } } }]");
    let loader = listed(line(&mistakes, "unknown operator `zzz`"), ": use ");
    let place = "/definitions/when/additionalProperties/anyOf/1/properties";
    assert_eq!(keys(&schema, place), loader);
}

#[test]
fn a_rule_file_has_the_words_that_the_loader_takes() {
    let schema = schema::rules();
    let cases = [
        ("crm: zzz", "unknown CRM", "/properties/crm/enum"),
        (
            "crm: salesforce\ndefault: zzz",
            "unknown word",
            "/definitions/field_word/enum",
        ),
        (
            "crm: salesforce\nobjects: { A: { create: zzz } }",
            "unknown word",
            "/definitions/operation_word/enum",
        ),
        (
            "crm: salesforce\nrules: [{ then: zzz }]",
            "unknown `then`",
            "/definitions/rule/properties/then/enum",
        ),
        (
            "crm: salesforce\nrules: [{ applies: { origin: zzz } }]",
            "unknown origin",
            "/definitions/applies/properties/origin/anyOf/0/enum",
        ),
        (
            "crm: salesforce\nlimits: [{ count: x, then: zzz }]",
            "unknown `then`",
            "/definitions/limit/properties/then/enum",
        ),
        (
            "crm: salesforce\nlimits: [{ per: zzz }]",
            "unknown `per`",
            "/definitions/limit/properties/per/anyOf/0/enum",
        ),
    ];
    for (text, mistake, place) in cases {
        let mistakes = of_rules(text);
        let loader = listed(line(&mistakes, mistake), ": use ");
        assert_eq!(words(&schema, place), loader, "{place}");
    }
    let mistakes = of_rules("crm: salesforce\nlimits: [{ name: a, per: route, count: zzz }]");
    let mut loader = listed(line(&mistakes, "unknown count"), ": use ");
    assert!(loader.remove("an operation such as delete"));
    let mistakes = of_rules("crm: salesforce\nrules: [{ applies: { operation: zzz } }]");
    loader.extend(listed(line(&mistakes, "unknown operation"), ": use "));
    assert_eq!(
        words(&schema, "/definitions/limit/properties/count/enum"),
        loader
    );
    let observe = of_rules("crm: salesforce\nrules: [{ observe: zzz }]");
    assert!(
        observe.contains("`observe` has to be true or false"),
        "{observe}"
    );
}

#[test]
fn the_configuration_has_the_keys_and_words_that_the_loader_takes() {
    let schema = schema::config();
    let cases = [
        ("zzz: 1", "/properties"),
        (
            "routes: [{ zzz: 1 }]",
            "/properties/routes/items/properties",
        ),
        (
            "routes: [{ tls: { zzz: 1 } }]",
            "/properties/routes/items/properties/tls/properties",
        ),
        (
            "routes: [{ release_credential: { zzz: 1 } }]",
            "/properties/routes/items/properties/release_credential/properties",
        ),
        (
            "routes: [{ release_credential: { client_credentials: { zzz: 1 } } }]",
            "/properties/routes/items/properties/release_credential/properties/client_credentials/properties",
        ),
        (
            "routes: [{ release_credential: { jwt: { zzz: 1 } } }]",
            "/properties/routes/items/properties/release_credential/properties/jwt/properties",
        ),
        (
            "routes: [{ release_credential: { jwt: { key: { zzz: 1 } } } }]",
            "/properties/routes/items/properties/release_credential/properties/jwt/properties/key/properties",
        ),
        (
            "routes: [{ release_credential: { refresh: { zzz: 1 } } }]",
            "/properties/routes/items/properties/release_credential/properties/refresh/properties",
        ),
        ("admin: { zzz: 1 }", "/properties/admin/properties"),
        (
            "service_accounts: [{ zzz: 1 }]",
            "/properties/service_accounts/items/properties",
        ),
        (
            "operators: [{ zzz: 1 }]",
            "/properties/operators/items/properties",
        ),
    ];
    for (text, place) in cases {
        let mistakes = of_config(text);
        let loader = listed(line(&mistakes, "has no key `zzz`"), ": it may have ");
        assert_eq!(keys(&schema, place), loader, "{place}");
    }
    let cases = [
        (
            "routes: [{ crm: zzz }]",
            "is no CRM",
            "/properties/routes/items/properties/crm/enum",
        ),
        (
            "routes: [{ mode: zzz }]",
            "is no mode",
            "/properties/routes/items/properties/mode/enum",
        ),
        (
            "unknown_callers: zzz",
            "is not for `unknown_callers`",
            "/properties/unknown_callers/enum",
        ),
        (
            "operators: [{ roles: [zzz] }]",
            "is no role",
            "/properties/operators/items/properties/roles/items/enum",
        ),
    ];
    for (text, mistake, place) in cases {
        let mistakes = of_config(text);
        let loader = listed(line(&mistakes, mistake), ": write ");
        assert_eq!(words(&schema, place), loader, "{place}");
    }
}

fn rule_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(rule_files(&path));
        } else if name.ends_with(".yaml") && !name.ends_with(".cases.yaml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_shipped_packs_fit_the_schema() {
    let schema = schema::rules();
    let files = rule_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"));
    assert!(files.len() >= 2);
    for file in files {
        let faults = check(&schema, &yaml(&fs::read_to_string(&file).unwrap()));
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
}

/// The YAML of the README, by the file it is of.
#[test]
fn the_examples_of_the_readme_fit_the_schemas() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut seen = 0;
    for block in readme.split("```yaml ").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        let text = text.split("```").next().unwrap();
        let schema = match name {
            "writegate.yaml" => schema::config(),
            name if name.ends_with(".cases.yaml") => continue,
            _ => schema::rules(),
        };
        let faults = check(&schema, &yaml(text));
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

/// Every key, every form.
const CONFIG: &str = r#"
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    public_url: https://127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    login: https://login.salesforce.com
    tls: { cert: certs/dev.pem, key: certs/dev.key, client_ca: certs/agents-ca.pem }
    release_credential: { env: SF_RELEASE_TOKEN }
    mode: enforce
  - name: hubspot
    crm: hubspot
    listen: 127.0.0.1:8444
    upstream: https://api.hubapi.com
    upstream_ca: ca.pem
    release_credential: { file: token }
    mode: observe
admin:
  listen: 127.0.0.1:9090
control: memory
ledger: sqlite:writegate.db
rules: rules/
unknown_callers: deny
service_accounts:
  - name: enrichment-agent
    owner: kim
    tokens: ["sha256:eb47b9ce4840a5b3ea138b8691253b78035b9289d9014409067e9844c272ef99"]
    clients: ["3MVG9"]
    keys: ["sha256:1a7674eb4ee78df7e1ac439a93c3fa8e3c945784d4dec9fd8e3011738b2f1d62"]
    credentials: { salesforce: { env: SF_TOKEN } }
    certs: ["enrichment.agents.acme"]
operators:
  - { name: dana, roles: [approver], teams: [Sales Ops], token: "sha256:2a7674eb4ee78df7e1ac439a93c3fa8e3c945784d4dec9fd8e3011738b2f1d62" }
"#;

const RULES: &str = r#"
crm: salesforce
routes: [salesforce]
default: { agents: fill-else-hold, owner: RevOps, source: Clay, note: x }
objects:
  "*":
    send: deny
    merge: { agents: hold, owner: RevOps }
    default: { enrichment-agent: fill-else-deny }
    fields: { OwnerId: { agents: fill-else-hold, owner: Sales Ops } }
rules:
  - name: all
    applies: { object: [Opportunity, Lead], field: StageName, service_account: a*, operation: create|update, route: salesforce, origin: [agent, revert] }
    when:
      after.Amount: { at_least: 100000, changed: true }
      before.Name: [a, 1, null]
      any: [{ claims.run: x }, { not: { after.A: { matches: "^x", contains: y, more_than: { path: before.A, times: 1.5 }, less_than: 3, at_most: "4", blank: false } } }]
      after.B: { path: before.B }
    then: hold
    approvers: [Sales Ops, Deal Desk]
    expires: 1h30m
    wait: 30s
    reason: Two people.
    owner: RevOps
    observe: true
  - { name: few, then: deny, approvers: 2 }
endpoints:
  POST /services/apexrest/scoring/*: { scoring-agent: hold }
limits:
  - { name: burst, per: service_account, rate: 10/s, burst: 20 }
  - { name: hourly, per: [service_account, object], count: delete, max: 500, window: 1h, then: hold, observe: false }
  - { name: queue, per: route, count: holds, max: 0, then: stop }
"#;

#[test]
fn files_with_every_key_fit_the_schemas_and_the_loaders() {
    assert_eq!(
        check(&schema::config(), &yaml(CONFIG)),
        Vec::<String>::new()
    );
    assert_eq!(check(&schema::rules(), &yaml(RULES)), Vec::<String>::new());
    RuleSet::compile(&[("a.yaml".into(), RULES.into())])
        .unwrap_or_else(|errors| panic!("{errors}"));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("writegate.yaml");
    fs::write(&file, CONFIG).unwrap();
    writegate::config::load_without_secrets(Some(&file), &Environment::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
}

/// What the loader refuses for its form, the schema refuses too.
#[test]
fn what_has_the_wrong_form_does_not_fit() {
    let rules = [
        ("crm: salesforce", "crm: pipedrive"),
        ("send: deny", "send: fill-else-deny"),
        ("send: deny", "sned: deny"),
        (
            "agents: fill-else-hold, owner: Sales",
            "agents: sometimes, owner: Sales",
        ),
        ("then: deny", "then: allow"),
        ("approvers: 2", "approvers: 0"),
        ("approvers: 2", "approvers: []"),
        ("expires: 1h30m", "expires: 30m1h"),
        ("expires: 1h30m", "expires: ''"),
        ("expires: 1h30m", "expires: 0s"),
        ("operation: create|update", "operation: creat|update"),
        ("rate: 10/s", "rate: 0/s"),
        ("rate: 10/s, burst: 20", "rate: 10/s, window: 1h"),
        ("max: 500, window: 1h", "max: 500"),
        ("max: 500, window: 1h", "max: 500, window: 1h, burst: 5"),
        ("count: holds, max: 0", "count: holds, max: 0, window: 1h"),
        ("rate: 10/s", "rate: 10"),
        ("rate: 10/s, burst: 20", "burst: 20"),
        ("max: 500", "max: lots"),
        ("per: route", "per: team"),
        ("blank: false", "blank: 'no'"),
        ("contains: y", "has: y"),
        ("path: before.B }", "path: before.B, plus: 1 }"),
        ("POST /services", "post /services"),
        ("name: few, ", ""),
        ("observe: true", "observe: 'yes'"),
    ];
    for (from, to) in rules {
        assert!(RULES.contains(from), "{from}");
        let text = RULES.replacen(from, to, 1);
        assert!(
            !check(&schema::rules(), &yaml(&text)).is_empty(),
            "{from} → {to}"
        );
        assert!(
            RuleSet::compile(&[("a.yaml".into(), text)]).is_err(),
            "{from} → {to}"
        );
    }
    let config = [
        ("mode: observe", "mode: watch"),
        ("roles: [approver]", "roles: []"),
        ("roles: [approver]", "roles: [boss]"),
        ("{ env: SF_RELEASE_TOKEN }", "hunter2"),
        ("{ env: SF_RELEASE_TOKEN }", "{ env: A, file: B }"),
        (
            "{ env: SF_RELEASE_TOKEN }",
            "{ env: A, refresh: { client_id: a, refresh_token: { env: B } } }",
        ),
        ("{ env: SF_RELEASE_TOKEN }", "{ refresh: { client_id: a } }"),
        (
            "{ env: SF_RELEASE_TOKEN }",
            "{ jwt: { client_id: a, user: b } }",
        ),
        (
            "{ env: SF_RELEASE_TOKEN }",
            "{ client_credentials: { client_id: a } }",
        ),
        ("sha256:eb47", "sha256:zz47"),
        ("  - name: hubspot", "  - name: hub spot"),
        ("    crm: hubspot\n", ""),
        ("unknown_callers: deny", "unknown_callers: allow"),
        ("control: memory", "controll: memory"),
    ];
    for (from, to) in config {
        assert!(CONFIG.contains(from), "{from}");
        let text = CONFIG.replacen(from, to, 1);
        assert!(
            !check(&schema::config(), &yaml(&text)).is_empty(),
            "{from} → {to}"
        );
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("writegate.yaml");
        fs::write(&file, &text).unwrap();
        let loaded = writegate::config::load_without_secrets(Some(&file), &Environment::default());
        assert!(loaded.is_err(), "{from} → {to}");
    }
}

#[test]
fn the_verb_prints_them() {
    for (kind, schema) in [("config", schema::config()), ("rules", schema::rules())] {
        let ran = verb(&["schema", kind], &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert_eq!(yaml(&ran.out), schema);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    }
    assert_eq!(verb(&["schema", "cases"], &[]).code, Some(2));
}
