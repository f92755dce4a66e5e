//! Where people's word counts (packs of mode `peer`): who wrote what is judged, who confirms it, and what there was when
//! they did.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::facts::{Brief, People};
use super::sitting::Sitting;
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::rules::Mode;
use crate::ledger::{self, Corrections, Decided, raises_nothing};
use crate::store;
use crate::store::entity::activity_version;

/// Automerge's time is whole seconds.
const SECOND_MS: i64 = 1_000;

/// What a sitting has loaded of this.
#[derive(Debug, Default)]
pub struct Words {
    /// Who wrote an activity, in the order in which they began to: of what is judged and of what confirms it.
    writers: BTreeMap<ActivityId, Vec<PartyId>>,
    /// By what is confirmed and what confirms it: how the one read when the other was written; nothing where that is as
    /// it reads now.
    seen: BTreeMap<(ActivityId, ActivityId), Option<Brief>>,
}

impl Sitting<'_> {
    /// Loads who wrote these and what confirms them, and what there was to confirm. Cases are loaded.
    pub(super) async fn load_words(
        &mut self,
        briefs: &[Brief],
        people: &mut People,
    ) -> Result<(), FlowError> {
        if self.pack.mode != Mode::Peer {
            return Ok(());
        }
        let judged: BTreeMap<ActivityId, &Brief> = briefs.iter().map(|brief| (brief.id, brief)).collect();
        let before = self.cases().filter_map(|(id, case)| Some((case.confirms?, *id)));
        let now = briefs.iter().filter_map(|brief| Some((brief.confirms()?, brief.id)));
        let pairs: BTreeSet<(ActivityId, ActivityId)> =
            before.chain(now).filter(|(of, _)| judged.contains_key(of)).collect();
        let ids: BTreeSet<ActivityId> =
            pairs.iter().map(|(_, by)| *by).chain(judged.keys().copied()).collect();
        let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
        let words = &mut self.near.words;
        words.writers.extend(ids.iter().map(|id| (*id, Vec::new())));
        for (id, party) in store::activities::writers(txn, neighbourhood, &ids).await? {
            words.writers.entry(id).or_default().push(party);
        }
        let firsts: Vec<(ActivityId, i64)> =
            pairs.iter().map(|(_, by)| *by).collect::<BTreeSet<_>>().into_iter().map(|by| (by, 1)).collect();
        let firsts = store::activities::versions_named(txn, neighbourhood, &firsts).await?;
        let written: BTreeMap<ActivityId, i64> =
            firsts.iter().map(|row| (ActivityId(row.activity_id), written_ms(row))).collect();
        for (of, by) in pairs {
            let (Some(brief), Some(at_ms)) = (judged.get(&of), written.get(&by)) else { continue };
            let seen = self.seen(brief, *at_ms, people).await?;
            self.near.words.seen.insert((of, by), seen);
        }
        Ok(())
    }

    /// How it read at a time, if not as now.
    async fn seen(&self, brief: &Brief, at_ms: i64, people: &mut People) -> Result<Option<Brief>, FlowError> {
        if brief.version == 1 {
            return Ok(None);
        }
        let row = store::activities::version_at(self.txn(), self.neighbourhood(), brief.id, at_ms).await?;
        let Some(row) = row.filter(|row| row.version != brief.version) else { return Ok(None) };
        let seen = Brief::read(self, Vec::new(), &row)?;
        people.learn(self, std::slice::from_ref(&seen)).await?;
        Ok(Some(seen))
    }

    /// Whether others stand behind every line of it: they wrote that they confirm it, each in their own daybook and
    /// nobody else in that record, and it gives nobody more than when they did. What a group's daybook says any of its
    /// members may have written, and what is in somebody's own a coordinator may have written for them.
    pub(super) fn is_confirmed(&self, brief: &Brief, decided: &Decided, people: &People) -> bool {
        let words = &self.near.words;
        let by_its_owner = |id: &ActivityId, owner: PartyId| {
            let writers = words.writers.get(id);
            writers
                .is_some_and(|writers| writers.iter().all(|writer| *writer == owner) && !writers.is_empty())
        };
        let no_more = |id: &ActivityId| match words.seen.get(&(brief.id, *id)) {
            Some(None) => true,
            Some(Some(seen)) => seen.activity.as_ref().is_some_and(|activity| {
                raises_nothing(&people.decide(activity, &Corrections::default()), decided)
            }),
            None => false,
        };
        let confirming = self.cases().filter(|(id, case)| {
            case.confirms == Some(brief.id)
                && !case.judgement.withdrawn
                && case.judgement.merged_into.is_none()
                && !self.groups.contains(&case.owner)
                && by_its_owner(id, case.owner)
                && no_more(id)
        });
        let confirmers = confirming.map(|(_, case)| case.owner).collect();
        let owner = [people.resolved(brief.owner)];
        let writers = words.writers.get(&brief.id).filter(|writers| !writers.is_empty());
        ledger::is_confirmed(decided, writers.map_or(&owner[..], Vec::as_slice), &confirmers)
    }
}

/// Until when a record was written, as its phone and the server know it: who confirms saw nothing that came later.
fn written_ms(row: &activity_version::Model) -> i64 {
    let recorded = Some(row.recorded_at_ms).filter(|at_ms| *at_ms > 0);
    recorded.map_or(row.received_at_ms, |at_ms| at_ms.saturating_add(SECOND_MS - 1).min(row.received_at_ms))
}
