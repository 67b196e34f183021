//! What the field ownership matrix says of a mutation.

use super::{Court, Judgement, parts};
use crate::mutation::{CrmKind, Effect, Operation, Reason, ReasonKind, field, is_blank};
use crate::policy::finding::Finding;
use crate::policy::matrix::{ObjectRows, Row, Word};
use crate::policy::scene::{Scene, Seen};
use crate::policy::value::same;

/// What a lead conversion makes (SOAP API, `convertLead`).
const CONVERSION_MAKES: [&str; 3] = ["Account", "Contact", "Opportunity"];

/// Adds what rows and defaults say.
pub(super) fn judge(
    court: &Court<'_>,
    index: usize,
    operation: Operation,
    scene: &Scene<'_>,
    judgement: &mut Judgement,
) {
    let mut bench = Bench {
        court,
        index,
        scene,
        judgement,
    };
    let mutation = scene.mutation;
    let rows = court.rows(&mutation.object);
    for part in parts(operation) {
        bench.operation(&rows, *part, *part != Operation::Update);
    }
    if mutation.operation == Operation::Upsert {
        bench.operation(&rows, Operation::Upsert, false);
    }
    if operation == Operation::Convert && court.question.crm == CrmKind::Salesforce {
        for object in CONVERSION_MAKES {
            bench.operation(&court.rows(object), Operation::Create, true);
        }
    }
    for name in mutation.fields.keys() {
        bench.field(&rows, name, writes_fields(operation));
    }
}

/// Whether the fields of an operation are values of a record, so that unnamed ones fall to defaults.
/// The parts of a message or of a call are judged with their operation; a row that names one of them
/// still applies.
fn writes_fields(operation: Operation) -> bool {
    match operation {
        Operation::Create
        | Operation::Update
        | Operation::Upsert
        | Operation::Restore
        | Operation::Merge
        | Operation::Convert
        | Operation::Import => true,
        Operation::Delete
        | Operation::Purge
        | Operation::Associate
        | Operation::Dissociate
        | Operation::Send
        | Operation::Export
        | Operation::Invoke
        | Operation::Schema
        | Operation::Settings
        | Operation::Credential => false,
    }
}

/// The rows that speak for one object.
struct Rows<'r> {
    object: &'r str,
    list: Vec<&'r ObjectRows>,
}

impl<'r> Court<'r> {
    fn rows<'o>(&self, object: &'o str) -> Rows<'o>
    where
        'r: 'o,
    {
        let folded = object.to_ascii_lowercase();
        let mut list = Vec::new();
        for file in &self.files {
            list.extend(file.rows(&folded));
        }
        Rows { object, list }
    }

    /// What speaks for what no row names: the object's defaults, else the files'.
    fn defaults<'o>(&self, rows: &Rows<'o>) -> (Naming<'o>, Vec<&'o Row>)
    where
        'r: 'o,
    {
        let of_object: Vec<_> = rows
            .list
            .iter()
            .filter_map(|rows| rows.default.as_ref())
            .collect();
        if of_object.is_empty() {
            let of_files = self.files.iter().filter_map(|file| file.default.as_ref());
            (Naming::Default, of_files.collect())
        } else {
            (Naming::ObjectDefault(rows.object), of_object)
        }
    }
}

/// How the one who speaks is named in reasons. Names are made only when they are needed.
#[derive(Clone, Copy)]
enum Naming<'n> {
    Operation(&'n str, Operation),
    Field(&'n str, &'n str),
    ObjectDefault(&'n str),
    Default,
}

impl Naming<'_> {
    fn rule(self) -> String {
        match self {
            Self::Operation(object, operation) => format!("operation {object}.{operation}"),
            Self::Field(object, field) => format!("field {object}.{field}"),
            Self::ObjectDefault(object) => format!("default {object}"),
            Self::Default => "default".to_owned(),
        }
    }

    fn kind(self) -> ReasonKind {
        match self {
            Self::Operation(..) => ReasonKind::Operation,
            Self::Field(..) => ReasonKind::Field,
            Self::ObjectDefault(_) | Self::Default => ReasonKind::Default,
        }
    }
}

struct Bench<'b, 'q> {
    court: &'b Court<'q>,
    index: usize,
    scene: &'b Scene<'q>,
    judgement: &'b mut Judgement,
}

impl Bench<'_, '_> {
    /// The rows beside `fields`. There is no prior value to look at: `fill-else-*` takes its else.
    fn operation(&mut self, rows: &Rows<'_>, operation: Operation, needs_row: bool) {
        let mut naming = Naming::Operation(rows.object, operation);
        let mut list: Vec<_> = rows
            .list
            .iter()
            .flat_map(|rows| &rows.operations)
            .filter(|(named, _)| *named == operation)
            .map(|(_, row)| row)
            .collect();
        if list.is_empty() && needs_row {
            (naming, list) = self.court.defaults(rows);
            if list.is_empty() {
                self.note(naming, naming.kind(), Effect::Deny, None, &Row::default());
            }
        }
        for row in list {
            let effect = self.word(row).without_prior();
            self.note(naming, naming.kind(), effect, None, row);
        }
    }

    /// One written field.
    fn field(&mut self, rows: &Rows<'_>, name: &str, has_default: bool) {
        let folded = name.to_ascii_lowercase();
        let mut naming = Naming::Field(rows.object, name);
        let mut list = Vec::new();
        for rows in &rows.list {
            let places = rows.field_index.find(&folded).into_iter();
            list.extend(places.filter_map(|place| rows.fields.get(place)));
        }
        if list.is_empty() && has_default {
            (naming, list) = self.court.defaults(rows);
            if list.is_empty() {
                let kind = naming.kind();
                self.note(naming, kind, Effect::Deny, Some(name), &Row::default());
            }
        }
        for row in list {
            let (kind, effect) = match self.word(row) {
                Word::Is(effect) => (naming.kind(), effect),
                Word::FillElse(effect) => match self.scene.field_before(name) {
                    Seen::NotRead => {
                        self.judgement.pending = true;
                        continue;
                    }
                    Seen::CannotTell => (ReasonKind::PriorUnknown, effect),
                    Seen::Value(prior) => {
                        let prior = prior.as_deref();
                        if is_blank(prior) || same(prior, field(&self.scene.mutation.fields, name))
                        {
                            continue;
                        }
                        (ReasonKind::Filled, effect)
                    }
                },
            };
            self.note(naming, kind, effect, Some(name), row);
        }
    }

    fn word(&self, row: &Row) -> Word {
        row.word(&self.court.question.actor.service_account)
    }

    fn note(
        &mut self,
        naming: Naming<'_>,
        kind: ReasonKind,
        effect: Effect,
        field: Option<&str>,
        row: &Row,
    ) {
        if effect == Effect::Allow {
            return;
        }
        let reason = Reason {
            effect,
            kind,
            rule: naming.rule(),
            mutation: Some(self.index),
            field: field.map(str::to_owned),
            message: message(kind, effect, row),
            owner: row.owner.clone(),
        };
        let need = self.court.set.decided_by(row.owner.as_deref());
        self.judgement.findings.push(Finding::of_row(reason, need));
    }
}

/// Why, in a few words, without any value.
pub(super) fn message(kind: ReasonKind, effect: Effect, row: &Row) -> String {
    let why = match kind {
        ReasonKind::Filled => "already has a value",
        ReasonKind::PriorUnknown => "its present value could not be read",
        ReasonKind::Field
        | ReasonKind::Operation
        | ReasonKind::Default
        | ReasonKind::Rule
        | ReasonKind::Endpoint => match (&row.owner, effect) {
            (Some(_), _) => "",
            (None, Effect::Hold) => "a person decides",
            (None, Effect::Allow | Effect::Deny) => "no row allows it",
        },
    };
    let owner = row.owner.as_ref().map(|owner| format!("owned by {owner}"));
    let parts = [Some(why.to_owned()), owner, row.note.clone()];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("; ")
}
