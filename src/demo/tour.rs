//! The tour: its scenes in order, and how many of them did what they say.

pub(super) mod holds;
mod ledger;
mod limits;
mod reverts;
mod switches;
mod writes;

use std::future::Future;
use std::io;
use std::pin::Pin;

use super::Ended;
use super::house::House;
use super::paper::Paper;
use super::scene::{Scene, Trouble};

/// A scene plays on a stage of its own.
type Played<'a> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + 'a>>;

/// A scene: heading, a sentence about it, and what happens.
struct Act {
    title: &'static str,
    about: &'static str,
    play: for<'a> fn(&'a mut Scene<'_, '_>) -> Played<'a>,
}

const ACTS: [Act; 14] = [
    Act {
        title: "A blank field is filled",
        about: "The enrichment agent found out what Acme does. Both fields are blank in Salesforce, and \
                the rules let this agent fill blanks.",
        play: |scene| Box::pin(writes::fills(scene)),
    },
    Act {
        title: "The same in HubSpot",
        about: "One set of words for both CRMs: each has its route, its own paths and its own rule pack.",
        play: |scene| Box::pin(writes::fills_hubspot(scene)),
    },
    Act {
        title: "An amount is not the agent's to write",
        about: "Acme's renewal over 250,000 is part of the forecast. Amounts belong to the VP Sales, and \
                the refusal says so in Salesforce's own error shape.",
        play: |scene| Box::pin(writes::denied(scene)),
    },
    Act {
        title: "A fill would overwrite",
        about: "Somebody entered Globex's industry in HubSpot. The same agent, the same field as before, \
                but now there is a value: Writegate reads it first and says no.",
        play: |scene| Box::pin(writes::overwrites(scene)),
    },
    Act {
        title: "A batch with two bad rows",
        about: "Five accounts in one request, two of them have a headcount already. Nothing of it is \
                written; the answer names the rows, so that the agent can send the others.",
        play: |scene| Box::pin(writes::batch(scene)),
    },
    Act {
        title: "A limit is used up",
        about: "The sales agent writes notes into HubSpot. For this demo the budget is three an hour.",
        play: |scene| Box::pin(limits::budget(scene)),
    },
    Act {
        title: "An operator stops an agent, and lets it go on",
        about: "Dana does not like what she sees and stops the enrichment agent: on all routes, reads \
                too, before a request's body is even read.",
        play: |scene| Box::pin(switches::kill_and_resume(scene)),
    },
    Act {
        title: "A stage change waits for two people",
        about: "The sales agent moves a deal of 480,000 on. Stages are decided by Sales Ops, and with deals \
                of this size Deal Desk has to agree too. What they decide about is named by a digest; the \
                agent only has to send the same again.",
        play: |scene| Box::pin(holds::approved(scene)),
    },
    Act {
        title: "A person says no",
        about: "The same with a small deal in HubSpot: one person decides. Why she says no is what the agent \
                reads when it asks again.",
        play: |scene| Box::pin(holds::rejected(scene)),
    },
    Act {
        title: "What was approved has moved",
        about: "Between Dana's look and her yes Kim changes the record in Salesforce itself. What she \
                saw is not what there is, so nothing is sent and she is asked again.",
        play: |scene| Box::pin(holds::drifted(scene)),
    },
    Act {
        title: "A write is taken back, but not over a person's",
        about: "What the enrichment agent filled in for Radium Labs turns out to be wrong; Kim has corrected \
                one of the two fields by then. First a dry run, then the same in earnest.",
        play: |scene| Box::pin(reverts::conflict(scene)),
    },
    Act {
        title: "A trip wire stops an agent that runs away",
        about: "The sales agent is caught in a loop and creates 20 tasks with each request. More than 50 \
                records in two minutes throw its kill switch, without anybody watching.",
        play: |scene| Box::pin(limits::runaway(scene)),
    },
    Act {
        title: "What the runaway left behind is taken back",
        about: "All that the sales agent wrote since its first task of the loop, in one command: what it \
                created is deleted, unless somebody has touched it. Only then it may go on.",
        play: |scene| Box::pin(reverts::aftermath(scene)),
    },
    Act {
        title: "The record of all this is whole",
        about: "Each row of the ledger carries a hash over itself and the row before. `ledger verify` \
                walks that chain.",
        play: |scene| Box::pin(ledger::verify(scene)),
    },
];

/// Plays all scenes.
pub(super) async fn run(house: &House, paper: &mut Paper<'_>) -> io::Result<Ended> {
    opening(house, paper)?;
    let mut failed = Vec::new();
    for (number, act) in (1..).zip(&ACTS) {
        let title = format!("{number}. {}", act.title);
        let mut scene = Scene::begin(house, paper, &title, act.about)?;
        let played = (act.play)(&mut scene).await;
        if !scene.end(played)? {
            failed.push(number.to_string());
        }
        paper.flush()?;
    }
    paper.gap()?;
    let steps = ACTS.len();
    if failed.is_empty() {
        paper.heading(&format!("All {steps} steps did what they say."))?;
        return Ok(Ended::AsTold);
    }
    let failed = failed.join(", ");
    paper.heading(&format!(
        "Of {steps} steps these did something else: {failed}."
    ))?;
    Ok(Ended::Otherwise)
}

fn opening(house: &House, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.heading("Writegate demo")?;
    paper.text(
        "A built-in CRM with the faces of Salesforce and HubSpot runs on this machine, and Writegate \
         stands before it. Scripted agents now write to it as real ones do: HTTPS, a base URL and a \
         token, nothing else; operators run the verbs of this program, and what these say stands behind │, \
         shortened where there is a …. Each step shows what the agent saw, what the ledger says (before → \
         after), and what reached the CRM; then it checks itself.",
    )?;
    if !house.taken.is_empty() {
        let taken: Vec<String> = house.taken.iter().map(u16::to_string).collect();
        let taken = taken.join(", ");
        paper.gap()?;
        paper.text(&format!(
            "Somebody else listens on {taken}; free ports are used instead."
        ))?;
    }
    Ok(())
}
