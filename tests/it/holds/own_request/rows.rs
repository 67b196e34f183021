//! The ways that are tried.

use writegate::config::{Config, Fingerprint, Operator, Role};

use super::super::{DEAL_DESK, OWNER, RULES, SALES_OPS};
use crate::support::house::{KEY, OPERATOR, TOKEN, VIEWER};

const SECOND: &str = "canary-token-of-sue";
const BOTH: &str = "canary-token-of-bob";

/// What the digest of an approval is taken from.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Right,
    None,
    Of(&'static str),
    Prefix,
    Upper,
    Padded,
    Request,
    OtherHold,
    Kind,
    List,
    Twice,
    Misnamed,
    Null,
    Id,
    Entry,
}

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) rules: &'static str,
    pub(super) change: fn(&mut Config),
    pub(super) claims: &'static [(&'static str, &'static str)],
    /// A deal that takes two people.
    pub(super) large: bool,
    pub(super) tries: &'static [(&'static str, Shown)],
    /// Who can approve it all the same, where that is not dana, and deb for a large deal.
    right: &'static [&'static str],
}

impl Row {
    /// Who can approve it all the same.
    pub(super) fn right(&self) -> Vec<&'static str> {
        match (self.right, self.large) {
            ([], true) => vec![OPERATOR, DEAL_DESK],
            ([], false) => vec![OPERATOR],
            (right, _) => right.to_vec(),
        }
    }
}

const PLAIN: Row = Row {
    name: "",
    rules: RULES,
    change: |_| {},
    claims: &[],
    large: false,
    tries: &[],
    right: &[],
};

/// Large deals take two people of any team, one of them of Sales Ops.
const TWO: &str = "
crm: salesforce
default: allow
objects:
  Opportunity:
    fields: { StageName: { agents: hold, owner: Sales Ops } }
rules:
  - { name: two, applies: { object: Opportunity, field: StageName }, then: hold, approvers: 2 }
";

fn owned_by(config: &mut Config, owner: &str) {
    config.service_accounts[0].owner = Some(owner.into());
}

fn named(config: &mut Config, token: &str, name: &str) {
    let print = Fingerprint::of(token.as_bytes());
    let operator = config.operators.iter_mut().find(|one| one.token == print);
    operator.unwrap().name = name.into();
}

fn with_teams(config: &mut Config, token: &str, roles: &[Role], teams: &[&str]) {
    let name = if token == BOTH { "bob" } else { "sue" };
    config.operators.push(Operator {
        name: name.into(),
        roles: roles.to_vec(),
        teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        token: Fingerprint::of(token.as_bytes()),
    });
}

fn more(config: &mut Config, token: &str, name: &str, role: Role, teams: &[&str]) {
    with_teams(config, token, &[role], teams);
    named(config, token, name);
}

const BY_OWNER: &[(&str, Shown)] = &[(OWNER, Shown::Right)];
const BY_ANN: &[(&str, Shown)] = &[(SALES_OPS, Shown::Right)];

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row { name: "the owner", tries: BY_OWNER, ..PLAIN },
        Row { name: "the owner twice", tries: &[(OWNER, Shown::Right), (OWNER, Shown::Right)], ..PLAIN },
        Row { name: "owner in capitals", change: |c| owned_by(c, "KIM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a capital", change: |c| owned_by(c, "Kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with blanks around", change: |c| owned_by(c, "  kim\t"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a blank inside", change: |c| owned_by(c, "k im"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a hidden letter", change: |c| owned_by(c, "k\u{a0}im"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner by address", change: |c| owned_by(c, "kim@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner by address in capitals", change: |c| owned_by(c, "Kim@Acme.COM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "operator in capitals", change: |c| named(c, OWNER, "KIM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "operator by address", change: |c| named(c, OWNER, "kim@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "both by address", change: |c| { owned_by(c, "KIM@acme.com"); named(c, OWNER, "kim@acme.com"); }, tries: BY_OWNER, ..PLAIN },
        Row { name: "the owner as admin", right: &[SALES_OPS], change: |c| owned_by(c, "dana"), tries: &[(OPERATOR, Shown::Right)], ..PLAIN },
        Row { name: "who it acts for", claims: &[("x-writegate-on-behalf-of", "ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, capital", claims: &[("x-writegate-on-behalf-of", "Ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, address", claims: &[("x-writegate-on-behalf-of", "ann@acme.com")], tries: BY_ANN, ..PLAIN },
        Row { name: "a viewer of the team", tries: &[(VIEWER, Shown::Right)], ..PLAIN },
        Row { name: "the agent's token", tries: &[(TOKEN, Shown::Right)], ..PLAIN },
        Row { name: "an agent's key", tries: &[(KEY, Shown::Right)], ..PLAIN },
        Row { name: "no token", tries: &[("", Shown::Right)], ..PLAIN },
        Row { name: "a made-up token", tries: &[("x", Shown::Right)], ..PLAIN },
        Row { name: "the fingerprint as token", tries: &[("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Shown::Right)], ..PLAIN },
        Row { name: "another team", tries: &[(DEAL_DESK, Shown::Right)], ..PLAIN },
        Row { name: "no team", change: |c| with_teams(c, SECOND, &[Role::Approver], &[]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "an admin of no team", change: |c| with_teams(c, SECOND, &[Role::Admin], &[]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a team of a like name", change: |c| with_teams(c, SECOND, &[Role::Approver], &["Sales Ops EMEA", "SalesOps"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "one of two teams", large: true, tries: BY_ANN, ..PLAIN },
        Row { name: "one person twice", large: true, tries: &[(SALES_OPS, Shown::Right), (SALES_OPS, Shown::Right)], ..PLAIN },
        Row { name: "two of one team", large: true, tries: &[(SALES_OPS, Shown::Right), (OPERATOR, Shown::Right)], ..PLAIN },
        Row { name: "one person of both teams", large: true, change: |c| with_teams(c, BOTH, &[Role::Approver], &["Sales Ops", "Deal Desk"]), tries: &[(BOTH, Shown::Right), (BOTH, Shown::Right)], ..PLAIN },
        Row { name: "the owner for one team", large: true, tries: &[(DEAL_DESK, Shown::Right), (OWNER, Shown::Right)], ..PLAIN },
        Row { name: "who it acts for, for one team", large: true, right: &[OPERATOR, SECOND], claims: &[("x-writegate-on-behalf-of", "deb")], tries: &[(SALES_OPS, Shown::Right), (DEAL_DESK, Shown::Right)],
            change: |c| with_teams(c, SECOND, &[Role::Approver], &["Deal Desk"]), ..PLAIN },
        Row { name: "a viewer for one team", large: true, change: |c| with_teams(c, SECOND, &[Role::Viewer], &["Deal Desk"]), tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "no digest", tries: &[(SALES_OPS, Shown::None)], ..PLAIN },
        Row { name: "an empty digest", tries: &[(SALES_OPS, Shown::Of(""))], ..PLAIN },
        Row { name: "any digest", tries: &[(SALES_OPS, Shown::Of("*"))], ..PLAIN },
        Row { name: "the beginning of the digest", tries: &[(SALES_OPS, Shown::Prefix)], ..PLAIN },
        Row { name: "the digest in capitals", tries: &[(SALES_OPS, Shown::Upper)], ..PLAIN },
        Row { name: "the digest and a blank", tries: &[(SALES_OPS, Shown::Padded)], ..PLAIN },
        Row { name: "the request's digest", tries: &[(SALES_OPS, Shown::Request)], ..PLAIN },
        Row { name: "another hold's digest", tries: &[(SALES_OPS, Shown::OtherHold)], ..PLAIN },
        // the owner, as people write it
        Row { name: "owner with a display name", change: |c| owned_by(c, "Kim Osei <kim@acme.com>"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with the last name first", change: |c| owned_by(c, "Osei, Kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a team", change: |c| owned_by(c, "kim (Sales Ops)"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner as a link", change: |c| owned_by(c, "mailto:kim@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a tag", change: |c| owned_by(c, "kim+agents@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner of a directory", change: |c| owned_by(c, "ACME\\kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with an at sign", change: |c| owned_by(c, "@kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "one of two owners", change: |c| owned_by(c, "lee, kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "the other of two owners", change: |c| owned_by(c, "kim/lee"), tries: BY_OWNER, ..PLAIN },
        Row { name: "the owner beside a second entry of theirs", change: |c| { more(c, SECOND, "kim@acme.com", Role::Admin, &["Sales Ops"]); }, tries: &[(OWNER, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        // who it acts for, as agents write it
        Row { name: "who it acts for, among others", claims: &[("x-writegate-on-behalf-of", "deb, ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, display name", claims: &[("x-writegate-on-behalf-of", "Ann Lee <ann.lee@acme.com>")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, kind of id", claims: &[("x-writegate-on-behalf-of", "user:ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, link", claims: &[("x-writegate-on-behalf-of", "https://crm.acme.com/users/ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "a delegate: the agent of somebody", change: |c| c.service_accounts[1].owner = Some("ann".into()), claims: &[("x-writegate-on-behalf-of", "sdr-agent")], tries: BY_ANN, ..PLAIN },
        Row { name: "a delegate in capitals, of two people", change: |c| c.service_accounts[1].owner = Some("lee; Ann".into()), claims: &[("x-writegate-on-behalf-of", "SDR-Agent for lee")], tries: BY_ANN, ..PLAIN },
        // one person, two entries
        Row { name: "two names of one person, two teams", large: true, change: |c| more(c, SECOND, "ann@acme.com", Role::Approver, &["Deal Desk"]), tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "two names of one person, other case", large: true, change: |c| more(c, SECOND, "Ann", Role::Approver, &["Deal Desk"]), tries: &[(SECOND, Shown::Right), (SALES_OPS, Shown::Right)], ..PLAIN },
        Row { name: "one name twice", large: true, change: |c| more(c, SECOND, "ann", Role::Approver, &["Deal Desk"]), tries: BY_ANN, ..PLAIN },
        Row { name: "one name twice, both said", large: true, change: |c| more(c, SECOND, "ann", Role::Approver, &["Deal Desk"]), tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "two people who are one by a third name", large: true, right: &[OPERATOR, DEAL_DESK], change: |c| { more(c, SECOND, "ann@acme.com", Role::Approver, &["Deal Desk"]); more(c, BOTH, "ANN", Role::Viewer, &[]); }, tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "two of any: one person under two names", rules: TWO, large: true, change: |c| more(c, SECOND, "ann@acme.com", Role::Approver, &["Sales Ops"]), tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "two of any: one person twice", rules: TWO, large: true, tries: &[(OPERATOR, Shown::Right), (OPERATOR, Shown::Right)], ..PLAIN },
        Row { name: "two of any: the owner is one", rules: TWO, large: true, tries: &[(SALES_OPS, Shown::Right), (OWNER, Shown::Right)], ..PLAIN },
        Row { name: "two of any: a viewer is one", rules: TWO, large: true, tries: &[(SALES_OPS, Shown::Right), (VIEWER, Shown::Right)], ..PLAIN },
        Row { name: "two of any: nobody of the team", rules: TWO, large: true, right: &[DEAL_DESK, SECOND, OPERATOR], change: |c| with_teams(c, SECOND, &[Role::Approver], &["Deal Desk"]), tries: &[(DEAL_DESK, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        // teams that are none
        Row { name: "a team that lists two", large: true, change: |c| with_teams(c, SECOND, &[Role::Approver], &["Sales Ops, Deal Desk"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a team that is a pattern", change: |c| with_teams(c, SECOND, &[Role::Approver], &["*", "", "Sales*", ".*"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a team with a hidden letter", change: |c| with_teams(c, SECOND, &[Role::Approver], &["Sales\u{200b} Ops"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a team within the team", change: |c| with_teams(c, SECOND, &[Role::Approver], &["Sales Ops/EMEA", "Sales"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a name like the team", change: |c| more(c, SECOND, "Sales Ops", Role::Approver, &[]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "no role", change: |c| with_teams(c, SECOND, &[], &["Sales Ops"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        // the digest
        Row { name: "the digest with its kind", tries: &[(SALES_OPS, Shown::Kind)], ..PLAIN },
        Row { name: "the digest as a list", tries: &[(SALES_OPS, Shown::List)], ..PLAIN },
        Row { name: "the digest twice", tries: &[(SALES_OPS, Shown::Twice)], ..PLAIN },
        Row { name: "the digest under another name", tries: &[(SALES_OPS, Shown::Misnamed)], ..PLAIN },
        Row { name: "null for a digest", tries: &[(SALES_OPS, Shown::Null)], ..PLAIN },
        Row { name: "the id for a digest", tries: &[(SALES_OPS, Shown::Id)], ..PLAIN },
        Row { name: "the entry for a digest", tries: &[(SALES_OPS, Shown::Entry)], ..PLAIN },
    ]
}
