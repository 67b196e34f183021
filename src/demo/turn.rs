//! One write is left for whoever watches: an agent's, which waits for a yes or no, with the commands that
//! decide it, collect it and take it back.

use std::io;

use serde_json::Value;

use super::ending::program;
use super::house::House;
use super::paper::Paper;
use super::scene::{Ask, Scene, Trouble};
use super::tour::holds;
use crate::sandbox::seed;

/// What waits.
struct Left {
    ask: Ask,
    hold: String,
    entry: String,
}

/// The agent asks; false when its write does not wait.
pub(super) async fn leave(house: &House, paper: &mut Paper<'_>) -> io::Result<bool> {
    let title = "Your turn: one write waits for you";
    let about = "The sales agent wants Stark's deal in the next stage. Say yes or no as Dana; then be the agent \
                 and send the same again.";
    let mut scene = Scene::begin(house, paper, title, about)?;
    let (played, left) = match play(&mut scene).await {
        Ok(left) => (Ok(()), Some(left)),
        Err(trouble) => (Err(trouble), None),
    };
    let told = scene.end(played)?;
    if let Some(left) = left {
        left.pointers(house, paper)?;
    }
    Ok(told)
}

async fn play(scene: &mut Scene<'_, '_>) -> Result<Left, Trouble> {
    let ask = holds::stage(seed::STARK_PLATFORM, "Qualification");
    let seen = scene.ask(&ask).await?;
    let hold = scene.expect_held(&seen)?;
    let entry = seen.reply.entry.unwrap_or_default();
    Ok(Left { ask, hold, entry })
}

impl Left {
    /// What a shell takes, line by line.
    fn pointers(&self, house: &House, paper: &mut Paper<'_>) -> io::Result<()> {
        let Self { hold, entry, .. } = self;
        let writegate = program();
        let groups = [
            (
                "In Dana's terminal, with the variables above: look, then yes or no",
                vec![
                    format!("{writegate} holds show {hold}"),
                    format!("{writegate} holds approve {hold}"),
                    format!("{writegate} holds reject {hold} --reason 'talk to Stark first'"),
                ],
            ),
            (
                "As the agent, in any terminal: the CRM's answer after a yes, your reason after a no",
                vec![self.again(house)],
            ),
            (
                "In Dana's terminal: after a yes, take it back",
                vec![
                    format!("{writegate} revert {entry} --dry-run"),
                    format!("{writegate} revert {entry}"),
                ],
            ),
        ];
        for (title, lines) in groups {
            paper.gap()?;
            paper.heading(title)?;
            for line in lines {
                paper.verbatim(&line)?;
            }
        }
        Ok(())
    }

    /// The agent's own request, as curl sends it.
    fn again(&self, house: &House) -> String {
        let ask = &self.ask;
        let body = ask.body.as_ref().map(Value::to_string).unwrap_or_default();
        format!(
            "curl -i --cacert {} -X {} -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' -d \
             '{body}' https://{}{}",
            house.folder.ca().display(),
            ask.method,
            ask.agent.token(ask.crm),
            house.listens.of(ask.crm),
            ask.target
        )
    }
}
