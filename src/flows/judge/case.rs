//! An activity that is judged, and its row.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::hearing::Hearing;
use crate::domain::activity::Activity;
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId, PartyId};
use crate::domain::words::Reason;
use crate::ledger::{Doubt, Judgement};
use crate::store::entity::{activity_version, judgement, named_party};

/// What the row of somebody who hears of a record says, or heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    journal_no: i64,
    still: bool,
}

/// By party, with the last journal number that is about the record.
fn told(hearing: &Hearing, no: i64) -> impl Iterator<Item = (PartyId, Told)> {
    let told = move |until: Option<i64>| Told { journal_no: until.unwrap_or(no), still: until.is_none() };
    hearing.all().map(move |(party, until)| (party, told(until)))
}

/// An activity in a sitting.
#[derive(Debug, Clone)]
pub struct Case {
    pub daybook: DaybookId,
    /// Whose daybook it is, aliases resolved.
    pub owner: PartyId,
    pub judgement: Judgement,
    /// What keeps a rule from approving the newest version, for the verdict.
    pub doubts: Vec<Doubt>,
    /// Why the last decision, in words for the resident.
    pub reason: Option<Reason>,
    /// The occasion that it takes minutes from, or will.
    pub part_of: Option<ActivityId>,
    /// The activity that it confirms.
    pub confirms: Option<ActivityId>,
    pub due_at_ms: Option<i64>,
    /// Since when it needs a person.
    pub waits_since_ms: Option<i64>,
    /// Who else hears of it.
    pub hearing: Hearing,
    /// When the activity was first received, once a sitting knows.
    pub received_at_ms: Option<i64>,
    /// How much was said about it.
    pub replies: i64,
    /// The last journal number that is about it.
    pub journal_no: i64,
    /// When that was.
    judged_at_ms: i64,
    /// Of whoever hears or heard of it, what their rows say.
    told: BTreeMap<PartyId, Told>,
    /// To be written.
    pub(super) changed: bool,
}

impl Case {
    /// A case that nobody has judged yet.
    pub fn new(daybook: DaybookId, owner: PartyId) -> Self {
        Self {
            daybook,
            owner,
            judgement: Judgement::default(),
            doubts: Vec::new(),
            reason: None,
            part_of: None,
            confirms: None,
            due_at_ms: None,
            waits_since_ms: None,
            hearing: Hearing::default(),
            received_at_ms: None,
            replies: 0,
            journal_no: 0,
            judged_at_ms: 0,
            told: BTreeMap::new(),
            changed: false,
        }
    }

    /// Notes the journal number that is about it.
    pub fn noted(&mut self, no: i64, at_ms: i64) {
        self.journal_no = no;
        self.judged_at_ms = at_ms;
    }

    /// Nothing goes on here until a person decides: it is not clean, or no rule may approve it, or chance shows it
    /// to somebody.
    fn needs_a_person(&self) -> bool {
        let undecided = self.judgement.review().is_undecided();
        // Where a person decided no rule does.
        let left_to_rules =
            self.doubts.is_empty() && self.due_at_ms.is_some() && !self.judgement.person_decided;
        (undecided && !left_to_rules) || self.judgement.audit || self.judgement.unanswered
    }

    /// Notes whom the last of these versions names besides its owner, taken up at a journal number; of one that cannot
    /// be read nobody knows. And when the activity was first received, if the first version is among them.
    pub fn names<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r activity_version::Model>,
        activity: Option<&Activity>,
        owner: PartyId,
        no: i64,
    ) {
        let first = rows.into_iter().find(|row| row.version == 1);
        self.received_at_ms = first.map_or(self.received_at_ms, |row| Some(row.received_at_ms));
        let Some(activity) = activity else { return };
        let named = activity.parties.iter().filter(|party| party.minutes > 0).map(|party| party.party_id);
        let named: BTreeSet<PartyId> = named.filter(|party| *party != owner).collect();
        self.hearing.names(named, no);
    }

    /// The rows of whoever hears or heard of it; when it was received is known.
    pub fn named_rows(&self, neighbourhood: NeighbourhoodId, id: ActivityId) -> Vec<named_party::Model> {
        let rows = told(&self.hearing, self.journal_no).map(|(party, told)| named_party::Model {
            neighbourhood_id: neighbourhood.0,
            party_id: party.0,
            activity_id: id.0,
            journal_no: told.journal_no,
            still: told.still,
            received_at_ms: self.received_at_ms.unwrap_or_default(),
        });
        rows.collect()
    }

    /// Those of them that are not as they were loaded: of whoever heard of it once, nothing is written again.
    pub(super) fn changed_named_rows(
        &self,
        neighbourhood: NeighbourhoodId,
        id: ActivityId,
    ) -> Vec<named_party::Model> {
        let mut rows = self.named_rows(neighbourhood, id);
        rows.retain(|row| {
            let told = Told { journal_no: row.journal_no, still: row.still };
            self.told.get(&PartyId(row.party_id)) != Some(&told)
        });
        rows
    }

    /// Who had a row when it was loaded, and is forgotten since.
    pub(super) fn forgotten(&self) -> Vec<PartyId> {
        let all: BTreeSet<PartyId> = self.hearing.all().map(|(party, _)| party).collect();
        self.told.keys().filter(|party| !all.contains(party)).copied().collect()
    }

    pub(super) fn from_row(row: judgement::Model) -> Result<Self, FlowError> {
        let named = row.named.map(|named| serde_json::from_str(&named)).transpose()?;
        let hearing: Hearing = named.unwrap_or_default();
        Ok(Self {
            told: told(&hearing, row.journal_no).collect(),
            daybook: DaybookId(row.daybook_id),
            owner: PartyId(row.party_id),
            judgement: serde_json::from_str(&row.body)?,
            doubts: row.doubts.map(|doubts| serde_json::from_str(&doubts)).transpose()?.unwrap_or_default(),
            reason: Reason::from_kept(row.reason_code, row.reason_text),
            part_of: row.part_of.map(ActivityId),
            confirms: row.confirms.map(ActivityId),
            due_at_ms: row.due_at_ms,
            waits_since_ms: row.waits_since_ms,
            hearing,
            received_at_ms: None,
            replies: row.replies.unwrap_or_default(),
            journal_no: row.journal_no,
            judged_at_ms: row.judged_at_ms,
            changed: false,
        })
    }
}

/// The row of a case.
pub fn judgement_row(
    neighbourhood: NeighbourhoodId,
    id: ActivityId,
    case: &Case,
) -> Result<judgement::Model, FlowError> {
    let judged = &case.judgement;
    let (reason_code, reason_text) = case.reason.as_ref().map(Reason::kept).unzip();
    let reason_text = reason_text.flatten();
    let review = serde_json::to_value(judged.review())?;
    Ok(judgement::Model {
        neighbourhood_id: neighbourhood.0,
        activity_id: id.0,
        daybook_id: case.daybook.0,
        party_id: case.owner.0,
        body: serde_json::to_string(judged)?,
        review: review.as_str().unwrap_or_default().to_owned(),
        judged_version: judged.judged_version,
        decision_seq: judged.decision_seq,
        posting_seq: judged.posting_seq,
        part_of: case.part_of.map(|occasion| occasion.0),
        minutes: judged.posted.iter().map(|line| line.minutes).sum(),
        reason_code,
        reason_text,
        journal_no: case.journal_no,
        judged_at_ms: case.judged_at_ms,
        due_at_ms: case.due_at_ms,
        revision: judged.revision,
        confirms: case.confirms.map(|confirmed| confirmed.0),
        doubts: (!case.doubts.is_empty()).then(|| serde_json::to_string(&case.doubts)).transpose()?,
        waits_since_ms: case.needs_a_person().then(|| case.waits_since_ms.unwrap_or(case.judged_at_ms)),
        named: (!case.hearing.is_empty()).then(|| serde_json::to_string(&case.hearing)).transpose()?,
        replies: (case.replies > 0).then_some(case.replies),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::limits::NAMED_EVER_MAX;

    #[test]
    fn only_what_changed_of_who_hears_of_it_is_written_again() {
        let [neighbourhood, id] = [1, 2].map(Uuid::from_u128);
        let (neighbourhood, id) = (NeighbourhoodId(neighbourhood), ActivityId(id));
        let parties = |numbers: std::ops::Range<u128>| numbers.map(|number| PartyId(Uuid::from_u128(number)));
        let mut case = Case::new(DaybookId(Uuid::nil()), PartyId(Uuid::nil()));
        case.hearing.names(parties(1..4).collect(), 5);
        case.hearing.names(parties(3..5).collect(), 6);
        case.noted(6, 0);
        let written = case.named_rows(neighbourhood, id);
        assert_eq!(case.changed_named_rows(neighbourhood, id), written, "all of them are new");
        let mut again = Case::from_row(judgement_row(neighbourhood, id, &case).unwrap()).unwrap();
        assert!(again.changed_named_rows(neighbourhood, id).is_empty(), "nothing is new");
        again.noted(7, 0);
        let changed = again.changed_named_rows(neighbourhood, id);
        let changed: Vec<_> = changed.iter().map(|row| (row.party_id.as_u128(), row.journal_no)).collect();
        assert_eq!(changed, [(3, 7), (4, 7)], "who hears of it still");
        let most = u128::try_from(NAMED_EVER_MAX).unwrap();
        again.hearing.names(parties(3..most + 2).collect(), 7);
        assert_eq!(again.forgotten(), parties(1..2).collect::<Vec<_>>());
    }
}
