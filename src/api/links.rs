//! Which operation goes on where another one ended: what is in an answer and names a thing is a parameter elsewhere.

use utoipa::openapi::RefOr;
use utoipa::openapi::link::{Link, LinkBuilder};
use utoipa::openapi::path::Operation;

/// Where an answer has the id of what it is about: created, or the first of a list.
const ID: &str = "$response.body#/id";
/// See [`ID`].
const FIRST: &str = "$response.body#/items/0/id";
/// An item of a batch names what was asked for; what came of it is there only where something did.
const RECORDED: &str = "$response.body#/items/0/activity/id";
/// See [`RECORDED`].
const DECIDED: &str = "$response.body#/items/0/decision/id";

/// From an operation, with where its answer has what goes into which parameter of which operations.
type Leads = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const LEADS: &[Leads] = &[
    ("create_invitation", &[("id", ID)], &["revoke_invitation"]),
    ("list_invitations", &[("id", FIRST)], &["revoke_invitation"]),
    ("create_grant", &[("id", ID)], &["narrow_grant", "revoke_grant"]),
    ("list_grants", &[("id", FIRST)], &["narrow_grant", "revoke_grant"]),
    ("list_devices", &[("id", FIRST)], &["update_device", "revoke_device"]),
    ("create_party", &[("id", ID)], &["get_party", "update_party", "put_member", "put_role"]),
    ("create_party", &[("alias_id", ID)], &["put_alias"]),
    ("list_parties", &[("id", FIRST)], &["get_party", "update_party"]),
    ("list_parties", &[("party_id", FIRST)], &["put_member"]),
    ("put_member", &[("id", "$request.path.id"), ("party_id", "$request.path.party_id")], &["delete_member"]),
    ("put_role", &[("id", "$request.path.id"), ("role", "$request.path.role")], &["delete_role"]),
    ("create_daybook", &[("id", ID)], &["download_daybook", "list_outcomes"]),
    ("list_daybooks", &[("id", FIRST)], &["download_daybook", "list_outcomes"]),
    ("record_activities", &[("id", RECORDED)], OF_ACTIVITY),
    ("list_activities", &[("id", FIRST)], OF_ACTIVITY),
    ("list_cards", &[("id", FIRST)], &["lease_card"]),
    ("decide", &[("id", DECIDED)], &["get_decision"]),
    ("list_decisions", &[("id", FIRST)], &["get_decision"]),
    ("list_accounts", &[("id", FIRST)], &["get_account", "get_statement", "close_account"]),
    ("create_period", &[("id", ID)], &["get_period"]),
    ("list_periods", &[("id", FIRST)], &["get_period"]),
    ("get_rules", &[("version", VERSION)], &["get_rules_version", "compare_rules"]),
    ("get_rules", &[], &["put_rules"]),
    ("put_rules", &[("version", VERSION)], &["get_rules_version", "compare_rules"]),
    ("create_neighbourhood", &[("id", ID)], &["list_quarantine"]),
    ("list_neighbourhoods", &[("id", FIRST)], &["list_quarantine"]),
    (
        "list_quarantine",
        &[
            ("id", "$request.path.id"),
            ("daybook_id", "$response.body#/items/0/daybook_id"),
            ("hash", "$response.body#/items/0/hash"),
        ],
        &["download_quarantined", "replay_quarantined"],
    ),
];

/// What there is to do with one activity.
const OF_ACTIVITY: &[&str] = &["get_activity", "list_versions", "list_replies", "reply_to_activity"];
/// Where an answer has the number of rules.
const VERSION: &str = "$response.body#/version";

/// Adds the links of an operation to its good answers.
pub fn add(path: &str, operation: &mut Operation) {
    let Some(id) = operation.operation_id.clone() else { return };
    let leads = LEADS.iter().filter(|(from, _, _)| *from == id);
    let mut links: Vec<(String, Link)> = leads
        .flat_map(|(_, parameters, targets)| {
            targets.iter().map(|target| ((*target).to_owned(), link(target, parameters)))
        })
        .collect();
    links.extend(next_page(path, &id, operation).map(|link| ("next_page".to_owned(), link)));
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.links.extend(links.iter().map(|(name, link)| (name.clone(), link.clone().into())));
        }
    }
}

fn link(target: &str, parameters: &[(&str, &str)]) -> Link {
    let link = LinkBuilder::new().operation_id(target);
    parameters.iter().fold(link, |link, (name, value)| link.parameter(*name, *value)).build()
}

/// A list in pages goes on with itself.
fn next_page(path: &str, id: &str, operation: &Operation) -> Option<Link> {
    let paged = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name == "after",
        RefOr::Ref(_) => false,
    });
    let mut parameters = vec![("after", "$response.body#/next")];
    if path.contains("{id}") {
        parameters.push(("id", "$request.path.id"));
    }
    paged.then(|| link(id, &parameters))
}
