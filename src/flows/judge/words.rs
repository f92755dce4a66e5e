//! Where people's word counts (packs of mode `peer`): who wrote what is judged, who confirms it, and what there was when
//! they did.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::facts::{Brief, People};
use super::sitting::Sitting;
use crate::domain::activity::Activity;
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::reading::Reading;
use crate::domain::review::Review;
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
    /// By what is confirmed and what confirms it: how the one read when the other was written.
    seen: BTreeMap<(ActivityId, ActivityId), Seen>,
}

/// What there was to confirm.
#[derive(Debug)]
enum Seen {
    Nothing,
    AsNow,
    Then(Box<Brief>),
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
        let confirming: BTreeSet<ActivityId> = pairs.iter().map(|(_, by)| *by).collect();
        let mut written: BTreeMap<(ActivityId, ActivityId), i64> = BTreeMap::new();
        for row in store::activities::all_versions(txn, neighbourhood, &confirming).await? {
            let by = ActivityId(row.activity_id);
            let reading: Reading = serde_json::from_str(&row.reading)?;
            let Some(of) = Activity::from_reading(&reading, self.zone).ok().and_then(|read| read.confirms)
            else {
                continue;
            };
            // A record that was there before is a word from when it first said so.
            written.entry((of, by)).or_insert_with(|| written_ms(&row));
        }
        for (of, by) in pairs {
            let (Some(brief), Some(at_ms)) = (judged.get(&of), written.get(&(of, by))) else { continue };
            let seen = self.seen(brief, *at_ms, people).await?;
            self.near.words.seen.insert((of, by), seen);
        }
        Ok(())
    }

    /// How it read at a time.
    async fn seen(&self, brief: &Brief, at_ms: i64, people: &mut People) -> Result<Seen, FlowError> {
        let row = store::activities::version_at(self.txn(), self.neighbourhood(), brief.id, at_ms).await?;
        let Some(row) = row else { return Ok(Seen::Nothing) };
        // Neither the server nor, by its own clock, the phone that wrote it had it then.
        if row.received_at_ms > at_ms && row.recorded_at_ms > at_ms {
            return Ok(Seen::Nothing);
        }
        if row.version == brief.version {
            return Ok(Seen::AsNow);
        }
        let seen = Brief::read(self, Vec::new(), &row)?;
        people.learn(self, std::slice::from_ref(&seen)).await?;
        Ok(Seen::Then(Box::new(seen)))
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
            Some(Seen::AsNow) => true,
            Some(Seen::Then(seen)) => seen.activity.as_ref().is_some_and(|activity| {
                raises_nothing(&people.decide(activity, &Corrections::default()), decided)
            }),
            Some(Seen::Nothing) | None => false,
        };
        let confirming = self.cases().filter(|(id, case)| {
            case.confirms == Some(brief.id)
                && !case.judgement.withdrawn
                && !matches!(case.judgement.review(), Review::Rejected | Review::NeedsChanges)
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
