//! Where a CRM credential comes from: each form, and what is wrong with each, told with its place and
//! without the secret.

use writegate::config::{Environment, Source, load, load_without_secrets};

use super::{Folder, env};

const CANARY: &str = "canary7f3a";

const ALL: &str = "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    login: https://login.salesforce.com
    release_credential:
      jwt: { client_id: app, user: integration@acme.example, key: { file: jwt.key } }
  - name: hubspot
    crm: hubspot
    listen: 127.0.0.1:8444
    upstream: https://api.hubapi.com
service_accounts:
  - name: a
    credentials:
      salesforce:
        client_credentials: { client_id: app, client_secret: { env: APP }, scope: api }
      hubspot:
        refresh: { client_id: app, client_secret: { env: APP }, refresh_token: { file: refresh } }
  - name: b
    credentials:
      salesforce:
        jwt: { client_id: app, user: b@acme.example, key: { file: jwt.key }, audience: https://test.salesforce.com/ }
      hubspot:
        refresh: { client_id: app, refresh_token: { env: APP } }
";

/// An RSA key as OpenSSL writes it.
fn rsa_key() -> String {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use base64::Engine;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn each_grant_is_read_as_it_is_meant() {
    let folder = Folder::with(ALL);
    folder.file("jwt.key", &rsa_key());
    folder.file("refresh", &format!("{CANARY}\n"));
    let config = folder.load(&env(&[("APP", CANARY)]));
    let Some(Source::Jwt {
        client_id,
        user,
        key,
        audience: None,
    }) = &config.routes[0].release_credential
    else {
        panic!("{:?}", config.routes[0].release_credential);
    };
    assert_eq!(
        (client_id.as_str(), user.as_str()),
        ("app", "integration@acme.example")
    );
    assert_eq!(key.sign(b"message").unwrap().len(), 256);
    let account = &config.service_accounts[0];
    let Source::ClientCredentials {
        client_id,
        client_secret,
        scope,
    } = &account.credentials[0].1
    else {
        panic!("{account:?}");
    };
    assert_eq!(
        (client_id.as_str(), client_secret.expose(), scope.as_deref()),
        ("app", CANARY, Some("api"))
    );
    let Source::Refresh {
        client_secret: Some(secret),
        refresh_token,
        file: Some(file),
        ..
    } = &account.credentials[1].1
    else {
        panic!("{account:?}");
    };
    assert_eq!((secret.expose(), refresh_token.expose()), (CANARY, CANARY));
    assert_eq!(*file, folder.0.path().join("refresh"));
    let account = &config.service_accounts[1];
    assert!(
        matches!(&account.credentials[0].1, Source::Jwt { audience: Some(to), .. } if to == "https://test.salesforce.com")
    );
    assert!(matches!(
        &account.credentials[1].1,
        Source::Refresh {
            client_secret: None,
            file: None,
            ..
        }
    ));
    for printed in [format!("{config:?}"), format!("{config:#?}")] {
        assert!(!printed.contains(CANARY), "{printed}");
    }
}

#[test]
fn explain_does_without_them() {
    let folder = Folder::with(ALL);
    let config = load_without_secrets(Some(&folder.config()), &Environment::new());
    assert!(config.is_ok(), "{config:?}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_the_secret() {
    let key = "`release_credential.jwt.key`: the file";
    let pem = rsa_key();
    let cases = [
        (
            "{ zzz: 1 }",
            "7:27: a credential has no key `zzz`: it may have env, file, client_credentials, jwt, refresh",
        ),
        (
            "{ refresh_token: { env: APP } }",
            "7:27: a credential has no key `refresh_token`",
        ),
        (
            "{ env: APP, jwt: {} }",
            "7:25: `release_credential` needs one of `{ env: NAME }`, `{ file: PATH }`, or one of client_credentials, jwt and refresh",
        ),
        (
            "{ client_credentials: { client_id: app, client_secret: canary7f3a } }",
            "`release_credential.client_credentials.client_secret` must not hold the secret itself",
        ),
        (
            "{ client_credentials: { client_id: app } }",
            "`release_credential.client_credentials` needs `client_secret`: `{ env: NAME }` or `{ file: PATH }`",
        ),
        (
            "{ client_credentials: { client_secret: { env: APP } } }",
            "`client_credentials` needs `client_id`: the app's id at the CRM",
        ),
        (
            "{ client_credentials: { client_id: app, client_secret: { env: GONE } } }",
            "the environment variable GONE is not set: set it",
        ),
        (
            "{ client_credentials: { client_id: app, client_secret: { env: APP }, scopes: api } }",
            "`client_credentials` has no key `scopes`: did you mean `scope`?",
        ),
        (
            "{ jwt: { client_id: app, user: u, key: canary7f3a } }",
            "`key` must be a map with the keys file",
        ),
        (
            "{ jwt: { client_id: app, user: u } }",
            "`release_credential.jwt` needs `key`: `{ file: PATH }`",
        ),
        (
            "{ jwt: { client_id: app, key: { file: jwt.key } } }",
            "`jwt` needs `user`",
        ),
        (
            "{ jwt: { client_id: app, user: u, key: { file: none } } }",
            "cannot be read",
        ),
        (
            "{ jwt: { client_id: app, user: u, key: { file: text } } }",
            "holds no private key in PEM form",
        ),
        (
            "{ jwt: { client_id: app, user: u, key: { file: short.key } } }",
            "holds no RSA key of 2048 bits or more",
        ),
        (
            "{ jwt: { client_id: app, user: u, key: { file: jwt.key }, audience: nowhere } }",
            "`audience` is no URL",
        ),
        (
            "{ refresh: { client_id: app } }",
            "`release_credential.refresh` needs `refresh_token`",
        ),
        (
            "{ refresh: { client_id: app, refresh_token: canary7f3a } }",
            "`release_credential.refresh.refresh_token` must not hold the secret itself",
        ),
    ];
    for (source, says) in cases {
        let folder = Folder::with(&format!(
            "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    mode: enforce
    release_credential: {source}
"
        ));
        folder.file("jwt.key", &pem);
        folder.file("text", CANARY);
        let begins = "-----BEGIN PRIVATE KEY-----\n";
        folder.file(
            "short.key",
            &format!("{begins}Y2FuYXJ5N2YzYQ==\n-----END PRIVATE KEY-----\n"),
        );
        let told = folder.errors(&env(&[("APP", CANARY)]));
        assert!(told.contains(says), "{source}: {told}");
        assert_eq!(
            told.contains(key),
            says.starts_with("holds") || says == "cannot be read",
            "{told}"
        );
        assert!(!told.contains(CANARY), "{told}");
    }
}

#[test]
fn hubspot_grants_for_refresh_tokens_alone() {
    for grant in ["client_credentials", "jwt"] {
        let folder = Folder::with(&format!(
            "\
routes:
  - {{ name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }}
service_accounts:
  - name: a
    credentials: {{ hubspot: {{ {grant}: {{ client_id: app }} }} }}
"
        ));
        let told = load(Some(&folder.config()), &Environment::new()).unwrap_err();
        let says = format!("HubSpot grants nothing for `{grant}`");
        assert!(told.to_string().contains(&says), "{told}");
    }
}
