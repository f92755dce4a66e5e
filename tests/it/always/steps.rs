//! What happens in the neighbourhood, one step at a time, as the dice fall.

use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::flows::compact::{Compacted, compact};
use daybook::phone::Entry;
use daybook::store::changes::Of;
use serde_json::Value;

use super::radio::Fate;
use super::world::{DESKS, World};
use crate::support::desk::confirm;

const KINDS: [Kind; 4] = [Kind::LitterPick, Kind::Repair, Kind::StreetFix, Kind::Hours];
pub const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// What a record is written with; thrown before, since writing borrows the phone.
struct Draft {
    /// By the key of whom.
    minutes: Vec<(String, i64)>,
    kind: Option<Kind>,
    day: Option<String>,
    started_at: Option<i64>,
    totals: Option<(i64, i64)>,
    part_of: Option<ActivityId>,
    withdrawn: Option<bool>,
    bags: i64,
    note: bool,
}

impl Draft {
    fn write(&self, entry: &mut Entry<'_>) {
        for (key, minutes) in &self.minutes {
            entry.put(key, *minutes);
        }
        if let Some(kind) = self.kind {
            entry.kind(kind);
        }
        if let Some(day) = &self.day {
            entry.day(day);
        }
        if let Some(at_ms) = self.started_at {
            entry.started_at(at_ms);
        }
        if let Some((people, minutes)) = self.totals {
            entry.totals(people, minutes);
        }
        if let Some(occasion) = self.part_of {
            entry.part_of(occasion);
        }
        if let Some(withdrawn) = self.withdrawn {
            entry.put("withdrawn", withdrawn);
        }
        if self.bags > 0 {
            entry.count("bags", self.bags);
        }
        if self.note {
            entry.note_more("More. ");
        }
    }
}

impl World<'_> {
    /// One step.
    pub async fn step(&mut self) -> Result<(), String> {
        if let Some(left) = self.speaks_of_merges.checked_sub(1) {
            // Before the merge is taken apart again.
            self.speaks_of_merges = left;
            return self.say().await;
        }
        match self.dice.below(73) {
            0..6 if self.by_peers && self.dice.percent(40) => self.vouch().await?,
            0..6 => self.record(),
            6..12 => self.edit(),
            12 | 13 => self.edit_apart().await?,
            14..22 => self.sync().await?,
            22..26 => self.clerk().await?,
            26 => self.look().await,
            27..42 => self.decide().await?,
            42..47 => self.preview().await?,
            47..50 => self.decide_at_once().await?,
            50 => self.decide_again().await?,
            51 | 52 => self.push_again().await?,
            53 => self.make_known().await?,
            54 | 62 => self.let_time_pass().await?,
            55 => self.compact().await?,
            56 | 63 => self.put_rules().await?,
            57..61 => self.say().await?,
            64..67 => self.vouch().await?,
            67 => self.join().await?,
            68 => self.close_account().await?,
            61 | 71 | 72 => self.handle(),
            _ => self.change_places().await?,
        }
        Ok(())
    }

    /// Some records that coordinators have looked at, so that there is something to decide about.
    pub async fn begin(&mut self) -> Result<(), String> {
        for index in 0..self.phones.len() {
            self.record();
            self.sync_phone(index).await?;
            self.look().await;
        }
        Ok(())
    }

    pub(super) fn told(&mut self, what: String) {
        self.reached.insert(what.split(' ').next().unwrap_or_default().to_owned());
        self.story.push(what);
    }

    fn draft(&mut self, index: usize, new: bool) -> Draft {
        let minutes = |world: &mut Self| world.dice.of(&[0, 10, 30, 30, 60, 90, 90, 200, 400]);
        let often = if new { 100 } else { 35 };
        let mut draft = Draft {
            minutes: Vec::new(),
            kind: None,
            day: None,
            started_at: None,
            totals: None,
            part_of: None,
            withdrawn: None,
            bags: 0,
            note: self.dice.percent(20),
        };
        if self.dice.percent(often) {
            let me = self.phones[index].phone.party;
            draft.minutes.push((self.key(me), minutes(self)));
        }
        for _ in 0..self.dice.of(&[0, 0, 0, 1, 2]) {
            let other = self.people[self.dice.below(self.people.len())];
            draft.minutes.push((self.key(other), minutes(self)));
        }
        let mut day = None;
        if new || self.dice.percent(5) {
            let of_day = self.dice.below(self.days.len());
            day = Some(self.days.len() - 1 - of_day);
            draft.kind = Some(self.kind());
            draft.day = Some(self.days[of_day].clone());
        }
        if self.dice.percent(if new { 35 } else { 5 }) {
            // Few starts, so that times overlap; some on another day than the record names.
            let back = if self.dice.percent(90) { day } else { None }.unwrap_or_else(|| self.dice.below(6));
            let start = self.start_ms - (i64::try_from(back).expect("few") + 1) * DAY_MS;
            draft.started_at = Some(start + self.dice.of(&[0, 0, 30, 90]) * MINUTE_MS);
        }
        if self.dice.percent(if new { 25 } else { 8 }) {
            draft.totals = Some((self.dice.of(&[1, 3, 7]), self.dice.of(&[60, 200, 630])));
        } else if !self.occasions.is_empty() && self.dice.percent(if new { 30 } else { 15 }) {
            draft.part_of = Some(self.occasions[self.dice.below(self.occasions.len())]);
        }
        if !new && self.dice.percent(15) {
            draft.withdrawn = Some(self.dice.percent(60));
        }
        if self.dice.percent(if new { 45 } else { 12 }) {
            draft.bags = 1;
        }
        draft
    }

    fn record(&mut self) {
        let index = self.dice.below(self.phones.len());
        let book = self.phones[index].writes[self.dice.below(self.phones[index].writes.len())];
        let draft = self.draft(index, true);
        let id = self.write_new(index, book, |entry| draft.write(entry));
        if draft.totals.is_some() {
            self.occasions.push(id);
        }
        self.told(format!("record phone {index}: {id}"));
    }

    /// A new record in one of a phone's daybooks.
    pub(super) fn write_new(
        &mut self,
        index: usize,
        book: DaybookId,
        write: impl FnOnce(&mut Entry<'_>),
    ) -> ActivityId {
        self.tick(index);
        let phone = &mut self.phones[index].phone;
        let id = ActivityId(phone.uuid());
        phone.edit_in(book, id, write).expect("recorded");
        self.activities.push((book, id));
        id
    }

    /// A phone's clock is right when it is written with.
    fn tick(&mut self, index: usize) {
        let now_ms = self.replicas[0].app.now_ms();
        let phone = &mut self.phones[index].phone;
        phone.now_ms = phone.now_ms.max(now_ms) + 1;
    }

    pub(super) fn kind(&mut self) -> Kind {
        self.dice.of(&KINDS)
    }

    /// One of the days of which there are records.
    pub(super) fn day(&mut self) -> String {
        let day = self.dice.below(self.days.len());
        self.days[day].clone()
    }

    /// How a record names somebody: alone, or acting for the organisation or the group.
    fn key(&mut self, party: PartyId) -> String {
        if self.dice.percent(75) {
            return format!("party/{party}");
        }
        let acting_for = self.dice.of(&[self.organisation, self.organisation, self.group]);
        self.reached.insert("for an organisation".to_owned());
        format!("party/{party}@{acting_for}")
    }

    /// The phones that write in a daybook.
    pub(super) fn writers(&self, book: DaybookId) -> Vec<usize> {
        (0..self.phones.len()).filter(|index| self.phones[*index].writes.contains(&book)).collect()
    }

    fn edit(&mut self) {
        if self.activities.is_empty() {
            return;
        }
        // Records that were merged into another are edited like all others, and there are few of them.
        let merged: Vec<_> =
            self.activities.iter().filter(|(_, id)| self.merged.contains(id)).copied().collect();
        let among =
            if !merged.is_empty() && self.dice.percent(50) { merged } else { self.activities.clone() };
        let (book, id) = among[self.dice.below(among.len())];
        self.edit_record(book, id);
    }

    /// Somebody whose record was merged into another goes on writing in it.
    pub(super) async fn go_on_writing(&mut self, member: ActivityId) -> Result<(), String> {
        let Some((book, id)) = self.activities.iter().find(|(_, id)| *id == member).copied() else {
            return Ok(());
        };
        let index = self.edit_record(book, id);
        self.phones[index].phone.go_online();
        self.sync_phone(index).await?;
        self.clerk().await
    }

    /// One of those who write in it edits a record; answers whose phone.
    fn edit_record(&mut self, book: DaybookId, id: ActivityId) -> usize {
        let writers = self.writers(book);
        let index = self.dice.of(&writers);
        let draft = self.draft(index, false);
        if draft.totals.is_some() && !self.occasions.contains(&id) {
            self.occasions.push(id);
        }
        self.tick(index);
        self.phones[index].phone.edit_in(book, id, |entry| draft.write(entry)).expect("edited");
        self.told(format!("edit phone {index}: {id}"));
        index
    }

    /// Two phones write other minutes into one record before either hears of the other.
    async fn edit_apart(&mut self) -> Result<(), String> {
        let shared: Vec<_> =
            self.activities.iter().filter(|(book, _)| self.writers(*book).len() > 1).copied().collect();
        if shared.is_empty() {
            return Ok(());
        }
        let (book, id) = shared[self.dice.below(shared.len())];
        let party = self.people[self.dice.below(self.people.len())];
        let writers = self.writers(book);
        for (index, minutes) in [(writers[0], 40), (writers[1], 50)] {
            self.tick(index);
            let phone = &mut self.phones[index].phone;
            phone.edit_in(book, id, |entry| _ = entry.minutes(party, minutes)).expect("edited");
        }
        self.told(format!("edit apart phones {writers:?}: {id}"));
        if self.dice.percent(70) {
            self.sync_phone(writers[0]).await?;
            self.sync_phone(writers[1]).await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), String> {
        let index = self.dice.below(self.phones.len());
        self.sync_phone(index).await
    }

    pub(super) async fn sync_phone(&mut self, index: usize) -> Result<(), String> {
        if self.dice.percent(40) {
            self.phones[index].air.roam();
        }
        if self.dice.percent(30) {
            let fate = self.dice.of(&[Fate::RequestLost, Fate::AnswerLost, Fate::AnswerLost]);
            self.phones[index].air.disturb(self.dice.below(3), fate);
        }
        let handset = &mut self.phones[index];
        let synced = handset.phone.sync().await;
        handset.air.calm();
        self.pushed.extend(handset.air.arrived().into_iter().map(|body| (index, body)));
        match synced {
            Ok(report) if report.refused == 0 => self.told(format!("sync phone {index}: {report:?}")),
            Ok(report) => return Err(format!("an honest phone's change was refused: {report:?}")),
            Err(daybook::phone::PhoneError::NoAnswer(error)) => {
                self.told(format!("lost phone {index}: {error}"));
            }
            Err(daybook::phone::PhoneError::Offline) => self.told(format!("offline phone {index}")),
            Err(error) => return Err(format!("phone {index}: {error}")),
        }
        Ok(())
    }

    pub(super) async fn clerk(&mut self) -> Result<(), String> {
        let (replica, once) = (self.dice.below(2), self.dice.percent(50));
        self.told(format!("judge replica {replica}, once {once}"));
        self.judge(replica, once).await
    }

    /// A snapshot takes the place of a daybook's older changes, however few they are.
    async fn compact(&mut self) -> Result<(), String> {
        if self.activities.is_empty() {
            return Ok(());
        }
        let (daybook, _) = self.activities[self.dice.below(self.activities.len())];
        let (of, replica) = (Of { neighbourhood: self.neighbourhood, daybook }, self.dice.below(2));
        let outcome = compact(&self.replicas[replica].app, of).await.map_err(|error| error.to_string())?;
        self.told(format!("compact {daybook}, replica {replica}: {outcome:?}"));
        if matches!(outcome, Compacted::Alarm(_)) { Err(format!("{outcome:?}")) } else { Ok(()) }
    }

    /// A push again: nothing changes.
    async fn push_again(&mut self) -> Result<(), String> {
        if self.pushed.is_empty() {
            return Ok(());
        }
        let (index, body) = self.pushed[self.dice.below(self.pushed.len())].clone();
        if self.is_out(index) {
            return Ok(());
        }
        let before = self.digest().await;
        let phone = &mut self.phones[index].phone;
        phone.go_online();
        let kind = "application/json";
        let sent = phone.request(axum::http::Method::POST, "/v1/sync", kind, body).await;
        sent.map_err(|error| error.to_string())?;
        let after = self.digest().await;
        self.told(format!("pushed again by phone {index}"));
        if before == after { Ok(()) } else { Err(format!("a push again: {before}\n{after}")) }
    }

    async fn make_known(&mut self) -> Result<(), String> {
        // Whom no sync has brought yet nobody can confirm.
        let Some(party) = self.unknown.pop() else { return Ok(()) };
        let phone = &mut self.phones[DESKS[0]].phone;
        phone.go_online();
        if phone.get::<Value>(&format!("/v1/parties/{party}")).await.is_ok() {
            confirm(phone, party).await;
            self.told(format!("confirm {party}"));
        }
        self.check().await
    }

    /// What people do with their phones.
    fn handle(&mut self) {
        let index = self.dice.below(self.phones.len());
        let handset = &mut self.phones[index];
        match self.dice.below(4) {
            0 => handset.phone.restart(),
            1 => handset.copy = Some(handset.phone.books.clone()),
            2 => {
                let copy = handset.copy.replace(handset.phone.books.clone());
                if let Some(copy) = copy {
                    handset.phone.books = copy;
                    handset.phone.restart();
                    self.reached.insert("restored".to_owned());
                }
            }
            _ => {
                handset.online = !handset.online;
                if handset.online { handset.phone.go_online() } else { handset.phone.go_offline() }
            }
        }
    }
}
