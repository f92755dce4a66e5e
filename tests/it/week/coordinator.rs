//! A coordinator as a program: sees what the API shows, and is told the truth of what stands in a card only.

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::ids::{ActivityId, PartyId};
use daybook::phone::PhoneError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::play::{World, day};
use crate::support::TestPhone;
use crate::support::desk::{as_seen, became, change, item};

/// More would not come to rest.
const ROUNDS_MAX: usize = 8;
/// Items of one request.
const BATCH: usize = 100;

/// What the coordinator finds out by asking people about one record.
#[derive(Debug, Clone)]
pub struct Told {
    /// It happened.
    pub real: bool,
    /// The record of the same event that counts for both; itself, if there is no other.
    pub event: ActivityId,
    /// Everybody's minutes at the event.
    pub minutes: BTreeMap<PartyId, i64>,
    /// Minutes of all people of an occasion.
    pub total: Option<i64>,
    pub day: String,
}

impl Told {
    /// The truth about an activity.
    pub fn of(world: &World<'_>, id: ActivityId) -> Self {
        let truth = &world.week.records[world.record(id)].truth;
        let event = &world.week.records[truth.event].truth;
        let minutes = event.minutes.iter().map(|(who, minutes)| (world.party(*who), *minutes));
        Self {
            real: truth.real,
            event: world.id(truth.event),
            minutes: minutes.collect(),
            total: event.total,
            day: day(event.day),
        }
    }
}

/// What came of it, over the week.
#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: usize,
    pub rounds: usize,
    /// By their ids, those drawn by lot apart.
    pub cards: BTreeSet<ActivityId>,
    pub audits: BTreeSet<ActivityId>,
    /// Everything that stood in a card that was not only drawn by lot.
    pub carded: BTreeSet<ActivityId>,
    pub decided: BTreeSet<ActivityId>,
    /// Kinds of suspicion, and needs.
    pub kinds: BTreeSet<String>,
    /// Decisions that the server refused.
    pub refused: Vec<String>,
    /// Cards that were left when nothing could be decided any more.
    pub left: Vec<Value>,
}

struct Coordinator<'a> {
    desk: &'a mut TestPhone,
    outcome: &'a mut Outcome,
}

/// Works until there are no cards but those drawn by lot.
pub async fn reconcile(world: &World<'_>, desk: &mut TestPhone, outcome: &mut Outcome) {
    desk.now_ms = world.app.app.now_ms();
    let mut coordinator = Coordinator { desk, outcome };
    for _ in 0..ROUNDS_MAX {
        let cards = coordinator.cards().await;
        coordinator.outcome.left.clone_from(&cards);
        if cards.is_empty() {
            break;
        }
        coordinator.outcome.rounds += 1;
        let met = coordinator.confirm(world, &cards).await;
        let mut items = Vec::new();
        for card in &cards {
            items.extend(coordinator.decide(world, card, &met));
        }
        for batch in items.chunks(BATCH) {
            coordinator.send(batch).await;
        }
        world.app.judge().await;
    }
}

fn ids(value: &Value) -> Vec<ActivityId> {
    serde_json::from_value(value.clone()).expect("ids")
}

fn id(activity: &Value) -> ActivityId {
    serde_json::from_value(activity["id"].clone()).expect("an id")
}

fn records(card: &Value) -> impl Iterator<Item = &Value> {
    card["activities"].as_array().expect("records").iter()
}

/// The minutes that a record says, by party.
fn says(activity: &Value) -> BTreeMap<PartyId, i64> {
    let parties = activity["parties"].as_array().expect("parties").iter();
    let says = parties.map(|one| {
        let party = serde_json::from_value(one["party_id"].clone()).expect("an id");
        (party, one["minutes"].as_i64().expect("minutes"))
    });
    says.collect()
}

/// What an approval has to correct in a record that says this.
fn corrections(activity: &Value, told: &Told) -> Value {
    let says = says(activity);
    let mut corrections = json!({});
    let right = |party: &PartyId| told.minutes.get(party).copied().unwrap_or(0);
    let wrong = says.iter().filter(|(party, minutes)| right(party) != **minutes);
    let wrong: BTreeMap<String, i64> = wrong.map(|(party, _)| (party.to_string(), right(party))).collect();
    if !wrong.is_empty() {
        corrections["minutes"] = json!(wrong);
    }
    if activity["day"].as_str() != Some(told.day.as_str()) {
        corrections["day"] = json!(told.day);
    }
    if told.total.is_some() && activity["person_minutes"].as_i64() != told.total {
        corrections["person_minutes"] = json!(told.total);
    }
    corrections
}

impl Coordinator<'_> {
    async fn get<A: DeserializeOwned>(&mut self, path: &str) -> A {
        self.outcome.requests += 1;
        self.desk.get(path).await.expect("an answer")
    }

    /// All cards that are not only drawn by lot.
    async fn cards(&mut self) -> Vec<Value> {
        let mut cards = Vec::new();
        let mut path = "/v1/cards?limit=200".to_owned();
        loop {
            let page: Value = self.get(&path).await;
            for card in page["items"].as_array().expect("cards") {
                if card["audit_only"] == true {
                    self.outcome.audits.insert(id(card));
                    continue;
                }
                self.outcome.cards.insert(id(card));
                self.outcome.carded.extend(records(card).map(|one| id(&one["activity"])));
                self.note_kinds(card);
                cards.push(card.clone());
            }
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/cards?limit=200&after={next}"),
                None => return cards,
            }
        }
    }

    fn note_kinds(&mut self, card: &Value) {
        let kinds = card["suspicions"].as_array().expect("suspicions").iter().map(|one| &one["kind"]);
        let needs = records(card).flat_map(|one| one["needs"].as_array().expect("needs"));
        let words = kinds.chain(needs).filter_map(Value::as_str);
        self.outcome.kinds.extend(words.map(str::to_owned));
    }

    /// Says who the strangers of these cards are, where they really were there.
    async fn confirm(&mut self, world: &World<'_>, cards: &[Value]) -> BTreeSet<PartyId> {
        let mut met = BTreeSet::new();
        for card in cards {
            let told = records(card).map(|one| Told::of(world, id(&one["activity"])));
            let there: BTreeSet<PartyId> = told.flat_map(|told| told.minutes.into_keys()).collect();
            for person in card["people"].as_array().expect("people") {
                let party: PartyId = serde_json::from_value(person["party_id"].clone()).expect("an id");
                if person["known"] == false && there.contains(&party) {
                    met.insert(party);
                }
            }
        }
        for party in &met {
            let path = format!("/v1/parties/{party}");
            let seen: Value = self.get(&path).await;
            self.outcome.requests += 1;
            let etag = seen["etag"].as_str().expect("a tag");
            let answer = change(self.desk, &path, etag, &json!({ "known": true })).await;
            if let Err(PhoneError::Refused { code, detail, .. }) = answer {
                self.outcome.refused.push(format!("{path}: {code} {detail}"));
            }
        }
        met
    }

    /// The decisions for a card.
    fn decide(&mut self, world: &World<'_>, card: &Value, met: &BTreeSet<PartyId>) -> Vec<Value> {
        let needing = ids(&card["needing"]);
        let told: BTreeMap<ActivityId, Told> =
            records(card).map(|one| id(&one["activity"])).map(|id| (id, Told::of(world, id))).collect();
        let mut items = Vec::new();
        let mut done = BTreeSet::new();
        for (event, of) in told.iter().filter(|(id, told)| told.event == **id) {
            let same = records(card).map(|one| &one["activity"]);
            let same: Vec<&Value> = same
                .filter(|one| told[&id(one)].event == *event && one["merged_into"].is_null())
                .filter(|one| told[&id(one)].real)
                .collect();
            if same.len() > 1 {
                done.extend(same.iter().map(|one| id(one)));
                items.push(self.merge(*event, of, &same));
            }
        }
        for record in records(card) {
            let activity = &record["activity"];
            let id = id(activity);
            if !needing.contains(&id) || done.contains(&id) || !self.is_open(record, met) {
                continue;
            }
            items.push(self.one(activity, &told[&id]));
            done.insert(id);
        }
        self.outcome.decided.extend(done);
        items
    }

    /// A person has to say something: it is not approved, nor left to the rules now that somebody is known.
    fn is_open(&self, record: &Value, met: &BTreeSet<PartyId>) -> bool {
        let activity = &record["activity"];
        let only_stranger = record["needs"] == json!(["unknown_party"]);
        let known_now = says(activity).keys().any(|party| met.contains(party));
        activity["review"] != "approved" && !(only_stranger && known_now)
    }

    fn merge(&mut self, event: ActivityId, told: &Told, same: &[&Value]) -> Value {
        let (canonical, members): (Vec<&Value>, Vec<&Value>) =
            same.iter().copied().partition(|one| id(one) == event);
        let named: BTreeSet<PartyId> = same.iter().flat_map(|one| says(one).into_keys()).collect();
        let right = |party: PartyId| told.minutes.get(&party).copied().unwrap_or(0);
        let minutes: BTreeMap<String, i64> =
            named.into_iter().map(|party| (party.to_string(), right(party))).collect();
        let mut corrections = json!({ "minutes": minutes });
        if told.total.is_some() {
            corrections["person_minutes"] = json!(told.total);
        }
        let members: Vec<Value> = members.into_iter().map(as_seen).collect();
        let more = json!({
            "reason": "One event, as everybody says.", "members": members, "corrections": corrections,
        });
        item(self.desk, canonical[0], "merge", &more)
    }

    /// The decision about one record.
    fn one(&mut self, activity: &Value, told: &Told) -> Value {
        if !told.real {
            let reason = json!({ "reason": "This did not take place, as you told us." });
            return item(self.desk, activity, "reject", &reason);
        }
        let corrections = corrections(activity, told);
        let right: i64 = told.minutes.values().sum();
        let conflicts = activity["conflicts"].as_array().expect("conflicts");
        if conflicts.is_empty()
            && activity["review"] == "edited_after_approval"
            && activity["posted"].as_i64() == Some(right)
            && corrections != json!({})
        {
            return item(self.desk, activity, "keep", &json!({ "reason": "It stays as it was." }));
        }
        let mut more = json!({});
        if corrections != json!({}) {
            more = json!({ "corrections": corrections, "reason": "As you told us." });
        }
        let settles: Vec<Value> = conflicts.iter().map(|conflict| settles(conflict, told)).collect();
        if !settles.is_empty() {
            more["settles"] = json!(settles);
        }
        item(self.desk, activity, "approve", &more)
    }

    async fn send(&mut self, items: &[Value]) {
        self.outcome.requests += 1;
        let answer: Value =
            self.desk.post("/v1/decisions", &json!({ "items": items })).await.expect("an answer");
        for (item, outcome) in items.iter().zip(answer["items"].as_array().expect("outcomes")) {
            if became(outcome).0 != 201 {
                self.outcome.refused.push(format!("{item}: {outcome}"));
            }
        }
    }
}

/// What counts where phones disagree: what people say of minutes, else what is shown first.
fn settles(conflict: &Value, told: &Told) -> Value {
    let field = conflict["field"].as_str().expect("a field");
    let party = field.strip_prefix("party/").and_then(|party| party.parse().ok()).map(PartyId);
    let value = match party {
        Some(party) => json!(told.minutes.get(&party).copied().unwrap_or(0)),
        None => conflict["values"][0]["value"].clone(),
    };
    json!({ "field": field, "operations": conflict["operations"], "value": value })
}
