//! A small neighbourhood: phones that record offline, two coordinators, a group, an organisation, two replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use daybook::domain::ids::{ActivityId, DaybookId, InvitationId, NeighbourhoodId, PartyId};
use daybook::domain::rules::Mode;
use daybook::domain::time::civil_day;
use daybook::flows::{invite, neighbourhoods};
use daybook::phone::{Book, Phone};
use serde_json::{Value, json};

use super::books::Books;
use super::check;
use super::dice::Dice;
use super::radio::{Air, Radio};
use super::steps::DAY_MS;
use crate::support::TestApp;
use crate::support::app::{PUBLIC_URL, START_MS};

/// Coordinators among the phones.
pub const DESKS: [usize; 2] = [3, 4];
/// Phones of the group's members.
const MEMBERS: [usize; 3] = [0, 1, 2];
/// Days after which silence approves, at most.
pub const SILENCE_DAYS_MAX: i64 = 2;

/// A phone with what its owner keeps beside it.
pub struct Handset {
    pub phone: Phone<Radio>,
    pub air: Arc<Air>,
    pub online: bool,
    /// An old copy of its storage.
    pub copy: Option<BTreeMap<DaybookId, Book>>,
    /// The daybooks it writes in.
    pub writes: Vec<DaybookId>,
}

/// A decision as it was sent.
pub struct Sent {
    pub desk: usize,
    pub item: Value,
    pub outcome: Value,
}

/// The neighbourhood and what is known of it outside the server.
pub struct World<'a> {
    pub replicas: [&'a TestApp; 2],
    pub neighbourhood: NeighbourhoodId,
    pub dice: Dice,
    /// Ten o'clock on the day on which the run begins: earlier runs let time pass.
    pub start_ms: i64,
    /// The three days before it.
    pub days: [String; 3],
    pub group: PartyId,
    pub group_book: DaybookId,
    pub organisation: PartyId,
    pub phones: Vec<Handset>,
    /// Everybody who can be named: two of them nobody knows at first.
    pub people: Vec<PartyId>,
    pub unknown: Vec<PartyId>,
    /// Those of the people who have no phone: each may turn out to be another.
    pub without_phone: Vec<PartyId>,
    /// The phone of whoever has left the group.
    pub out: Option<usize>,
    /// Who is in the group is one person by now.
    pub one_friend: bool,
    /// The rules go by people's word.
    pub by_peers: bool,
    pub activities: Vec<(DaybookId, ActivityId)>,
    pub occasions: Vec<ActivityId>,
    /// Activities as a coordinator last saw them.
    pub seen: BTreeMap<ActivityId, Value>,
    pub sent: Vec<Sent>,
    /// Those that were merged into another, some time.
    pub merged: BTreeSet<ActivityId>,
    /// In so many steps somebody may speak of what was merged.
    pub speaks_of_merges: usize,
    pub pushed: Vec<(usize, Vec<u8>)>,
    /// What happened, for whoever has to find out why.
    pub story: Vec<String>,
    /// Steps and outcomes that occurred.
    pub reached: BTreeSet<String>,
}

impl<'a> World<'a> {
    /// Phones enrolled, a group with its daybook, nothing recorded.
    pub async fn new(replicas: [&'a TestApp; 2], seed: u64) -> Self {
        let app = &replicas[0].app;
        let neighbourhood = NeighbourhoodId(app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(app, neighbourhood, &format!("Run {seed}"), zone)
            .await
            .expect("a neighbourhood");
        let start_ms = START_MS + (app.now_ms() - START_MS).div_euclid(DAY_MS) * DAY_MS;
        let days =
            [3, 2, 1].map(|back| civil_day(start_ms - back * DAY_MS, zone).expect("a day").to_string());
        let mut world = Self {
            replicas,
            neighbourhood,
            dice: Dice::new(seed),
            start_ms,
            days,
            group: PartyId(app.uuid()),
            group_book: DaybookId(app.uuid()),
            organisation: PartyId(app.uuid()),
            phones: Vec::new(),
            people: Vec::new(),
            unknown: Vec::new(),
            without_phone: Vec::new(),
            out: None,
            one_friend: false,
            by_peers: false,
            activities: Vec::new(),
            occasions: Vec::new(),
            seen: BTreeMap::new(),
            sent: Vec::new(),
            merged: BTreeSet::new(),
            speaks_of_merges: 0,
            pushed: Vec::new(),
            story: Vec::new(),
            reached: BTreeSet::new(),
        };
        for name in ["Asha", "Asha's tablet", "Bo", "Dee", "Eve"] {
            world.enrol(name).await;
        }
        world.found_group().await;
        world.found_organisation().await;
        for name in ["Fay", "Gil"] {
            let met = world.phones[0].phone.meet(name);
            world.people.push(met);
            world.unknown.push(met);
            world.without_phone.push(met);
        }
        world.enter("Hal").await;
        world
    }

    async fn enrol(&mut self, name: &str) {
        let index = self.phones.len();
        let air = Arc::new(Air::default());
        let radio = Radio {
            replicas: [self.replicas[0].router.clone(), self.replicas[1].router.clone()],
            air: air.clone(),
        };
        let random = Mutex::new(Dice::new(self.dice.next()));
        let fill = move |bytes: &mut [u8]| random.lock().expect("not poisoned").fill(bytes);
        let clock = self.replicas[0].phone_clock();
        let mut phone = Phone::new(name, radio, PUBLIC_URL, clock, Box::new(fill)).expect("a phone");
        let further = (index == 1).then(|| (self.phones[0].phone.party, self.phones[0].phone.own));
        let app = &self.replicas[0].app;
        let invited = invite::Invited {
            id: InvitationId(app.uuid()),
            coordinator: DESKS.contains(&index),
            party: further.map(|(party, _)| party),
        };
        let made = invite::create(app, self.neighbourhood, None, invited).await.expect("an invitation");
        phone.enrol(&made.1.text).await.expect("enrolled");
        if let Some((_, own)) = further {
            phone.book(own);
            phone.own = own;
        }
        self.people.push(phone.party);
        let writes = vec![phone.own];
        self.phones.push(Handset { phone, air, online: true, copy: None, writes });
    }

    async fn found_group(&mut self) {
        let (group, book) = (self.group, self.group_book);
        let friends = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends" });
        let members = MEMBERS.map(|index| self.phones[index].phone.party);
        let desk = &mut self.phones[DESKS[0]].phone;
        let _: Value = desk.post("/v1/parties", &friends).await.expect("a group");
        for member in [members[0], members[2]] {
            let path = format!("/v1/parties/{group}/members/{member}");
            let body = br#"{"capacity":"lay"}"#.to_vec();
            desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
        }
        let body = json!({ "id": book, "party_id": group });
        let _: Value = self.phones[0].phone.post("/v1/daybooks", &body).await.expect("a daybook");
        for index in MEMBERS {
            let handset = &mut self.phones[index];
            handset.phone.book(book);
            handset.writes.push(book);
            handset.copy = Some(handset.phone.books.clone());
        }
    }

    /// An organisation, for which one acts by profession and one without.
    async fn found_organisation(&mut self) {
        let council = json!({ "id": self.organisation, "kind": "organisation", "sector": "public_body", "name": "Council" });
        let members = [(self.phones[0].phone.party, "professional"), (self.phones[2].phone.party, "lay")];
        let desk = &mut self.phones[DESKS[0]].phone;
        let _: Value = desk.post("/v1/parties", &council).await.expect("an organisation");
        for (member, capacity) in members {
            let path = format!("/v1/parties/{}/members/{member}", self.organisation);
            let body = json!({ "capacity": capacity, "from_day": self.days[0] }).to_string().into_bytes();
            desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
        }
    }

    /// Somebody without a phone, whom the hub enters.
    async fn enter(&mut self, name: &str) {
        let desk = &mut self.phones[DESKS[0]].phone;
        let party = PartyId(desk.uuid());
        let body = json!({ "id": party, "kind": "resident", "sector": "resident", "name": name });
        let _: Value = desk.post("/v1/parties", &body).await.expect("a party");
        self.people.push(party);
        self.without_phone.push(party);
    }

    /// Lets the clerk of a replica work: one round, or until nothing waits.
    pub async fn judge(&mut self, replica: usize, once: bool) -> Result<(), String> {
        use daybook::flows::judge;
        let app = &self.replicas[replica].app;
        if once {
            judge::round(app, self.neighbourhood).await.map_err(|error| error.to_string())?;
        } else {
            judge::until_quiet(app, self.neighbourhood).await.map_err(|error| error.to_string())?;
        }
        self.check().await
    }

    /// What always holds.
    pub async fn check(&mut self) -> Result<(), String> {
        let books = Books::read(&self.replicas[0].app, self.neighbourhood).await;
        if books.journal.iter().any(|row| row.kind == "member_edited") {
            self.reached.insert("a member is edited".to_owned());
        }
        self.reached.extend(check::always(&books)?.into_iter().map(str::to_owned));
        Ok(())
    }

    /// How much there is of everything that a request may change.
    pub async fn digest(&self) -> String {
        let app = &self.replicas[0].app;
        let changes = Books::changes(app, self.neighbourhood).await;
        Books::read(app, self.neighbourhood).await.digest(&changes)
    }

    /// Everybody has signal and is in the group again, everything is sent and judged, and nobody objects any more:
    /// nothing may be left.
    pub async fn finish(&mut self) -> Result<(), String> {
        self.come_back().await?;
        for round in 0..3 {
            for index in 0..self.phones.len() {
                let handset = &mut self.phones[index];
                handset.air.calm();
                handset.phone.go_online();
                let report = handset.phone.sync().await.map_err(|error| format!("phone {index}: {error}"))?;
                if (report.refused, report.held) != (0, 0) {
                    return Err(format!("phone {index}, round {round}: {report:?}"));
                }
            }
        }
        self.judge(0, false).await?;
        self.replicas[0].pass((SILENCE_DAYS_MAX + 1) * DAY_MS);
        self.judge(0, false).await?;
        self.all_judged().await?;
        self.same_readings().await?;
        self.all_told().await?;
        self.rebuilt_is_live().await
    }

    /// Made again from the ground state, everything derived is the same.
    async fn rebuilt_is_live(&self) -> Result<(), String> {
        use daybook::flows::rebuild::{Mode, rebuild};
        let rebuilt = rebuild(&self.replicas[1].app, self.neighbourhood, Mode::Compare).await;
        let rebuilt = rebuilt.map_err(|error| error.to_string())?;
        if rebuilt.is_same() { Ok(()) } else { Err(format!("rebuilt differs: {rebuilt:?}")) }
    }

    /// Every accepted version is judged.
    async fn all_judged(&self) -> Result<(), String> {
        let books = Books::read(&self.replicas[0].app, self.neighbourhood).await;
        let waiting = books.versions.iter().filter(|row| row.journal_no.is_none()).count();
        let due = books.judgements.values().filter(|(row, _)| row.due_at_ms.is_some()).count();
        let versions: i64 = books.activities.iter().map(|row| row.version).sum();
        let judged: i64 = books.judgements.values().map(|(row, _)| row.judged_version).sum();
        if (waiting, due, versions) != (0, 0, judged) {
            return Err(format!(
                "{waiting} versions wait, {due} are due, {versions} versions, judged up to {judged}"
            ));
        }
        // What no rule doubts and no person touched is approved, where the rules leave it to themselves in the end.
        let idle = books.judgements.iter().find(|(id, (row, judged))| {
            let untouched = !judged.person_decided && !judged.withdrawn_ever;
            let waits = untouched && row.review == "received" && row.reason_code.is_none();
            waits && left_to_rules(&books, **id, judged.judged_version)
        });
        idle.map_or(Ok(()), |(id, _)| Err(format!("{id} is clean and nobody approved it")))
    }

    /// The readings kept are those of Automerge, and every phone has the server's document.
    async fn same_readings(&mut self) -> Result<(), String> {
        use daybook::merge::document;
        let app = &self.replicas[0].app;
        let books = Books::read(app, self.neighbourhood).await;
        for (daybook, changes) in Books::changes(app, self.neighbourhood).await {
            let document = document::load(&changes).map_err(|error| error.to_string())?;
            let oracle = document::read_all(&document).map_err(|error| error.to_string())?;
            let kept = books.activities.iter().filter(|row| row.daybook_id == daybook);
            let kept: BTreeMap<ActivityId, Value> = kept
                .map(|row| (ActivityId(row.id), serde_json::from_str(&row.reading).expect("a reading")))
                .collect();
            let oracle: BTreeMap<ActivityId, Value> = oracle
                .into_iter()
                .map(|(id, reading)| (id, serde_json::to_value(&reading).expect("a reading")))
                .collect();
            if kept != oracle {
                return Err(format!("daybook {daybook}: kept {kept:?}\nAutomerge {oracle:?}"));
            }
            let mut heads = document.get_heads();
            heads.sort();
            for (index, handset) in self.phones.iter_mut().enumerate() {
                let Some(book) = handset.phone.books.get_mut(&DaybookId(daybook)) else { continue };
                let mut there = book.doc.get_heads();
                there.sort();
                if there != heads {
                    return Err(format!("phone {index} has {there:?} of {daybook}, the server {heads:?}"));
                }
            }
        }
        Ok(())
    }
}

/// All rules since a version was taken up approve what is clean by themselves, at once or in the end.
fn left_to_rules(books: &Books, id: ActivityId, version: i64) -> bool {
    let taken_up = books.versions.iter().find(|row| row.activity_id == id.0 && row.version == version);
    let entry = taken_up.and_then(|row| books.journal.iter().find(|entry| Some(entry.no) == row.journal_no));
    let body = entry.and_then(|entry| serde_json::from_str::<Value>(&entry.body).ok()).unwrap_or_default();
    let pack = body["pack"].as_i64().expect("the rules that a version was taken up by");
    books.packs.range(pack..).all(|(_, pack)| match pack.mode {
        Mode::Auto => true,
        Mode::Peer => pack.silence_days.is_some(),
        Mode::Coordinator => false,
    })
}
