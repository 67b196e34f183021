//! `holds approve` and `holds reject`: first a table of what would be decided, ids with the digests
//! that were just looked at; then exactly that, one result for each.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::hold::{Hold, by_rule, read, what};
use super::{Age, Filters, all, title};
use crate::cli::admin_client::{AdminArguments, AdminClient, segment};
use crate::cli::output::tell;
use crate::cli::table::Table;
use crate::cli::visible::{minute, visible};
use crate::cli::{Context, Exit, Failure};

/// As many characters of a digest as a table shows, and as an argument has at least.
const DIGEST_SHOWN: usize = 12;
const DIGEST_LEAST: usize = 8;

/// Say yes to holds: by id, by id and the digest that was shown, or by filters
#[derive(Args, Debug)]
pub(in crate::cli) struct ApproveArguments {
    /// ID, or ID@DIGEST as `holds show` prints it
    #[arg(value_name = "ID[@DIGEST]")]
    ids: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    /// Why, for the ledger
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Say no to holds
#[derive(Args, Debug)]
pub(in crate::cli) struct RejectArguments {
    /// ID, or ID@DIGEST as `holds show` prints it
    #[arg(value_name = "ID[@DIGEST]")]
    ids: Vec<String>,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    age: Age,
    /// Why; the agent reads it
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
struct How {
    /// Do not ask again; for scripts. A yes then needs ID@DIGEST: what was looked at
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON: {"items": [{"id", "digest", "decided", "state", "error"}]}, `decided` null
    /// where it is not known; needs --yes
    #[arg(long, requires = "yes")]
    json: bool,
}

/// What is to be decided.
struct Job<'a> {
    verb: &'static str,
    ids: &'a [String],
    filters: &'a Filters,
    before: Option<Timestamp>,
    reason: Option<&'a str>,
    how: &'a How,
}

pub(super) fn approve(
    arguments: &ApproveArguments,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let job = Job {
        verb: "approve",
        ids: &arguments.ids,
        filters: &arguments.filters,
        before: None,
        reason: arguments.reason.as_deref(),
        how: &arguments.how,
    };
    job.run(context)
}

pub(super) fn reject(
    arguments: &RejectArguments,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let job = Job {
        verb: "reject",
        ids: &arguments.ids,
        filters: &arguments.filters,
        before: arguments.age.before()?,
        reason: Some(&arguments.reason),
        how: &arguments.how,
    };
    job.run(context)
}

/// What became of one.
struct Told {
    id: String,
    digest: String,
    result: Result<Hold, Not>,
}

/// Why one was not decided.
enum Not {
    /// It was not, for this reason.
    Decided(String),
    /// Whether it was is not known: there was no answer.
    Known(String),
}

impl Job<'_> {
    fn run(&self, context: &mut Context<'_>) -> Result<Exit, Failure> {
        if self.ids.is_empty() && !self.filters.are_given() && self.before.is_none() {
            let age = if self.verb == "reject" {
                ", --older-than"
            } else {
                ""
            };
            let which = format!("say which: ids, or --as, --rule, --route{age}");
            return Err(Failure::Usage(which));
        }
        self.looked_at()?;
        let client = AdminClient::new(&self.how.admin, context)?;
        let (chosen, mut told) = self.choose(&client)?;
        if !self.how.json {
            self.preview(&chosen, context)?;
        }
        if !chosen.is_empty() && !self.agreed(chosen.len(), context)? {
            context.out.line("nothing was decided")?;
            return Ok(Exit::Found);
        }
        let mut away = None;
        for hold in &chosen {
            told.push(match &away {
                None => self.decide(&client, hold, &mut away)?,
                Some(_) => not(&hold.id, &hold.digest, "the proxy did not answer before it"),
            });
        }
        // What was decided by then is told all the same.
        self.tell(&told, context)?;
        if let Some(failure) = away {
            return Err(failure);
        }
        let failed = told.is_empty() || told.iter().any(|one| one.result.is_err());
        Ok(if failed { Exit::Found } else { Exit::Done })
    }

    /// Whoever is not asked has to say what they looked at: what is there now may be something else.
    fn looked_at(&self) -> Result<(), Failure> {
        let with_digest = |id: &String| {
            id.split_once('@')
                .is_some_and(|(_, digest)| !digest.is_empty())
        };
        let seen = !self.ids.is_empty() && self.ids.iter().all(with_digest);
        if self.verb == "approve" && self.how.yes && !seen {
            return Err(Failure::Usage(
                "with --yes a yes needs ID@DIGEST, as `holds show` and the table print it: what you \
                 looked at"
                    .into(),
            ));
        }
        Ok(())
    }

    /// The holds that are meant, as they are shown now; and those that cannot be.
    fn choose(&self, client: &AdminClient) -> Result<(Vec<Hold>, Vec<Told>), Failure> {
        let (mut chosen, mut told) = (Vec::new(), Vec::new());
        if self.ids.is_empty() {
            for (hold, _) in all(client, "open", self.filters, self.before)? {
                let decidable = match self.verb {
                    "approve" => hold.state == "parked",
                    _ => hold.state != "releasing",
                };
                if !decidable {
                    continue;
                }
                match look(client, &hold.id) {
                    Ok(hold) => chosen.push(hold),
                    Err(failure) => told.push(refused(&hold.id, "", failure)?),
                }
            }
            return Ok((chosen, told));
        }
        for given in self.ids {
            let (id, digest) = given.split_once('@').unwrap_or((given, ""));
            match look(client, id) {
                Ok(hold) => match mismatch(&hold, digest) {
                    None if !self.fits(&hold) => {
                        told.push(not(id, digest, "the filters do not choose it"));
                    }
                    None => chosen.push(hold),
                    Some(why) => told.push(not(id, digest, &why)),
                },
                Err(failure) => told.push(refused(id, digest, failure)?),
            }
        }
        Ok((chosen, told))
    }

    fn fits(&self, hold: &Hold) -> bool {
        self.filters.fit(hold) && self.before.is_none_or(|moment| hold.began_before(moment))
    }

    fn preview(&self, chosen: &[Hold], context: &mut Context<'_>) -> Result<(), Failure> {
        let columns = context.out.columns();
        for (rule, holds) in by_rule(chosen) {
            title(&rule, holds.len(), context)?;
            let mut table = Table::new(&["HOLD", "DIGEST", "AS", "WAITS FOR", "UNTIL"]);
            for hold in holds {
                table.row(vec![
                    visible(&hold.id),
                    short(&hold.digest),
                    visible(&hold.service_account),
                    visible(hold.waits_for.as_deref().unwrap_or("-")),
                    minute(&hold.until),
                ]);
                table.wrapped(&format!("  {}", what(hold)), columns);
            }
            table.print(context.out)?;
            context.out.line("")?;
        }
        Ok(())
    }

    /// Asks once, where a person can be asked.
    fn agreed(&self, count: usize, context: &mut Context<'_>) -> Result<bool, Failure> {
        if self.how.yes {
            return Ok(true);
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(Failure::Usage(
                "there is nobody to ask: look at the table, then pass --yes".into(),
            ));
        }
        io::Write::flush(context.out)?;
        tell(format_args!("{} these {count}? [y/N]", self.verb));
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        Ok(matches!(
            line.trim().to_ascii_lowercase().as_str(),
            "y" | "yes"
        ))
    }

    /// Decides one; a proxy that is `away` is told beside the result.
    fn decide(
        &self,
        client: &AdminClient,
        hold: &Hold,
        away: &mut Option<Failure>,
    ) -> Result<Told, Failure> {
        let target = format!("holds/{}/{}", segment(&hold.id), self.verb);
        let body = json!({ "digest": hold.digest, "reason": self.reason });
        match client.post(&target, &body) {
            Ok(answer) => Ok(Told {
                id: hold.id.clone(),
                digest: hold.digest.clone(),
                result: Ok(read(answer)?),
            }),
            Err(Failure::Unreachable(why)) => {
                let told = Told {
                    id: hold.id.clone(),
                    digest: hold.digest.clone(),
                    result: Err(Not::Known("no answer: look at it again".into())),
                };
                *away = Some(Failure::Unreachable(why));
                Ok(told)
            }
            Err(failure) => refused(&hold.id, &hold.digest, failure),
        }
    }

    fn tell(&self, told: &[Told], context: &mut Context<'_>) -> Result<(), Failure> {
        if self.how.json {
            let items: Vec<Value> = told.iter().map(Told::json).collect();
            context.out.json(&json!({ "items": items }))?;
            return Ok(());
        }
        if told.is_empty() {
            context.out.line("no holds")?;
            return Ok(());
        }
        let mut table = Table::new(&["HOLD", "RESULT"]);
        for one in told {
            let result = match &one.result {
                Ok(hold) => became(self.verb, hold),
                Err(Not::Decided(why)) => format!("nothing decided: {why}"),
                Err(Not::Known(why)) => why.clone(),
            };
            table.row(vec![visible(&one.id), visible(&result)]);
        }
        table.print(context.out)?;
        let done = told.iter().filter(|one| one.result.is_ok()).count();
        context
            .out
            .line(format_args!("{done} of {} decided", told.len()))?;
        Ok(())
    }
}

impl Told {
    fn json(&self) -> Value {
        let (decided, state, error) = match &self.result {
            Ok(hold) => (Some(true), Some(&hold.state), None),
            Err(Not::Decided(why)) => (Some(false), None, Some(why)),
            Err(Not::Known(why)) => (None, None, Some(why)),
        };
        json!({
            "id": self.id,
            "digest": self.digest,
            "decided": decided,
            "state": state,
            "error": error,
        })
    }
}

/// What a yes or no came to.
fn became(verb: &str, hold: &Hold) -> String {
    match (verb, hold.state.as_str()) {
        ("approve", "parked") => {
            let whom = hold.waits_for.as_deref().unwrap_or("others");
            let agreed = visible(&hold.approved_by.join(", "));
            format!("yes noted; agreed so far: {agreed}; asked: {whom}")
        }
        ("approve", _) if hold.release == "now" => "approved; being sent".into(),
        ("approve", _) => format!("approved; is sent {}", hold.release),
        (_, state) => state.to_owned(),
    }
}

pub(super) fn look(client: &AdminClient, id: &str) -> Result<Hold, Failure> {
    read(client.get(&format!("holds/{}", segment(id)))?)
}

/// A refusal is the result of one hold; anything else ends the verb.
fn refused(id: &str, digest: &str, failure: Failure) -> Result<Told, Failure> {
    match failure {
        Failure::Refused(why) => Ok(not(id, digest, &why)),
        Failure::Usage(_)
        | Failure::Unreachable(_)
        | Failure::Config(_)
        | Failure::Rules(_)
        | Failure::Output(_) => Err(failure),
    }
}

fn not(id: &str, digest: &str, why: &str) -> Told {
    Told {
        id: id.to_owned(),
        digest: digest.to_owned(),
        result: Err(Not::Decided(why.to_owned())),
    }
}

/// Why a hold is not the one that a person looked at.
fn mismatch(hold: &Hold, digest: &str) -> Option<String> {
    if digest.is_empty() || (digest.len() >= DIGEST_LEAST && hold.digest.starts_with(digest)) {
        return None;
    }
    Some(if digest.len() < DIGEST_LEAST {
        format!("a digest has at least {DIGEST_LEAST} characters")
    } else {
        "it is not what was shown any more: look at it again".to_owned()
    })
}

fn short(digest: &str) -> String {
    visible(&digest.chars().take(DIGEST_SHOWN).collect::<String>())
}
