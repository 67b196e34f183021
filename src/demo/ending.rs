//! The end of the story: how to point a real SDK at what is running, and what an operator can ask it.

use std::io;

use super::cast::{AGENTS, DANA, ENRICHMENT};
use super::house::House;
use super::paper::Paper;
use crate::mutation::CrmKind;

/// With `--exit`.
pub(super) fn farewell(paper: &mut Paper<'_>) -> io::Result<()> {
    paper.text(
        "Without --exit the demo stays up, leaves one write for you to decide, and says how to point an \
         agent of your own at it.",
    )?;
    paper.flush()
}

/// What to set, line by line, for each SDK and for the other verbs.
pub(super) fn pointers(house: &House, paper: &mut Paper<'_>) -> io::Result<()> {
    let salesforce = format!("https://{}", house.listens.salesforce);
    let hubspot = format!("https://{}", house.listens.hubspot);
    let ca = house.folder.ca().display().to_string();
    paper.gap()?;
    paper.heading("It stays up. Point an agent of your own at it; Ctrl-C ends it.")?;
    paper.below(
        "The code of an agent stays as it is: only its base URL, its token and the CA to trust change.",
    )?;
    paper.gap()?;
    paper.verbatim(&format!("Salesforce   {salesforce}"))?;
    paper.verbatim(&format!("HubSpot      {hubspot}"))?;
    paper.verbatim(&format!("CA           {ca}"))?;
    paper.gap()?;
    paper
        .verbatim("AGENT              TOKEN FOR SALESFORCE                    TOKEN FOR HUBSPOT")?;
    for agent in AGENTS {
        let [for_salesforce, for_hubspot] = agent.tokens();
        let name = agent.name;
        paper.verbatim(&format!("{name:16}   {for_salesforce:37}   {for_hubspot}"))?;
    }
    for (title, lines) in sdks(&salesforce, &hubspot, &ca) {
        paper.gap()?;
        paper.heading(title)?;
        for line in lines {
            paper.verbatim(&line)?;
        }
    }
    operators(house, paper)
}

/// The lines that a user of each SDK changes. The single quotes keep a shell from reading `!`.
fn sdks(salesforce: &str, hubspot: &str, ca: &str) -> [(&'static str, Vec<String>); 5] {
    let sf = ENRICHMENT.token(CrmKind::Salesforce);
    let hs = ENRICHMENT.token(CrmKind::HubSpot);
    let account = format!(
        "{salesforce}/services/data/v60.0/sobjects/Account/{}",
        crate::sandbox::seed::ACME
    );
    [
        (
            "curl",
            vec![format!(
                "curl --cacert {ca} -H 'Authorization: Bearer {sf}' {account}"
            )],
        ),
        (
            "Python, simple-salesforce",
            vec![
                format!("export REQUESTS_CA_BUNDLE={ca}"),
                format!("Salesforce(session_id='{sf}', instance_url='{salesforce}')"),
            ],
        ),
        (
            "Node, jsforce",
            vec![
                format!("export NODE_EXTRA_CA_CERTS={ca}"),
                format!("new Connection({{ instanceUrl: '{salesforce}', accessToken: '{sf}' }})"),
            ],
        ),
        (
            "Python, hubspot-api-client (both names: one moves the typed calls, one api_request)",
            vec![
                format!("export SSL_CERT_FILE={ca} REQUESTS_CA_BUNDLE={ca}"),
                format!("HubSpot(access_token='{hs}', host='{hubspot}', base_url='{hubspot}')"),
            ],
        ),
        (
            "Node, @hubspot/api-client",
            vec![
                format!("export NODE_EXTRA_CA_CERTS={ca}"),
                format!("new Client({{ accessToken: '{hs}', basePath: '{hubspot}' }})"),
            ],
        ),
    ]
}

fn operators(house: &House, paper: &mut Paper<'_>) -> io::Result<()> {
    let writegate = program();
    paper.gap()?;
    paper.heading("As Dana, in another terminal")?;
    for (name, value) in house.variables(DANA) {
        paper.verbatim(&format!("export {name}={value}"))?;
    }
    for line in [
        format!("{writegate} status"),
        format!("{writegate} entries list"),
        format!("{writegate} entries show ENTRY"),
        format!("{writegate} revert --as enrichment-agent --last 1 --dry-run"),
        format!("{writegate} kill enrichment-agent --reason 'a try'"),
        format!("{writegate} resume enrichment-agent"),
        format!("{writegate} check"),
        format!("{writegate} ledger verify"),
    ] {
        paper.verbatim(&line)?;
    }
    Ok(())
}

/// How this program is called from the working directory.
pub(super) fn program() -> String {
    let Ok(program) = std::env::current_exe() else {
        return "writegate".into();
    };
    let here = std::env::current_dir().unwrap_or_default();
    let near = program.strip_prefix(here).unwrap_or(&program);
    near.display().to_string()
}
