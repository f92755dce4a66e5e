//! The activities that a push touches: their states, the readings that follow, and the versions where a
//! reading changed.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbBackend};

use super::super::FlowError;
use super::costs::Shares;
use crate::app::Payer;
use crate::domain::ids::{ActivityId, GrantId};
use crate::domain::reading::{Field, Reading, Value};
use crate::merge::guard::Checked;
use crate::merge::{ActivityState, ObjectInfo, OpId, Reduced, reduce, touched};
use crate::store;
use crate::store::Batch;
use crate::store::changes::Of;
use crate::store::entity::{activity, activity_version, daybook};

/// Who delivers, and when the server received it.
#[derive(Debug, Clone, Copy)]
pub struct Bringer {
    pub grant: Option<GrantId>,
    /// Who pays for what it costs; nobody where the server does it by itself.
    pub payer: Option<Payer>,
    pub at_ms: i64,
    /// How far its clock was ahead then; see [`crate::domain::time::skew_ms`].
    pub skew_ms: Option<i64>,
}

/// What an accept writes of activities.
#[derive(Debug, Default)]
pub struct Rows {
    pub activities: Vec<activity::Model>,
    pub versions: Vec<activity_version::Model>,
}

/// The touched activities of one accept.
#[derive(Debug)]
pub struct Readings {
    of: Of,
    party: uuid::Uuid,
    rows: BTreeMap<ActivityId, activity::Model>,
    states: BTreeMap<ActivityId, ActivityState>,
    elsewhere: BTreeSet<ActivityId>,
    /// Index of the last accepted change that touches the activity, from 1, and its phone's clock.
    last: BTreeMap<ActivityId, (i64, i64)>,
    reduced: i64,
}

impl Readings {
    /// Of a daybook without activities yet; `elsewhere` are ids that another daybook brought first.
    pub fn new(of: Of, party: uuid::Uuid, elsewhere: BTreeSet<ActivityId>) -> Self {
        Self {
            of,
            party,
            rows: BTreeMap::new(),
            states: BTreeMap::new(),
            elsewhere,
            last: BTreeMap::new(),
            reduced: 0,
        }
    }

    /// Loads the states of what these changes touch. An id that another daybook brought first is left alone.
    pub async fn load<'c>(
        db: &impl ConnectionTrait,
        of: Of,
        daybook: &daybook::Model,
        changes: impl Iterator<Item = &'c Checked>,
        lookup: &impl Fn(&OpId) -> Option<ObjectInfo>,
    ) -> Result<Self, FlowError> {
        let ids: BTreeSet<ActivityId> = changes.flat_map(|change| touched(change, lookup)).collect();
        let mut readings = Self::new(of, daybook.party_id, BTreeSet::new());
        for row in store::activities::of_ids(db, of.neighbourhood, &ids).await? {
            let id = ActivityId(row.id);
            if row.daybook_id == of.daybook.0 {
                let state = ActivityState::decode(&row.state).map_err(FlowError::internal)?;
                readings.states.insert(id, state);
                readings.rows.insert(id, row);
            } else {
                readings.elsewhere.insert(id);
            }
        }
        Ok(readings)
    }

    /// Applies the next accepted change. Answers what it did.
    pub fn reduce(&mut self, change: &Checked, lookup: &impl Fn(&OpId) -> Option<ObjectInfo>) -> Reduced {
        self.reduced += 1;
        let at = (self.reduced, recorded_at_ms(change));
        let reduced = reduce(&mut self.states, change, lookup);
        self.last.extend(reduced.touched.iter().map(|id| (*id, at)));
        reduced
    }

    /// Leaves an id to the daybook that brought it first.
    pub fn leave(&mut self, id: ActivityId) {
        self.elsewhere.insert(id);
    }

    /// Whether another daybook brought this id first.
    pub fn is_elsewhere(&self, id: ActivityId) -> bool {
        self.elsewhere.contains(&id)
    }

    /// The activities whose state the reducer cannot finish alone.
    pub fn needing_document(&self) -> BTreeSet<ActivityId> {
        let stale =
            self.states.iter().filter(|(id, state)| !self.is_elsewhere(**id) && state.needs_document());
        stale.map(|(id, _)| *id).collect()
    }

    /// Takes states out, to be filled.
    pub fn take(&mut self, ids: &BTreeSet<ActivityId>) -> BTreeMap<ActivityId, ActivityState> {
        ids.iter().filter_map(|id| self.states.remove(id).map(|state| (*id, state))).collect()
    }

    /// Leaves the texts of these to nobody: they are unreadable until they are written anew.
    pub fn leave_unread(&mut self, ids: &BTreeSet<ActivityId>) {
        let states = self.states.iter_mut().filter(|(id, _)| ids.contains(id));
        states.for_each(|(_, state)| state.leave_unread());
    }

    /// Puts filled states in.
    pub fn replace(&mut self, filled: BTreeMap<ActivityId, ActivityState>) {
        self.states.extend(filled);
    }

    /// The rows of the touched activities in order of id, and a version of each whose reading changed.
    /// `before` is the daybook's position before this accept.
    pub fn rows(&self, before: i64, bringer: Bringer) -> Result<Rows, FlowError> {
        let mut rows = Rows::default();
        for (id, (at, recorded_at_ms)) in &self.last {
            let Some(state) = self.states.get(id).filter(|_| !self.is_elsewhere(*id)) else { continue };
            let touch = Touch { position: before + at, recorded_at_ms: *recorded_at_ms, bringer };
            let (row, version) = self.next(*id, state, &touch)?;
            rows.activities.push(row);
            rows.versions.extend(version);
        }
        Ok(rows)
    }

    /// Begins the next accept where this one ended: for rebuilding, where nothing is read from the tables.
    pub fn follow(&mut self, written: &Rows) {
        self.rows.extend(written.activities.iter().map(|row| (ActivityId(row.id), row.clone())));
        self.last.clear();
        self.reduced = 0;
    }

    /// Writes the activities, and a version of each whose reading changed. Answers what that costs each, in bytes.
    pub async fn write(
        self,
        db: &impl ConnectionTrait,
        before: i64,
        bringer: Bringer,
        shares: &Shares,
        batch: &mut Batch,
    ) -> Result<Vec<(Payer, u64)>, FlowError> {
        let backend = db.get_database_backend();
        let rows = self.rows(before, bringer)?;
        let costs = shares.of_rows(&rows);
        let Rows { activities: rows, versions } = rows;
        for version in versions.iter().filter(|version| version.version > 1) {
            let (id, older) = (ActivityId(version.activity_id), version.version - 1);
            batch.push(store::activities::supersede(backend, self.of.neighbourhood, id, older, before));
        }
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let upserts = store::activities::upsert(backend, &rows);
        if backend == DbBackend::Sqlite {
            // One writer: nobody can have brought one of the ids since they were looked for.
            upserts.into_iter().for_each(|statement| batch.push(statement));
        } else {
            let mut written = 0;
            for statement in upserts {
                written += db.execute_raw(statement).await?.rows_affected();
            }
            if written != count {
                // Another daybook brought one of these ids in this very moment: begin again and leave it to it.
                return Err(FlowError::Busy);
            }
        }
        batch.insert::<activity_version::Entity>(backend, versions);
        Ok(costs)
    }

    /// The row of an activity as it reads now, and its version if the reading is new.
    fn next(
        &self,
        id: ActivityId,
        state: &ActivityState,
        touch: &Touch,
    ) -> Result<(activity::Model, Option<activity_version::Model>), FlowError> {
        let reading = state.reading();
        let old = self.rows.get(&id);
        let before: Option<Reading> = old.map(|row| serde_json::from_str(&row.reading)).transpose()?;
        let changed = reading.changed_fields(before.as_ref());
        let hash = reading.hash();
        let is_new = before.as_ref().is_none_or(|before| before.hash() != hash);
        let row = self.row(id, state, &reading, touch, is_new)?;
        if !is_new {
            return Ok((row, None));
        }
        let version = activity_version::Model {
            neighbourhood_id: self.of.neighbourhood.0,
            activity_id: id.0,
            version: row.version,
            daybook_id: self.of.daybook.0,
            party_id: self.party,
            reading: row.reading.clone(),
            reading_hash: hash.to_vec(),
            changed: serde_json::to_string(&changed)?,
            conflict: row.conflict.clone(),
            from_position: touch.position,
            until_position: None,
            grant_id: touch.bringer.grant.map(|grant| grant.0),
            occurred_at_ms: instant(&reading, "started_at"),
            recorded_at_ms: touch.recorded_at_ms,
            received_at_ms: touch.bringer.at_ms,
            journal_no: None,
            skew_ms: touch.bringer.skew_ms,
        };
        Ok((row, Some(version)))
    }

    fn row(
        &self,
        id: ActivityId,
        state: &ActivityState,
        reading: &Reading,
        touch: &Touch,
        is_new: bool,
    ) -> Result<activity::Model, FlowError> {
        let old = self.rows.get(&id);
        let conflict = serde_json::to_value(reading.conflict())?;
        let bump = i64::from(is_new);
        Ok(activity::Model {
            neighbourhood_id: self.of.neighbourhood.0,
            id: id.0,
            daybook_id: self.of.daybook.0,
            party_id: self.party,
            state: state.encode(),
            reading: serde_json::to_string(reading)?,
            version: old.map_or(0, |row| row.version) + bump,
            kind: text(reading, "kind"),
            day: text(reading, "day"),
            programme: text(reading, "programme"),
            conflict: conflict.as_str().unwrap_or_default().to_owned(),
            recorded_at_ms: touch.recorded_at_ms,
            received_at_ms: old.map_or(touch.bringer.at_ms, |row| row.received_at_ms),
            changed_at_ms: if is_new { touch.bringer.at_ms } else { old.map_or(0, |row| row.changed_at_ms) },
            revision: old.map_or(0, |row| row.revision) + bump,
            lat: thousandths(reading, "place.lat"),
            lon: thousandths(reading, "place.lon"),
            grant_id: old.map_or(touch.bringer.grant.map(|grant| grant.0), |row| row.grant_id),
        })
    }
}

/// The last change that touches an activity in an accept.
struct Touch {
    position: i64,
    recorded_at_ms: i64,
    bringer: Bringer,
}

/// The phone's clock at a change. Automerge has whole seconds, and whatever a phone says.
pub fn recorded_at_ms(change: &Checked) -> i64 {
    change.time_s.saturating_mul(1_000)
}

fn first<'r>(reading: &'r Reading, key: &str) -> Option<&'r Value> {
    match reading.fields.get(key)? {
        Field::One(value) => Some(value),
        Field::Several(values) => values.first(),
        Field::Unreadable(_) => None,
    }
}

/// Degrees on the grid that lists are narrowed by.
fn thousandths(reading: &Reading, key: &str) -> Option<i32> {
    match first(reading, key)? {
        #[expect(clippy::cast_possible_truncation, reason = "degrees are at most 180")]
        Value::Number(degrees) => Some((degrees * 1_000.0).round() as i32),
        _ => None,
    }
}

fn text(reading: &Reading, key: &str) -> Option<String> {
    match first(reading, key)? {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn instant(reading: &Reading, key: &str) -> Option<i64> {
    match first(reading, key)? {
        Value::Instant(at_ms) => Some(*at_ms),
        _ => None,
    }
}
