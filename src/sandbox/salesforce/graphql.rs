//! GraphQL mutations, read by hand: what clients write, without fragments.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::schema;

/// A field as it is written.
struct Field {
    key: String,
    name: String,
    input: Value,
    inner: Vec<Field>,
}

impl Session<'_> {
    /// `POST /graphql`.
    pub(super) fn graphql(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let text = body.get("query").and_then(Value::as_str).unwrap_or("");
        let variables = body.get("variables").cloned().unwrap_or_default();
        let mut reader = Reader {
            words: words(text),
            at: 0,
            variables,
        };
        let Some(fields) = reader.mutation() else {
            return Ok(Answer::json(200, json!({ "data": {}, "errors": [] })));
        };
        let mut data = Map::new();
        let mut errors = Vec::new();
        for outer in fields {
            let all_or_none = outer.input.get("allOrNone") != Some(&json!(false));
            let before = self.org.clone();
            let mut done = Map::new();
            for call in &outer.inner {
                match self.mutate(call) {
                    Ok(answer) => done.insert(call.key.clone(), answer),
                    Err(error) => {
                        let path = [&outer.key, &call.key];
                        errors.push(json!({ "message": error.message, "path": path,
                            "extensions": { "ErrorType": error.code } }));
                        done.insert(call.key.clone(), Value::Null)
                    }
                };
            }
            if all_or_none && !errors.is_empty() {
                *self.org = before;
                done.values_mut().for_each(|value| *value = Value::Null);
            }
            data.insert(outer.key.clone(), Value::Object(done));
        }
        Ok(Answer::json(200, json!({ "data": data, "errors": errors })))
    }

    fn mutate(&mut self, call: &Field) -> Result<Value, Error> {
        let unknown = || Error::new(400, "ValidationError", format!("no field {}", call.name));
        let split = call.name.len().saturating_sub(6);
        let (name, kind) = call.name.split_at_checked(split).ok_or_else(unknown)?;
        let object = schema::object(name).ok_or_else(unknown)?;
        let fields = call.input.get(name).and_then(Value::as_object);
        let fields = fields.cloned().unwrap_or_default();
        let id = call.input.get("Id").and_then(Value::as_str).unwrap_or("");
        match kind {
            "Create" => {
                let id = self.create(object, &fields)?;
                Ok(json!({ "Record": { "Id": id } }))
            }
            "Update" => {
                let id = self.locate(object, id)?;
                self.update(object, &id, &fields)?;
                Ok(json!({ "success": true }))
            }
            "Delete" => {
                self.delete_row(object, id)?;
                Ok(json!({ "Id": id }))
            }
            _ => Err(unknown()),
        }
    }
}

/// Marks one by one, names and numbers, strings with their quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut word = letter.to_string();
        if letter == '"' {
            let mut escaped = false;
            for next in letters.by_ref() {
                word.push(next);
                if next == '"' && !escaped {
                    break;
                }
                escaped = next == '\\' && !escaped;
            }
        } else if letter.is_alphanumeric() || letter == '_' || letter == '-' {
            while let Some(next) =
                letters.next_if(|next| next.is_alphanumeric() || "_.+-".contains(*next))
            {
                word.push(next);
            }
        } else if letter.is_whitespace() || letter == ',' {
            continue;
        }
        words.push(word);
    }
    words
}

struct Reader {
    words: Vec<String>,
    at: usize,
    variables: Value,
}

impl Reader {
    fn next(&mut self) -> String {
        let word = self.words.get(self.at).cloned().unwrap_or_default();
        self.at += 1;
        word
    }

    fn takes(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(there);
        there
    }

    /// The fields of a mutation; nothing for a query.
    fn mutation(&mut self) -> Option<Vec<Field>> {
        if !self.takes("mutation") {
            return None;
        }
        while self.at < self.words.len() && !self.takes("{") {
            if self.takes("(") {
                while self.at < self.words.len() && !self.takes(")") {
                    self.at += 1;
                }
            } else {
                self.at += 1;
            }
        }
        Some(self.fields())
    }

    fn fields(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        while self.at < self.words.len() && !self.takes("}") {
            let first = self.next();
            let (key, name) = if self.takes(":") {
                (first, self.next())
            } else {
                (first.clone(), first)
            };
            let mut input = Value::Null;
            if self.takes("(") {
                while self.at < self.words.len() && !self.takes(")") {
                    self.next();
                    self.takes(":");
                    input = self.value();
                }
            }
            let inner = if self.takes("{") {
                self.fields()
            } else {
                Vec::new()
            };
            fields.push(Field {
                key,
                name,
                input,
                inner,
            });
        }
        fields
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox must not share the proxy's parser"
    )]
    fn value(&mut self) -> Value {
        if self.takes("$") {
            let name = self.next();
            return self.variables.get(&name).cloned().unwrap_or_default();
        }
        if self.takes("{") {
            let mut members = Map::new();
            while self.at < self.words.len() && !self.takes("}") {
                let name = self.next();
                self.takes(":");
                members.insert(name, self.value());
            }
            return Value::Object(members);
        }
        let word = self.next();
        serde_json::from_str(&word).unwrap_or(Value::String(word))
    }
}
