//! Plays a week on phones that reach the real router, with the clerk between.

use std::collections::BTreeMap;
use std::sync::Mutex;

use automerge::ScalarValue;
use axum::http::Method;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::phone::{Entry, InProcess, Phone};
use serde_json::{Value, json};

use super::generate::{DAY, Daybook, Field, Handset, Step, Week, Who, Write};
use super::plan::SUPERVISOR;
use crate::always::dice::Dice;
use crate::support::app::{PUBLIC_URL, START_MS};
use crate::support::{TestApp, TestPhone};

const MINUTE_MS: i64 = 60_000;
/// The midnight before the week.
const MIDNIGHT_MS: i64 = START_MS - 10 * 60 * MINUTE_MS;

/// The neighbourhood in which a week is played.
pub struct World<'a> {
    pub app: &'a TestApp,
    pub week: Week,
    pub phones: Vec<TestPhone>,
    pub group: PartyId,
    /// By record.
    pub ids: Vec<Option<ActivityId>>,
    strangers: Vec<Option<PartyId>>,
    young: PartyId,
    book: DaybookId,
}

/// A civil day by its number in the week.
pub fn day(number: i64) -> String {
    daybook::domain::time::rfc3339(MIDNIGHT_MS + number * DAY * MINUTE_MS)[..10].to_owned()
}

impl<'a> World<'a> {
    /// Everybody is enrolled, and the group has its daybook.
    pub async fn new(app: &'a TestApp, desk: &mut TestPhone, week: Week) -> Self {
        let mut dice = Dice::new(week.seed ^ 0x0da1_1b00);
        let mut phones: Vec<TestPhone> = Vec::new();
        for handset in week.phones.clone() {
            let first = (!handset.first).then_some(handset.resident);
            let mut phone = phone(app, handset, dice.next());
            match first {
                None => {
                    phone.enrol(&app.invitation(false).await).await.expect("enrolled");
                }
                Some(first) => {
                    let first = &mut phones[first];
                    let body = json!({ "id": first.uuid(), "party_id": first.party });
                    let made: Value = first.post("/v1/invitations", &body).await.expect("an invitation");
                    phone.enrol(made["token"].as_str().expect("a token")).await.expect("enrolled");
                    phone.book(first.own);
                    phone.own = first.own;
                }
            }
            phones.push(phone);
        }
        let (group, book) = (PartyId(desk.uuid()), DaybookId(desk.uuid()));
        let friends = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends" });
        let _: Value = desk.post("/v1/parties", &friends).await.expect("a group");
        for member in &week.members {
            let path = format!("/v1/parties/{group}/members/{}", phones[*member].party);
            let body = br#"{"capacity":"lay","from_day":"2026-01-01"}"#.to_vec();
            desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
        }
        let founder = &mut phones[week.members[0]];
        let body = json!({ "id": book, "party_id": group });
        let _: Value = founder.post("/v1/daybooks", &body).await.expect("a daybook");
        for member in &week.members {
            phones[*member].book(book);
        }
        let young = PartyId(desk.uuid());
        let kim = json!({
            "id": young, "kind": "resident", "sector": "resident", "name": "Kim",
            "age_band": "under_18", "supervisors": [phones[SUPERVISOR].party],
        });
        let _: Value = desk.post("/v1/parties", &kim).await.expect("somebody under age");
        let (ids, strangers) = (vec![None; week.records.len()], vec![None; week.strangers.len()]);
        Self { app, week, phones, group, ids, strangers, young, book }
    }

    /// Everything that happens on a day, in its order.
    pub async fn play(&mut self, day: i64) {
        let steps = self.week.steps.iter().filter(|(at, _)| at.div_euclid(DAY) == day);
        for (at, step) in steps.cloned().collect::<Vec<_>>() {
            let now_ms = MIDNIGHT_MS + at * MINUTE_MS;
            self.app.pass((now_ms - self.app.app.now_ms()).max(0));
            match step {
                Step::Write(write) => self.write(&write, now_ms),
                Step::Carry { from, to } => self.carry(from, to),
                Step::Sync(phone) => {
                    let phone = &mut self.phones[phone];
                    phone.now_ms = now_ms;
                    phone.go_online();
                    let report = phone.sync().await.expect("synced");
                    assert_eq!((report.refused, report.held), (0, 0), "{}", phone.name);
                    phone.go_offline();
                }
                Step::Judge => {
                    self.app.judge().await;
                }
            }
        }
    }

    fn write(&mut self, write: &Write, now_ms: i64) {
        let phone = &mut self.phones[write.phone];
        phone.now_ms = now_ms + write.ahead * MINUTE_MS;
        let id = *self.ids[write.record].get_or_insert_with(|| ActivityId(phone.uuid()));
        for field in &write.fields {
            if let Field::Minutes(Who::Stranger(number), _) = field {
                let name = self.week.strangers[*number];
                self.strangers[*number].get_or_insert_with(|| phone.meet(name));
            }
        }
        let book = match self.week.records[write.record].daybook {
            Daybook::Own => phone.own,
            Daybook::Group => self.book,
        };
        let fields: Vec<(Field, Option<PartyId>, Option<ActivityId>)> = write
            .fields
            .iter()
            .map(|field| (field.clone(), self.named(field), self.related(field)))
            .collect();
        let wrote = self.phones[write.phone].edit_in(book, id, |entry| {
            fields.iter().for_each(|(field, party, activity)| put(entry, field, *party, *activity));
        });
        wrote.expect("written");
    }

    fn named(&self, field: &Field) -> Option<PartyId> {
        match field {
            Field::Minutes(who, _) => Some(self.party(*who)),
            _ => None,
        }
    }

    fn related(&mut self, field: &Field) -> Option<ActivityId> {
        let Field::PartOf(occasion) = field else { return None };
        // Whoever was there has scanned it, before its phone has signal.
        let organiser = self.week.steps.iter().find_map(|(_, step)| match step {
            Step::Write(write) if write.record == *occasion => Some(write.phone),
            _ => None,
        });
        let phone = &mut self.phones[organiser.expect("somebody writes it")];
        Some(*self.ids[*occasion].get_or_insert_with(|| ActivityId(phone.uuid())))
    }

    /// The party of somebody.
    pub fn party(&self, who: Who) -> PartyId {
        match who {
            Who::Resident(resident) => self.phones[resident].party,
            Who::Stranger(number) => self.strangers[number].expect("somebody has met them"),
            Who::Young => self.young,
        }
    }

    /// The record of an activity.
    pub fn record(&self, id: ActivityId) -> usize {
        self.ids.iter().position(|known| *known == Some(id)).expect("written in this week")
    }

    /// The activity of a record.
    pub fn id(&self, record: usize) -> ActivityId {
        self.ids[record].expect("written")
    }

    /// What should stand for a record in the end, by account.
    pub fn owed(&self, record: usize) -> BTreeMap<String, i64> {
        let (minutes, held) = self.week.owed(record);
        let named = minutes.into_iter().map(|(who, minutes)| (self.party(who).to_string(), minutes));
        let held = [(self.holder(record), held)];
        named.chain(held).filter(|(_, minutes)| *minutes != 0).collect()
    }

    /// The account that holds what nobody's name stands for.
    pub fn holder(&self, record: usize) -> String {
        match self.week.records[record].daybook {
            Daybook::Own => self.app.neighbourhood.to_string(),
            Daybook::Group => self.group.to_string(),
        }
    }

    fn carry(&mut self, from: usize, to: usize) {
        let unsent = self.phones[from].book(self.book).unsent();
        let changes: Vec<Vec<u8>> = unsent.into_iter().map(|(_, bytes)| bytes).collect();
        self.phones[to].book(self.book).apply(&changes).expect("applied");
    }
}

fn phone(app: &TestApp, handset: Handset, seed: u64) -> TestPhone {
    let random = Mutex::new(Dice::new(seed));
    let fill = move |bytes: &mut [u8]| random.lock().expect("not poisoned").fill(bytes);
    let nth = if handset.first { "first" } else { "second" };
    let name = format!("Resident {}, {nth} phone", handset.resident);
    let transport = InProcess(app.router.clone());
    Phone::new(&name, transport, PUBLIC_URL, app.phone_clock(), Box::new(fill)).expect("a phone")
}

fn put(entry: &mut Entry<'_>, field: &Field, party: Option<PartyId>, activity: Option<ActivityId>) {
    let ms = |minute: i64| MIDNIGHT_MS + minute * MINUTE_MS;
    match field {
        Field::Kind(kind) => entry.kind(*kind),
        Field::Day(number) => entry.day(&day(*number)),
        Field::Started(minute) => entry.started_at(ms(*minute)),
        Field::Minutes(_, minutes) => entry.minutes(party.expect("known"), *minutes),
        Field::Totals(people, minutes) => entry.totals(*people, *minutes),
        Field::PartOf(_) => entry.part_of(activity.expect("known")),
        Field::Count(item, count) => entry.count(item, *count),
        Field::Place(lat, lon, accuracy_m) => entry.place(*lat, *lon, *accuracy_m),
        Field::Photo(serial, minute) => {
            entry.put(&format!("photo/{serial:064x}"), ScalarValue::Timestamp(ms(*minute)))
        }
        Field::Text(key, text) => entry.put(key, text.as_str()),
        Field::Note(text) => entry.note(text),
        Field::Withdraw => entry.withdraw(),
    };
}
