//! What the org says of itself: versions, resources, limits, objects and their fields.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::seed;
use super::Session;
use super::error::Error;
use super::org::visible;
use super::schema::{self, Field, Kind, Object, Source};

/// Calls a day, as `/limits` and `Sforce-Limit-Info` say.
pub(super) const DAILY_CALLS: u64 = 100_000;

/// The first and the last API version that is served.
const VERSIONS: std::ops::RangeInclusive<u32> = 31..=68;

/// Whether a path segment names a version that is served: `v60.0`.
pub(super) fn is_version(segment: &str) -> bool {
    VERSIONS
        .clone()
        .any(|version| segment == format!("v{version}.0"))
}

/// `GET /services/data`; needs no token.
pub(super) fn versions() -> Answer {
    let seasons = ["Spring", "Summer", "Winter"];
    let versions = VERSIONS.map(|version| {
        // three a year: 30.0 was Spring '14, 31.0 Summer '14, 32.0 Winter '15
        let season = usize::try_from((version - 30) % 3).unwrap_or(0);
        let year = 14 + (version - 29) / 3;
        json!({
            "label": format!("{} '{year}", seasons.get(season).copied().unwrap_or("Spring")),
            "url": format!("/services/data/v{version}.0"),
            "version": format!("{version}.0"),
        })
    });
    Answer::json(200, versions.collect())
}

/// Whose token this is, as the identity URL says.
pub(super) fn identity(base: &str) -> Answer {
    let id = format!(
        "{base}/id/{}/{}",
        seed::ORGANIZATION,
        seed::INTEGRATION_USER
    );
    let rest = format!("{base}/services/data/v{{version}}/");
    Answer::json(
        200,
        json!({
            "id": id,
            "sub": id,
            "asserted_user": true,
            "user_id": seed::INTEGRATION_USER,
            "organization_id": seed::ORGANIZATION,
            "username": "integration@sandbox.example",
            "preferred_username": "integration@sandbox.example",
            "display_name": "Integration User",
            "name": "Integration User",
            "email": "integration@sandbox.example",
            "user_type": "STANDARD",
            "active": true,
            "profile": format!("{base}/{}", seed::INTEGRATION_USER),
            "picture": format!("{base}/profilephoto/005/F"),
            "photos": {
                "picture": format!("{base}/profilephoto/005/F"),
                "thumbnail": format!("{base}/profilephoto/005/T"),
            },
            "urls": {
                "rest": rest,
                "sobjects": format!("{rest}sobjects/"),
                "query": format!("{rest}query/"),
                "recent": format!("{rest}recent/"),
            },
        }),
    )
}

impl Session<'_> {
    /// `GET /services/data/vXX.X`.
    pub(super) fn resources(&self) -> Answer {
        let root = format!("/services/data/{}", self.version);
        let mut resources = Map::new();
        for name in [
            "sobjects",
            "query",
            "queryAll",
            "search",
            "limits",
            "composite",
        ] {
            resources.insert(name.to_owned(), json!(format!("{root}/{name}")));
        }
        let base = super::base_url(self.call.request);
        let id = format!(
            "{base}/id/{}/{}",
            seed::ORGANIZATION,
            seed::INTEGRATION_USER
        );
        resources.insert("identity".to_owned(), json!(id));
        Answer::json(200, Value::Object(resources))
    }

    /// `GET /limits`.
    pub(super) fn limits(&self) -> Answer {
        let left = DAILY_CALLS.saturating_sub(self.org.calls);
        let full = |max: u64| json!({"Max": max, "Remaining": max});
        Answer::json(
            200,
            json!({
                "DailyApiRequests": {"Max": DAILY_CALLS, "Remaining": left},
                "DailyBulkV2QueryJobs": full(10_000),
                "DataStorageMB": full(1024),
                "SingleEmail": full(5000),
            }),
        )
    }

    /// `GET /sobjects`.
    pub(super) fn describe_global(&self) -> Answer {
        let objects: Vec<Value> = schema::objects()
            .iter()
            .map(|object| Value::Object(self.summary(object)))
            .collect();
        let body = json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects});
        Answer::json(200, body)
    }

    /// `GET /sobjects/{type}`.
    pub(super) fn describe_basic(&self, object: &Object) -> Answer {
        let body = json!({"objectDescribe": self.summary(object), "recentItems": []});
        Answer::json(200, body)
    }

    /// `GET /sobjects/{type}/describe`.
    pub(super) fn describe(&self, object: &'static Object) -> Answer {
        let fields: Vec<Value> = visible(object, self.call.token).map(described).collect();
        let mut body = self.summary(object);
        body.insert("fields".to_owned(), json!(fields));
        body.insert("childRelationships".to_owned(), children(object));
        body.insert("recordTypeInfos".to_owned(), json!([]));
        Answer::json(200, Value::Object(body))
    }

    fn summary(&self, object: &Object) -> Map<String, Value> {
        let root = format!("/services/data/{}/sobjects/{}", self.version, object.name);
        let urls = json!({
            "sobject": root,
            "describe": format!("{root}/describe"),
            "rowTemplate": format!("{root}/{{ID}}"),
        });
        let facts = json!({
            "name": object.name,
            "label": label(object.name),
            "labelPlural": object.plural,
            "keyPrefix": object.prefix,
            "custom": object.name.ends_with("__c"),
            "createable": true,
            "updateable": true,
            "deletable": !matches!(object.name, "User" | "Organization"),
            "undeletable": true,
            "queryable": true,
            "retrieveable": true,
            "searchable": true,
            "mergeable": matches!(object.name, "Account" | "Contact" | "Lead"),
            "urls": urls,
        });
        match facts {
            Value::Object(facts) => facts,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        }
    }

    /// The object that a path names.
    pub(super) fn object(name: &str) -> Result<&'static Object, Error> {
        schema::object(name).ok_or_else(Error::not_found)
    }
}

/// The objects whose records name one of these, each by the field that it is.
fn children(parent: &Object) -> Value {
    let of = |child: &'static Object| {
        let mut fields = child.fields();
        let field = fields.find(|field| field.target.is_some_and(|(to, _)| to == parent.name));
        field.map(|field| {
            json!({
                "childSObject": child.name,
                "field": field.name,
                "relationshipName": child.many(),
                "cascadeDelete": false,
            })
        })
    };
    schema::objects().iter().filter_map(of).collect()
}

fn described(field: &Field) -> Value {
    let target: Vec<&str> = field.target.iter().map(|(object, _)| *object).collect();
    json!({
        "name": field.name,
        "label": label(field.name),
        "type": field.kind.word(),
        "length": field.length,
        "createable": field.writable(),
        "updateable": field.writable(),
        "nillable": field.source != Source::Required
            && field.source != Source::System
            && field.kind != Kind::Boolean,
        "defaultedOnCreate": matches!(field.name, "OwnerId" | "ForecastCategoryName")
            || field.kind == Kind::Boolean,
        "externalId": field.external_id,
        "idLookup": field.external_id || field.kind == Kind::Id || field.kind == Kind::Email,
        "unique": false,
        "calculated": field.source == Source::Calculated && field.custom(),
        "autoNumber": field.source == Source::AutoNumber,
        "custom": field.custom(),
        "filterable": field.kind != Kind::TextArea && field.kind != Kind::Address,
        "sortable": field.kind != Kind::TextArea && field.kind != Kind::Address,
        "compoundFieldName": null,
        "picklistValues": [],
        "restrictedPicklist": false,
        "referenceTo": target,
        "relationshipName": field.target.map(|(_, name)| name),
    })
}

/// `AnnualRevenue` → `Annual Revenue`, `AI_Score__c` → `AI Score`.
fn label(name: &str) -> String {
    let name = name.trim_end_matches("__c").replace('_', " ");
    let mut label = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && lower {
            label.push(' ');
        }
        lower = c.is_ascii_lowercase();
        label.push(c);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_season() {
        let body = versions().body.unwrap();
        let label = |version: &str| {
            let rows = body.as_array().unwrap();
            let row = rows.iter().find(|row| row["version"] == version).unwrap();
            row["label"].as_str().unwrap().to_owned()
        };
        assert_eq!(label("31.0"), "Summer '14");
        assert_eq!(label("59.0"), "Winter '24");
        assert_eq!(label("60.0"), "Spring '24");
        assert_eq!(label("64.0"), "Summer '25");
        assert!(is_version("v59.0") && !is_version("v59") && !is_version("v9.0"));
    }

    #[test]
    fn labels_are_words() {
        assert_eq!(label("AnnualRevenue"), "Annual Revenue");
        assert_eq!(label("AI_Score__c"), "AI Score");
    }
}
