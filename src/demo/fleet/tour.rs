//! What two replicas show: what is done at one holds at the other.

use std::io;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::Fleet;
use super::replica::Replica;
use crate::config::Environment;
use crate::demo::Ended;
use crate::demo::cast::{DANA, ENRICHMENT, Secrets};
use crate::demo::client::{Client, Reply};
use crate::demo::ending::program;
use crate::demo::paper::{Ink, Paper};
use crate::demo::scene::operate::command;
use crate::demo::verbs::{Said, Verbs};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

/// What is to come about by itself has so long, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// It is looked at this often.
const LOOK_EACH: Duration = Duration::from_millis(100);

/// The tour through a fleet.
pub(super) struct Tour<'t, 'p> {
    fleet: &'t Fleet,
    secrets: &'t Secrets,
    tls: TlsConnector,
    verbs: Verbs,
    paper: &'t mut Paper<'p>,
    otherwise: bool,
}

impl<'t, 'p> Tour<'t, 'p> {
    pub(super) fn new(
        fleet: &'t Fleet,
        secrets: &'t Secrets,
        (tls, verbs): (TlsConnector, Verbs),
        paper: &'t mut Paper<'p>,
    ) -> Self {
        Self {
            fleet,
            secrets,
            tls,
            verbs,
            paper,
            otherwise: false,
        }
    }

    /// Tells it. What goes wrong on the way is told, too.
    pub(super) async fn run(&mut self) -> io::Result<Ended> {
        let [one, two] = self.fleet.replicas.as_slice() else {
            return Ok(Ended::Otherwise);
        };
        for replica in [one, two] {
            self.until(replica, "ready", &json!(true)).await?;
        }
        self.step("An agent writes through either")?;
        self.writes(one, "204").await?;
        self.writes(two, "204").await?;

        self.step("Stopped at one, stopped at both")?;
        let kill = ["kill", ENRICHMENT.name, "--reason", "a try"];
        self.confirmed(one, &kill).await?;
        self.writes(two, "403 WRITEGATE_STOPPED").await?;
        self.writes(one, "403 WRITEGATE_STOPPED").await?;

        self.step("Let go at the other")?;
        self.confirmed(two, &["resume", ENRICHMENT.name]).await?;
        self.writes(one, "204").await?;

        self.step("Rules that are pushed to one judge at both")?;
        let rules = self.fleet.folder.rules().display().to_string();
        self.runs(one, &["rules", "push", &rules]).await?;
        self.until(two, "rules/from", &json!("push 1")).await?;
        self.paper.labelled("two judges by", "push 1", Ink::Good)?;
        self.writes(two, "204").await?;

        self.paper.gap()?;
        if self.otherwise {
            self.paper.heading("Not all of it did what it says.")?;
        } else {
            self.paper.heading("Two replicas, one gate.")?;
        }
        self.paper.flush()?;
        Ok(match self.otherwise {
            true => Ended::Otherwise,
            false => Ended::AsTold,
        })
    }

    fn step(&mut self, heading: &str) -> io::Result<()> {
        self.paper.gap()?;
        self.paper.heading(heading)?;
        self.paper.flush()
    }

    /// The agent writes through a replica, and sees this.
    async fn writes(&mut self, replica: &Replica, wanted: &str) -> io::Result<()> {
        let token = ENRICHMENT.token(CrmKind::Salesforce);
        let client = Client::new(replica.listens.salesforce, token, Some(self.tls.clone()));
        let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::UMBRELLA);
        let body = json!({ "Industry": "Healthcare" });
        let seen = match client.send(Method::PATCH, &target, Some(&body)).await {
            Ok(reply) => shown(&reply),
            Err(why) => why,
        };
        self.expect(&format!("agent at {}", replica.name), wanted, &seen)
    }

    /// Dana runs a verb that both replicas have to confirm.
    async fn confirmed(&mut self, replica: &Replica, arguments: &[&str]) -> io::Result<()> {
        let said = self.runs(replica, arguments).await?;
        let wanted = "confirmed by 2 of 2 replicas";
        let seen = match said.text.contains(wanted) {
            true => wanted,
            false => said.text.trim(),
        };
        self.expect("that is", wanted, seen)
    }

    /// Dana runs a verb at a replica.
    async fn runs(&mut self, replica: &Replica, arguments: &[&str]) -> io::Result<Said> {
        let label = format!("dana at {}", replica.name);
        self.paper.typed(&label, &command(arguments))?;
        let env: Environment = self.variables(replica).into();
        let owned: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let verbs = self.verbs;
        // the verb waits for answers for which the sandbox on this thread may have to answer
        let ran = tokio::task::spawn_blocking(move || verbs(&owned, &env)).await;
        let said = ran.map_err(io::Error::other)?;
        for line in said.all() {
            self.paper.quoted(line)?;
        }
        if said.exit != 0 {
            self.expect("exit code", "0", &said.exit.to_string())?;
        }
        Ok(said)
    }

    fn variables(&self, replica: &Replica) -> [(String, String); 2] {
        let admin = format!("http://{}", replica.listens.admin);
        [
            ("WRITEGATE_ADMIN".into(), admin),
            ("WRITEGATE_TOKEN".into(), self.secrets.of(DANA)),
        ]
    }

    /// Waits until a replica says this of itself.
    async fn until(&mut self, replica: &Replica, part: &str, wanted: &Value) -> io::Result<()> {
        let client = Client::new(replica.listens.admin, self.secrets.of(DANA), None);
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < PATIENCE {
            match client.send(Method::GET, "/readyz", None).await {
                Ok(reply) if reply.body.pointer(&format!("/{part}")) == Some(wanted) => {
                    return Ok(());
                }
                Ok(reply) => last = reply.body.to_string(),
                Err(why) => last = why,
            }
            sleep(LOOK_EACH).await;
        }
        let what = format!("{} says", replica.name);
        self.expect(&what, &format!("{part}: {wanted}"), &last)
    }

    fn expect(&mut self, label: &str, wanted: &str, seen: &str) -> io::Result<()> {
        let (text, ink) = match wanted == seen {
            true => (seen.to_owned(), Ink::Good),
            false => (format!("{seen} (expected {wanted})"), Ink::Bad),
        };
        self.otherwise |= wanted != seen;
        self.paper.labelled(label, &text, ink)?;
        self.paper.flush()
    }

    /// What to try next.
    pub(super) fn pointers(&mut self) -> io::Result<()> {
        let writegate = program();
        let ca = self.fleet.folder.ca().display().to_string();
        let token = ENRICHMENT.token(CrmKind::Salesforce);
        self.paper.gap()?;
        self.paper
            .heading("Both stay up. Ctrl-C ends them, Redis and PostgreSQL.")?;
        for replica in &self.fleet.replicas {
            let Replica { name, listens, .. } = replica;
            self.paper.gap()?;
            self.paper.verbatim(&format!(
                "{name}   Salesforce https://{}   HubSpot https://{}   operators http://{}",
                listens.salesforce, listens.hubspot, listens.admin
            ))?;
            self.paper.verbatim(&format!(
                "export WRITEGATE_TOKEN={} WRITEGATE_ADMIN=http://{}",
                self.secrets.of(DANA),
                listens.admin
            ))?;
            self.paper.verbatim(&format!(
                "curl --cacert {ca} -X PATCH -H 'Authorization: Bearer {token}' -H 'Content-Type: \
                 application/json' -d '{{\"Industry\": \"Healthcare\"}}' \
                 https://{}/services/data/v60.0/sobjects/Account/{}",
                listens.salesforce,
                seed::UMBRELLA
            ))?;
        }
        self.paper.gap()?;
        self.paper.heading(
            "Stop the agent at one, see the other refuse it; push rules at one, see both judge",
        )?;
        for line in [
            format!("{writegate} kill {} --reason 'a try'", ENRICHMENT.name),
            format!("{writegate} resume {}", ENRICHMENT.name),
            format!(
                "{writegate} rules push {}",
                self.fleet.folder.rules().display()
            ),
            format!("{writegate} rules history"),
            format!("{writegate} status"),
        ] {
            self.paper.verbatim(&line)?;
        }
        let logs = self.fleet.folder.path().display();
        self.paper
            .below(&format!("What the programs say is in {logs}/*.log."))?;
        self.paper.flush()
    }
}

/// `403 WRITEGATE_STOPPED`
fn shown(reply: &Reply) -> String {
    match reply.code() {
        Some(code) => format!("{} {code}", reply.status),
        None => reply.status.to_string(),
    }
}
