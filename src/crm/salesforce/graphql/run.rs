//! What a document calls when it runs: one operation, its fragments laid open, its variables and
//! directives resolved.

use serde_json::{Map, Value};

use super::super::body::{Refused, malformed};
use super::syntax::{Directive, Document, Kind, Literal, Operation, Selection};

/// Fields that are looked at; fragments that name each other many times must not cost more.
const MOST: usize = 10_000;

/// A mutation that is called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Called {
    /// The key of the `uiapi` field that it stands in.
    pub(super) parent: String,
    /// Its own key in the answer.
    pub(super) key: String,
    /// `AccountCreate`.
    pub(super) name: String,
    /// Its input.
    pub(super) input: Map<String, Value>,
}

/// The mutations that the document calls, in their order; none for a query.
pub(super) fn calls(
    document: &Document,
    name: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<Vec<Called>, Refused> {
    let operations = &document.operations;
    if operations.iter().all(|one| one.kind == Kind::Query) {
        return Ok(Vec::new());
    }
    // which of several runs is told elsewhere than in the document: a second reading
    let [operation] = operations.as_slice() else {
        return Err(malformed(
            "GraphQL: a document with a mutation has one operation: send the others by themselves",
        ));
    };
    if name.is_some() && name != operation.name.as_deref() {
        return Err(malformed("GraphQL: operationName names no operation"));
    }
    if operation.kind == Kind::Subscription {
        return Err(Refused::Opaque(
            "GraphQL: subscriptions are not understood".into(),
        ));
    }
    let mut run = Run {
        document,
        operation,
        variables,
        left: MOST,
        open: Vec::new(),
    };
    if !run.runs(&operation.directives)? {
        return Err(malformed("GraphQL: a mutation that is left out"));
    }
    run.root()
}

/// A field of a selection as it runs.
struct Field<'d> {
    key: &'d str,
    name: &'d str,
    arguments: &'d [(String, Literal)],
    selections: &'d [Selection],
}

struct Run<'d> {
    document: &'d Document,
    operation: &'d Operation,
    variables: &'d Map<String, Value>,
    left: usize,
    /// The fragments that are being laid open.
    open: Vec<&'d str>,
}

impl<'d> Run<'d> {
    fn root(&mut self) -> Result<Vec<Called>, Refused> {
        let mut called = Vec::new();
        let mut keys: Vec<&str> = Vec::new();
        for outer in self.fields(&self.operation.selections)? {
            if outer.name == "__typename" {
                continue;
            }
            if outer.name != "uiapi" {
                return Err(Refused::Opaque(
                    "GraphQL: a mutation below something else than uiapi is not understood".into(),
                ));
            }
            once(&mut keys, outer.key)?;
            self.flags(outer.arguments)?;
            let mut inner_keys: Vec<&str> = Vec::new();
            for inner in self.fields(outer.selections)? {
                once(&mut inner_keys, inner.key)?;
                if inner.name == "__typename" {
                    continue;
                }
                called.push(Called {
                    parent: outer.key.to_owned(),
                    key: inner.key.to_owned(),
                    name: inner.name.to_owned(),
                    input: self.input(inner.arguments)?,
                });
            }
        }
        if called.is_empty() {
            return Err(malformed("GraphQL: the mutation calls nothing"));
        }
        Ok(called)
    }

    /// The fields of a selection that run.
    fn fields(&mut self, selections: &'d [Selection]) -> Result<Vec<Field<'d>>, Refused> {
        let mut fields = Vec::new();
        for selection in selections {
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| malformed(format!("GraphQL: more than {MOST} fields")))?;
            match selection {
                Selection::Field {
                    key,
                    name,
                    arguments,
                    directives,
                    selections,
                } => {
                    if self.runs(directives)? {
                        fields.push(Field {
                            key,
                            name,
                            arguments,
                            selections,
                        });
                    }
                }
                Selection::Inline {
                    directives,
                    selections,
                } => {
                    if self.runs(directives)? {
                        fields.extend(self.fields(selections)?);
                    }
                }
                Selection::Spread { name, directives } => {
                    if self.runs(directives)? {
                        fields.extend(self.spread(name)?);
                    }
                }
            }
        }
        Ok(fields)
    }

    fn spread(&mut self, name: &'d str) -> Result<Vec<Field<'d>>, Refused> {
        let document = self.document;
        let fragment = document.fragments.iter().find(|one| one.name == name);
        let fragment = fragment.ok_or_else(|| malformed("GraphQL: a fragment is missing"))?;
        if self.open.contains(&name) {
            return Err(malformed("GraphQL: a fragment holds itself"));
        }
        if !self.runs(&fragment.directives)? {
            return Ok(Vec::new());
        }
        self.open.push(name);
        let fields = self.fields(&fragment.selections);
        self.open.pop();
        fields
    }

    /// `@skip` and `@include`; what others do is not known.
    fn runs(&self, directives: &[Directive]) -> Result<bool, Refused> {
        let mut runs = true;
        for directive in directives {
            let keeps = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => {
                    return Err(Refused::Opaque(
                        "GraphQL: a directive other than skip and include is not understood".into(),
                    ));
                }
            };
            let [(name, value)] = directive.arguments.as_slice() else {
                return Err(malformed("GraphQL: a directive has no `if`"));
            };
            match (name.as_str(), self.value(value)?) {
                ("if", Some(Value::Bool(flag))) => runs &= flag == keeps,
                _ => return Err(malformed("GraphQL: a directive's `if` is no boolean")),
            }
        }
        Ok(runs)
    }

    /// The arguments of `uiapi`: `input: {allOrNone: …}`.
    fn flags(&self, arguments: &[(String, Literal)]) -> Result<(), Refused> {
        let fine = match arguments {
            [] => true,
            [(name, value)] if name == "input" => match self.value(value)? {
                Some(Value::Object(members)) => members
                    .iter()
                    .all(|(name, value)| name == "allOrNone" && value.is_boolean()),
                _ => false,
            },
            _ => false,
        };
        if fine {
            Ok(())
        } else {
            Err(malformed("GraphQL: an argument of uiapi is not understood"))
        }
    }

    fn input(&self, arguments: &[(String, Literal)]) -> Result<Map<String, Value>, Refused> {
        match arguments {
            [(name, value)] if name == "input" => match self.value(value)? {
                Some(Value::Object(members)) => Ok(members),
                _ => Err(malformed("GraphQL: the input of a mutation is no object")),
            },
            _ => Err(malformed("GraphQL: a mutation takes one argument, `input`")),
        }
    }

    /// A literal's value; `None` where a variable is not given and has no default: then it counts as not
    /// written.
    fn value(&self, literal: &Literal) -> Result<Option<Value>, Refused> {
        Ok(Some(match literal {
            Literal::Variable(name) => return self.variable(name),
            Literal::Number(number) => crate::crm::json::parse(number.as_bytes())?,
            Literal::Text(text) => Value::from(text.as_str()),
            Literal::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                other => Value::from(other),
            },
            Literal::List(list) => {
                let mut values = Vec::new();
                for literal in list {
                    values.push(self.value(literal)?.unwrap_or(Value::Null));
                }
                Value::Array(values)
            }
            Literal::Object(members) => {
                let mut object = Map::new();
                for (name, literal) in members {
                    if let Some(value) = self.value(literal)? {
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
        }))
    }

    fn variable(&self, name: &str) -> Result<Option<Value>, Refused> {
        let declared = self
            .operation
            .variables
            .iter()
            .find(|(known, _)| known == name);
        let Some((_, default)) = declared else {
            return Err(malformed("GraphQL: a variable is not declared"));
        };
        match (self.variables.get(name), default) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(default)) => self.value(default),
            (None, None) => Ok(None),
        }
    }
}

/// Two fields of one key would be merged, or one of them lost.
fn once<'k>(keys: &mut Vec<&'k str>, key: &'k str) -> Result<(), Refused> {
    if keys.contains(&key) {
        return Err(malformed(
            "GraphQL: two fields have one key in the answer: give each an alias of its own",
        ));
    }
    keys.push(key);
    Ok(())
}
