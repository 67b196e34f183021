//! The people in a step: operators who run verbs, and somebody who changes the CRM itself.

use std::io;
use std::time::Duration;

use serde_json::Value;

use super::{Place, Scene, Trouble};
use crate::demo::cast::Operator;
use crate::demo::verbs::Said;
use crate::hold::{Hold, State};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

/// A release is a read and a write on this machine.
const PATIENCE: Duration = Duration::from_secs(20);

impl Scene<'_, '_> {
    /// What an operator sets once, so that the verbs find this proxy.
    pub(in crate::demo) fn shell(&mut self, who: Operator, names: &[&str]) -> io::Result<()> {
        let mut label = format!("{}'s shell", who.name);
        for (name, value) in self.house.variables(who) {
            if names.contains(&name) {
                self.paper
                    .typed(&label, &format!("export {name}={value}"))?;
                label.clear();
            }
        }
        Ok(())
    }

    /// An operator runs a verb, and it ends with this exit code. What it says is not told yet.
    pub(in crate::demo) async fn runs(
        &mut self,
        who: Operator,
        arguments: &[&str],
        exit: u8,
    ) -> Result<Said, Trouble> {
        let line = command(arguments);
        self.paper.typed(&format!("{} runs", who.name), &line)?;
        let variables = self.house.variables(who);
        let env = variables.map(|(name, value)| (name.to_owned(), value));
        let owned: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let verbs = self.house.verbs;
        // The verb waits for answers that this thread's runtime may have to give.
        let ran = tokio::task::spawn_blocking(move || verbs(&owned, &env.into())).await;
        let said = ran.map_err(|error| format!("{line}: {error}"))?;
        self.check(&format!("exit code of {line}"), exit, said.exit);
        Ok(said)
    }

    /// Lines of what a verb said, as they stand.
    pub(in crate::demo) fn quote(&mut self, lines: &[&str]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.paper.quoted(line))
    }

    /// Waits for as long as a hold is approved or on its way to the CRM; where it stands then.
    pub(in crate::demo) async fn released(&self, id: &str) -> Result<State, Trouble> {
        let app = &self.house.app;
        let slot = app.holds.by_id(id);
        let slot = slot.ok_or_else(|| format!("no hold has the id {id}"))?;
        let on_its_way =
            |hold: &Hold| matches!(hold.state(&app.config), State::Approved | State::Releasing);
        app.holds.wait(&slot, PATIENCE, on_its_way).await;
        let hold = slot.look();
        let hold = hold.ok_or_else(|| format!("hold {id} is not there any more"))?;
        Ok(hold.state(&app.config))
    }

    /// Kim writes a field in the CRM itself, past the proxy.
    pub(in crate::demo) fn kim_sets(
        &mut self,
        place: Place<'_>,
        value: Value,
    ) -> Result<(), Trouble> {
        let (crm, object, id, field) = place;
        let before = self.field(place);
        let set = self.house.sandbox.set_field(crm, object, id, field, value);
        if !set {
            return Err(Trouble::Step(format!("the CRM has no {object} {id}")));
        }
        let (label, kim) = match crm {
            CrmKind::Salesforce => ("in Salesforce", seed::OPERATIONS_USER),
            CrmKind::HubSpot => ("in HubSpot", seed::HS_OPERATIONS_USER),
        };
        let now = self.field(place);
        let text = format!("Kim ({kim}) sets {field}: {before} → {now}");
        Ok(self.say(label, &text)?)
    }
}

/// A command line as it is typed.
pub(in crate::demo) fn command(arguments: &[&str]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/@=".contains(letter);
    let typed = arguments.iter().map(|one| match one.chars().all(plain) {
        true => (*one).to_owned(),
        false => format!("\"{one}\""),
    });
    let words: Vec<String> = std::iter::once("writegate".to_owned())
        .chain(typed)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed() {
        let arguments = ["holds", "reject", "7KQ2@ab12", "--reason", "not yet"];
        let line = r#"writegate holds reject 7KQ2@ab12 --reason "not yet""#;
        assert_eq!(command(&arguments), line);
    }
}
