//! The configuration: what is read, and the whole text of what is wrong.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, as the test itself does"
)]

mod sources;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use writegate::config::{
    Config, ControlStore, Environment, Fingerprint, LedgerStore, Mode, Role, Source,
    UnknownCallers, load, load_without_secrets,
};
use writegate::mutation::CrmKind;

/// A folder with a configuration and files beside it.
struct Folder(TempDir);

impl Folder {
    fn with(config: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.file("writegate.yaml", config);
        folder
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("writegate.yaml")
    }

    fn load(&self, env: &Environment) -> Config {
        load(Some(&self.config()), env).unwrap()
    }

    /// The whole error text, with the folder taken out.
    fn errors(&self, env: &Environment) -> String {
        let errors = load(Some(&self.config()), env).unwrap_err();
        let folder = format!("{}/", self.0.path().display());
        errors.to_string().replace(&folder, "")
    }
}

fn env(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn fingerprint(of: &str) -> String {
    Fingerprint::of(of.as_bytes()).to_string()
}

const MINIMAL: &str = "\
routes:
  - { name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }
";

/// A token that stands somewhere.
fn fixed(source: &Source) -> &str {
    match source {
        Source::Static(secret) => secret.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_of_the_design_is_read_as_it_is_meant() {
    let folder = Folder::with(&format!(
        "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    public_url: https://gate.acme.example
    upstream: https://acme.my.salesforce.com
    login: https://login.salesforce.com
    tls: {{ cert: dev.pem, key: dev.key, client_ca: ca.pem }}
    release_credential: {{ env: SF_RELEASE_TOKEN }}
    mode: observe
  - name: hubspot
    crm: hubspot
    listen: 127.0.0.1:8444
    upstream: https://api.hubapi.com
admin:
  listen: 127.0.0.1:9091
control: rediss://redis.acme.example:6380
ledger: postgres://ledger.acme.example/writegate
rules: policy/
max_rows: 500
unknown_callers: reads
service_accounts:
  - name: enrichment-agent
    owner: kim
    tokens: [\"{token}\"]
    clients: [\"3MVG9abc\"]
    keys: [\"{key}\"]
    credentials: {{ salesforce: {{ file: sf.token }} }}
    certs: [enrichment.agents.acme]
operators:
  - {{ name: dana, roles: [approver, admin], teams: [Sales Ops], token: \"{operator}\" }}
",
        token = fingerprint("agent-token"),
        key = fingerprint("wg_key"),
        operator = fingerprint("dana-token"),
    ));
    for name in ["dev.pem", "dev.key", "ca.pem"] {
        folder.file(name, "PEM");
    }
    folder.file("sf.token", "00Dxx!session\n");
    let config = folder.load(&env(&[("SF_RELEASE_TOKEN", "release-me")]));

    let [salesforce, hubspot] = config.routes.as_slice() else {
        panic!("two routes");
    };
    assert_eq!(salesforce.crm, CrmKind::Salesforce);
    assert_eq!(salesforce.public_url, "https://gate.acme.example");
    assert_eq!(salesforce.login, "https://login.salesforce.com");
    assert_eq!(salesforce.mode, Mode::Observe);
    let tls = salesforce.tls.as_ref().unwrap();
    assert_eq!(tls.cert, folder.0.path().join("dev.pem"));
    assert_eq!(tls.client_ca, Some(folder.0.path().join("ca.pem")));
    assert_eq!(
        fixed(salesforce.release_credential.as_ref().unwrap()),
        "release-me"
    );
    assert_eq!(hubspot.public_url, "http://127.0.0.1:8444");
    assert_eq!(hubspot.login, hubspot.upstream);
    assert_eq!(hubspot.mode, Mode::Enforce);

    assert_eq!(config.admin.listen, "127.0.0.1:9091".parse().unwrap());
    assert!(matches!(config.control, ControlStore::Redis(_)));
    assert!(matches!(config.ledger, LedgerStore::Postgres(_)));
    assert_eq!(config.rules, folder.0.path().join("policy"));
    assert_eq!(config.max_rows, 500);
    assert_eq!(config.unknown_callers, UnknownCallers::Reads);

    let account = &config.service_accounts[0];
    assert_eq!(account.owner.as_deref(), Some("kim"));
    assert_eq!(account.tokens, [Fingerprint::of(b"agent-token")]);
    assert_eq!(account.keys, [Fingerprint::of(b"wg_key")]);
    assert_eq!(account.clients, ["3MVG9abc"]);
    assert_eq!(account.certs, ["enrichment.agents.acme"]);
    let (route, source) = &account.credentials[0];
    assert_eq!(
        (route.as_str(), fixed(source)),
        ("salesforce", "00Dxx!session")
    );
    let operator = &config.operators[0];
    assert_eq!(operator.roles, [Role::Approver, Role::Admin]);
    assert_eq!(operator.teams, ["Sales Ops"]);
}

#[test]
fn what_is_left_out_has_defaults_beside_the_file() {
    let folder = Folder::with(MINIMAL);
    let config = folder.load(&Environment::new());
    assert_eq!(config.admin.listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.control, ControlStore::Memory);
    let ledger = folder.0.path().join("writegate.db");
    assert_eq!(config.ledger, LedgerStore::Sqlite(ledger));
    let host = std::process::Command::new("hostname").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    assert_eq!(config.replica, host.trim());
    assert_eq!(config.rules, folder.0.path().join("rules"));
    assert_eq!(config.max_rows, 10_000);
    assert_eq!(config.unknown_callers, UnknownCallers::Deny);
    assert!(config.service_accounts.is_empty() && config.operators.is_empty());
}

#[test]
fn variables_take_the_place_of_scalars_and_name_the_file() {
    let folder = Folder::with(&format!("{MINIMAL}rules: here\nledger: sqlite:a.db\n"));
    let variables = env(&[
        ("WRITEGATE_CONFIG", folder.config().to_str().unwrap()),
        ("WRITEGATE_ADMIN_LISTEN", "127.0.0.1:9999"),
        ("WRITEGATE_CONTROL", "redis://r:6379"),
        ("WRITEGATE_LEDGER", "sqlite:b.db"),
        ("WRITEGATE_REPLICA", "two.acme"),
        ("WRITEGATE_RULES", "there"),
        ("WRITEGATE_UNKNOWN_CALLERS", "reads"),
        ("WRITEGATE_SF_TOKEN", "free for secrets"),
    ]);
    let config = load(None, &variables).unwrap();
    assert_eq!(config.admin.listen, "127.0.0.1:9999".parse().unwrap());
    assert!(matches!(config.control, ControlStore::Redis(_)));
    assert_eq!(config.ledger, LedgerStore::Sqlite("b.db".into()));
    assert_eq!(config.replica, "two.acme");
    assert_eq!(config.rules, Path::new("there"));
    assert_eq!(config.unknown_callers, UnknownCallers::Reads);
}

/// The URL of a ledger, as a mistake or as what was read.
fn ledger(config: &str, variables: &[(&str, &str)]) -> Result<String, String> {
    let folder = Folder::with(&format!("{MINIMAL}{config}\n"));
    folder.file("url", "postgres://wg:hunter2@db.acme.example/file\n");
    let loaded = load(Some(&folder.config()), &env(variables));
    match loaded.map_err(|error| error.to_string())?.ledger {
        LedgerStore::Postgres(url) => Ok(url.expose().to_owned()),
        LedgerStore::Sqlite(file) => panic!("{}", file.display()),
    }
}

#[test]
fn the_url_of_a_ledger_can_stand_elsewhere() {
    let url = "postgres://wg:hunter2@db.acme.example/ledger";
    let given = [("LEDGER_URL", url)];
    assert_eq!(ledger("ledger: { env: LEDGER_URL }", &given).unwrap(), url);
    let from_file = ledger("ledger: { file: url }", &[]).unwrap();
    assert_eq!(from_file, "postgres://wg:hunter2@db.acme.example/file");
    let over = [("WRITEGATE_LEDGER", url)];
    assert_eq!(ledger("ledger: { file: nowhere }", &over).unwrap(), url);
    // a verb that needs no ledger needs no URL, and takes it where it is there
    let folder = Folder::with(&format!("{MINIMAL}ledger: {{ env: LEDGER_URL }}\n"));
    for variables in [env(&[]), env(&given)] {
        let config = load_without_secrets(Some(&folder.config()), &variables).unwrap();
        let LedgerStore::Postgres(found) = config.ledger else {
            panic!("not PostgreSQL");
        };
        let expected = variables.get("LEDGER_URL").map_or("", String::as_str);
        assert_eq!(found.expose(), expected);
    }
}

#[test]
fn what_is_wrong_with_the_url_of_a_ledger_is_said_without_it() {
    let wrong = |config: &str, variables: &[(&str, &str)]| ledger(config, variables).unwrap_err();
    let cases = [
        ("ledger: postgres://wg:hunter2@db", "names no database"),
        (
            "ledger: 'postgres://wg:hunter2@db/l?sslmode=allow'",
            "has an unknown `sslmode`: write disable, prefer, require or verify-full",
        ),
        (
            "ledger: 'postgres://wg:hunter2@db/l?sslkey=x'",
            "unknown option `sslkey`",
        ),
        (
            "ledger: postgres:wg",
            "must be sqlite:PATH or postgres://HOST/DATABASE",
        ),
        (
            "ledger: { env: LEDGER_URL }",
            "the environment variable LEDGER_URL is not set",
        ),
        ("ledger: { file: nowhere }", "nowhere cannot be read"),
        ("ledger: { env: OTHER }", "must begin with postgres://"),
        ("ledger: []", "must be one value"),
    ];
    let other = [("OTHER", "redis://:hunter2@r")];
    for (config, expected) in cases {
        let said = wrong(config, &other);
        assert!(
            said.contains(expected) && said.contains("`ledger`"),
            "{config}: {said}"
        );
        assert!(said.contains("writegate.yaml:"), "{config}: {said}");
        assert!(!said.contains("hunter2"), "{config}: {said}");
    }
    let variable = wrong("", &[("WRITEGATE_LEDGER", "postgres://wg:hunter2@/l")]);
    assert!(
        variable.starts_with("WRITEGATE_LEDGER: `ledger` names no host"),
        "{variable}"
    );
}

#[test]
fn a_replica_has_a_name_like_all_others() {
    let folder = Folder::with(&format!("{MINIMAL}replica: gate-1.acme\n"));
    assert_eq!(folder.load(&env(&[])).replica, "gate-1.acme");
    let folder = Folder::with(&format!("{MINIMAL}replica: gate 1\n"));
    let said = folder.errors(&env(&[]));
    assert!(said.contains("`gate 1` is no name"), "{said}");
    let said = folder.errors(&env(&[("WRITEGATE_REPLICA", "-x")]));
    assert!(
        said.contains("WRITEGATE_REPLICA: `-x` is no name"),
        "{said}"
    );
}

/// Every kind of mistake, some lines with two.
const WRONG: &str = "\
routes:
  - name: salesforce
    crm: sugar
    lisetn: 127.0.0.1:8443
    upstream: http://acme.my.salesforce.com
    tls: { cert: missing.pem, key: . }
    mode: watch
  - name: Salesforce
    crm: hubspot
    listen: 0.0.0.0:9090
    upstream: https://api.hubapi.com/crm
    login: https://login.salesforce.com
    release_credential: hunter2
  - name: two
    crm: hubspot
    listen: localhost
    upstream: https://kim:hunter2@api.hubapi.com
    public_url: ftp://gate
    release_credential: { env: SF_RELEASE_TOKEN }
control: redis
ledger: \"sqlite::memory:\"
unknown_callers: allow
extra: 1
service_accounts:
  - name: agents
    tokens: [\"FINGERPRINT\", hunter2]
  - name: enrichment-agent
    tokens: [\"FINGERPRINT\"]
    keys: \"FINGERPRINT\"
    owner: 7
    credentials: { sales: { env: EMPTY }, two: { file: nowhere } }
operators:
  - { name: dana, roles: [boss], token: \"FINGERPRINT\" }
  - { name: kim w, roles: [] }
";

#[test]
fn all_mistakes_are_told_together_with_their_places() {
    let token = fingerprint("agent-token");
    let folder = Folder::with(&WRONG.replace("FINGERPRINT", &token));
    let env = env(&[
        ("EMPTY", ""),
        ("WRITEGATE_LEGDER", "sqlite:x.db"),
        ("WRITEGATE_OPERATORS", "dana"),
        ("WRITEGATE_RULES", ""),
    ]);
    let errors = folder.errors(&env);
    let expected = [
        "writegate.yaml:2:5: a route needs `listen`: IP:PORT, such as 127.0.0.1:8443",
        "writegate.yaml:3:10: `sugar` is no CRM known here: write salesforce or hubspot",
        "writegate.yaml:4:5: a route has no key `lisetn`: did you mean `listen`?",
        "writegate.yaml:5:15: `upstream` would carry credentials in clear text: use https",
        "writegate.yaml:6:18: `cert`: the file missing.pem cannot be read (No such file or directory (os error 2)): create it or correct the path",
        "writegate.yaml:6:36: `key`: the file . cannot be read (it is a folder): create it or correct the path",
        "writegate.yaml:7:11: `watch` is no mode: write enforce or observe",
        "writegate.yaml:8:5: the route listens on every address, so that its own is not known: add `public_url`",
        "writegate.yaml:8:11: the route `Salesforce` is there already, in line 2: give each a name of its own",
        "writegate.yaml:10:13: 0.0.0.0:9090 is taken by `admin`: give each listener a port of its own",
        "writegate.yaml:11:15: `upstream` must end after the host and port: take path and query out",
        "writegate.yaml:12:12: `login` is for Salesforce routes: take it out",
        "writegate.yaml:13:25: `release_credential` must not hold the secret itself: name where it is, `{ env: NAME }` or `{ file: PATH }`",
        "writegate.yaml:16:13: `localhost` is no address to listen on: write IP:PORT, such as 127.0.0.1:8443 or [::1]:8443",
        "writegate.yaml:17:15: `upstream` must not hold a user name or password: take them out",
        "writegate.yaml:18:17: `public_url` must begin with https:// or http://",
        "writegate.yaml:19:32: `release_credential`: the environment variable SF_RELEASE_TOKEN is not set: set it",
        "writegate.yaml:20:10: `control` must be memory, redis://HOST:PORT or rediss://HOST:PORT",
        "writegate.yaml:21:9: `ledger` must be a plain file that outlives the process: write sqlite:PATH",
        "writegate.yaml:22:18: `allow` is not for `unknown_callers`: write deny or reads",
        "writegate.yaml:23:1: the configuration has no key `extra`: it may have routes, admin, control, ledger, replica, max_rows, rules, unknown_callers, service_accounts, operators",
        "writegate.yaml:25:11: `agents` means something else in rules: name the service account otherwise",
        "writegate.yaml:26:89: `tokens` takes fingerprints, sha256: and 64 hex digits: make one with `writegate fingerprint`",
        "writegate.yaml:28:14: this fingerprint identifies a nameless service account already, in line 26: one must not stand for two, take one out",
        "writegate.yaml:29:11: `keys` must be a list: write `- ` before each item, or `[…]`",
        "writegate.yaml:30:12: `owner` must be text: put the value in quotes",
        "writegate.yaml:31:20: no route is named `sales`: write one of salesforce, two",
        "writegate.yaml:31:34: `credentials.sales`: the environment variable EMPTY is empty: put the secret there",
        "writegate.yaml:31:56: `credentials.two`: the file nowhere cannot be read (No such file or directory (os error 2)): create it or correct the path",
        "writegate.yaml:33:27: `boss` is no role: write viewer, approver or admin",
        "writegate.yaml:33:41: this fingerprint identifies a nameless service account already, in line 26: one must not stand for two, take one out",
        "writegate.yaml:34:5: an operator needs `token`: the fingerprint of a token of theirs",
        "writegate.yaml:34:13: `kim w` is no name: use up to 64 letters, digits and -_.@, a letter or digit first",
        "writegate.yaml:34:27: an operator needs `roles`: viewer, approver or admin",
        "WRITEGATE_LEGDER: is not a setting; did you mean WRITEGATE_LEDGER? Else name it otherwise",
        "WRITEGATE_OPERATORS: is set, but lists cannot come from the environment: write them in the file",
        "WRITEGATE_RULES: is set but empty: give it a value, or unset it",
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_key_that_stands_twice_is_a_mistake_beside_others() {
    let folder = Folder::with(&format!("{MINIMAL}rules: a\nrules: b\ncontrol: none\n"));
    assert_eq!(
        folder.errors(&Environment::new()),
        "writegate.yaml:4:1: key `rules` stands twice, first in line 3: keep one\n\
         writegate.yaml:5:10: `control` must be memory, redis://HOST:PORT or rediss://HOST:PORT"
    );
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let folder = Folder::with("routes:\n  - name: a\n   crm: b\n");
    assert_eq!(
        folder.errors(&Environment::new()),
        "writegate.yaml:3:4: not readable as YAML: while parsing a block collection, did not find expected '-' indicator"
    );
}

#[test]
fn two_documents_are_refused() {
    let folder = Folder::with(&format!("{MINIMAL}---\n{MINIMAL}"));
    assert_eq!(
        folder.errors(&Environment::new()),
        "writegate.yaml:4:1: a second document begins here: keep one, without `---`"
    );
}

#[test]
fn an_empty_file_and_a_missing_one_say_what_to_do() {
    let folder = Folder::with("# nothing yet\n");
    assert_eq!(
        folder.errors(&Environment::new()),
        "writegate.yaml: is empty: README.md shows what belongs in it"
    );
    std::fs::remove_file(folder.config()).unwrap();
    assert_eq!(
        folder.errors(&Environment::new()),
        "writegate.yaml: cannot be read (No such file or directory (os error 2)): \
         name the configuration file with --config or WRITEGATE_CONFIG"
    );
}

#[test]
fn plain_http_goes_to_this_machine_only_and_never_to_ourselves() {
    let at = |upstream: &str| {
        Folder::with(&format!(
            "routes:\n  - {{ name: a, crm: hubspot, listen: 127.0.0.1:8444, upstream: \"{upstream}\" }}\n"
        ))
        .errors(&Environment::new())
    };
    for fine in [
        "http://localhost:3000",
        "http://127.8.0.1:3000/",
        "http://[::1]:3000",
    ] {
        let folder =
            Folder::with(&MINIMAL.replace("https://api.hubapi.com", &format!("\"{fine}\"")));
        folder.load(&Environment::new());
    }
    assert_eq!(
        at("http://10.0.0.1"),
        "writegate.yaml:2:64: `upstream` would carry credentials in clear text: use https"
    );
    for ourselves in [
        "http://127.0.0.1:8444",
        "http://localhost:8444",
        "http://127.0.0.1:9090",
    ] {
        assert_eq!(
            at(ourselves),
            "writegate.yaml:2:5: `upstream` of route a leads back to Writegate itself: \
             name the CRM's own address"
        );
    }
}

#[test]
fn a_verb_that_talks_to_no_crm_needs_no_secrets() {
    let folder = Folder::with(
        "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    tls: { cert: dev.pem, key: dev.key }
    release_credential: { env: SF_RELEASE_TOKEN }
",
    );
    let config = load_without_secrets(Some(&folder.config()), &Environment::new()).unwrap();
    let secret = config.routes[0].release_credential.as_ref().unwrap();
    assert_eq!(fixed(secret), "");
    assert_eq!(
        load(Some(&folder.config()), &Environment::new())
            .unwrap_err()
            .count(),
        3
    );
}

/// P12: a secret that got into the configuration in any way comes out of it in none.
#[test]
fn secrets_cannot_be_printed() {
    const CANARY: &str = "canary7f3a";
    let folder = Folder::with(
        "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    release_credential: { env: RELEASE }
control: redis://:canary7f3a@redis.acme.example:6379
ledger: postgres://writegate:canary7f3a@db.acme.example/writegate
service_accounts:
  - name: a
    credentials: { salesforce: { file: token } }
",
    );
    folder.file("token", CANARY);
    let variables = env(&[("RELEASE", CANARY)]);
    let config = folder.load(&variables);
    let exposed = config.routes[0].release_credential.as_ref().unwrap();
    assert_eq!(fixed(exposed), CANARY, "the canary is in there");
    for printed in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(!printed.contains(CANARY), "{printed}");
    }

    let wrong = Folder::with(
        "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://user:canary7f3a@acme.my.salesforce.com
    login: ftp://canary7f3a
    public_url: https://gate.example/canary7f3a
    release_credential: canary7f3a
  - name: two
    crm: salesforce
    listen: 127.0.0.1:8444
    upstream: https://acme.my.salesforce.com
    release_credential: { env: BLANKS }
control: redis//:canary7f3a@redis.acme.example:6379
ledger: postgres:canary7f3a
service_accounts:
  - name: a
    tokens: [canary7f3a]
    keys: [wg_canary7f3a]
    credentials: { salesforce: canary7f3a, two: { file: token } }
operators:
  - { name: dana, roles: [admin], token: canary7f3a }
",
    );
    wrong.file("token", "canary7f3a two\nlines");
    let variables = env(&[("BLANKS", "canary7f3a and blanks")]);
    let errors = load(Some(&wrong.config()), &variables).unwrap_err();
    assert_eq!(errors.count(), 12, "{errors}");
    for printed in [
        format!("{errors}"),
        format!("{errors:?}"),
        format!("{errors:#?}"),
    ] {
        assert!(!printed.contains(CANARY), "{printed}");
    }
}

#[test]
fn broken_yaml_does_not_print_the_line_it_broke_in() {
    let folder = Folder::with("control: \"redis://:canary7f3a@host\n");
    assert!(!folder.errors(&Environment::new()).contains("canary7f3a"));
    let folder = Folder::with("control: [canary7f3a\n");
    assert!(!folder.errors(&Environment::new()).contains("canary7f3a"));
}

#[test]
fn max_rows_is_a_number() {
    for odd in ["many", "-1", "1.5", "'10'"] {
        let folder = Folder::with(&format!("{MINIMAL}max_rows: {odd}\n"));
        let told = folder.errors(&Environment::new());
        assert!(told.contains("is no number of rows"), "{odd}: {told}");
    }
}
