//! Single mails and forms: nothing leaves, and the contact's properties are written as the portal
//! would write them first.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::log::EffectKind;
use super::Session;
use super::error::Error;

impl Session<'_> {
    /// `None` for other paths.
    pub(super) fn route_sends(
        &mut self,
        method: &str,
        path: &[&str],
    ) -> Option<Result<Answer, Error>> {
        if method != "POST" {
            return None;
        }
        match path {
            ["marketing", "transactional", "single-email", "send"]
            | ["marketing", "email" | "email-campaigns", "single-send"]
            | ["email", "public", "singleEmail", "send"] => Some(self.single_send()),
            ["submissions", "integration", "submit", _, _]
            | ["submissions", "integration", "secure", "submit", _, _] => Some(self.form()),
            _ => None,
        }
    }

    fn single_send(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let to = body.get("message").and_then(|message| message.get("to"));
        let to = to.and_then(Value::as_str).unwrap_or_default().to_owned();
        let properties = match body.get("contactProperties") {
            Some(Value::Array(list)) => listed(list),
            Some(Value::Object(properties)) => properties.clone(),
            _ => Map::new(),
        };
        if !properties.is_empty() {
            self.written_first(&to, properties)?;
        }
        let id = self.portal.new_id();
        self.portal.store.note("single-send", &id, EffectKind::Sent);
        Ok(Answer::json(
            200,
            json!({"statusId": id, "sendResult": "SENT", "status": "COMPLETE"}),
        ))
    }

    fn form(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let fields = body.get("fields").and_then(Value::as_array);
        let properties = listed(fields.map_or(&[][..], Vec::as_slice));
        let email = properties.get("email").and_then(Value::as_str);
        let email = email.unwrap_or_default().to_owned();
        self.written_first(&email, properties)?;
        let id = self.portal.new_id();
        self.portal
            .store
            .note("form-submissions", &id, EffectKind::Sent);
        Ok(Answer::json(200, json!({"inlineMessage": "Thanks"})))
    }

    fn written_first(&mut self, email: &str, properties: Map<String, Value>) -> Result<(), Error> {
        let record = Map::from_iter([("properties".to_owned(), Value::Object(properties))]);
        self.upserted(super::kind("contacts")?, email, record)?;
        Ok(())
    }
}

fn listed(list: &[Value]) -> Map<String, Value> {
    list.iter()
        .filter_map(|one| {
            let value = one.get("value").cloned().unwrap_or_default();
            Some((one.get("name")?.as_str()?.to_owned(), value))
        })
        .collect()
}
