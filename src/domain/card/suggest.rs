//! The decision that the figures suggest, and why. It is offered, never taken: a person decides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::group::Group;
use super::{ChosenBy, Entry, Need, Why, choose, merge, stakes};
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::key::Key;
use crate::domain::limits::SETTLEMENTS_MAX;
use crate::domain::reading::Value;
use crate::domain::review::Review;
use crate::domain::suspicion::{Clock, Elsewhere, Evidence, Suspicion};

/// One decision, or one question, for some of a card's records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    #[serde(flatten)]
    pub proposal: Proposal,
    /// Why.
    pub why: Why,
    /// Minutes that the records hold in all once it is done; none for what decides nothing about minutes.
    pub minutes_after: Option<i64>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Proposal {
    /// Approve as they stand but for the corrections. Suspicions about them are settled by it.
    Approve {
        /// These.
        activities: Vec<ActivityId>,
        /// Lines that are to say something else.
        corrections: Vec<Correction>,
    },
    /// Make one of several: items counted once, minutes of each person kept.
    Merge {
        /// The one that the others go into.
        canonical: ActivityId,
        /// The others.
        members: Vec<ActivityId>,
        /// Whose minutes are whose.
        minutes: Vec<MinutesChosen>,
        /// What is counted once.
        items: Vec<ItemChosen>,
        /// People of the occasion, the most that any record says.
        people: Option<i64>,
        /// Minutes of the occasion in all, the most that any record says.
        person_minutes: Option<i64>,
    },
    /// Settle each of these fields to one of its surviving values: all by one decision, since a decision moves the record
    /// on, and a second one would be about what was there before the first.
    Settle {
        /// Of which record.
        activity: ActivityId,
        /// Which value for which field.
        values: Vec<ValueChosen>,
    },
    /// Let stand what was posted, without the change since. To count the change, take the merge apart first.
    Keep {
        /// These.
        activities: Vec<ActivityId>,
    },
    /// Ask the people of these records first.
    Ask {
        /// These.
        activities: Vec<ActivityId>,
        /// What to ask.
        question: Question,
    },
    /// Nothing of it is to be posted.
    Reject {
        /// These.
        activities: Vec<ActivityId>,
    },
}

impl Proposal {
    /// What it is called.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Merge { .. } => "merge",
            Self::Settle { .. } => "settle",
            Self::Keep { .. } => "keep",
            Self::Ask { .. } => "ask",
            Self::Reject { .. } => "reject",
        }
    }
}

/// A line that an approval would correct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    /// Of which record.
    pub activity: ActivityId,
    /// Whose.
    pub party: PartyId,
    /// In all, instead of what the record says.
    pub minutes: i64,
}

/// A person's minutes, and the record that they are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MinutesChosen {
    /// Whose.
    pub party: PartyId,
    /// How many.
    pub minutes: i64,
    /// The record that says so.
    pub from: ActivityId,
}

/// A field in conflict, and which of its values is to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueChosen {
    /// The document's key.
    pub field: String,
    /// As plain JSON.
    pub value: serde_json::Value,
}

/// A count, and the record that it is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemChosen {
    /// What was counted.
    pub item: String,
    /// Only seen, not picked up.
    pub seen: bool,
    /// How many.
    pub count: i64,
    /// The record that says so.
    pub from: ActivityId,
}

/// What to ask, in the order in which it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Who looked after the young people?
    Supervision,
    /// Who is it that nobody knows yet?
    Who,
    /// Was it taken back?
    TakenBack,
    /// Can somebody else confirm it?
    Confirmation,
    /// Which day, which times?
    Times,
    /// How much was it?
    Figures,
    /// Which photos belong to it?
    Photos,
    /// Who wrote it?
    Writer,
    /// Is it counted elsewhere?
    Elsewhere,
}

impl Question {
    /// Every question.
    pub const ALL: [Self; 9] = [
        Self::Supervision,
        Self::Who,
        Self::TakenBack,
        Self::Confirmation,
        Self::Times,
        Self::Figures,
        Self::Photos,
        Self::Writer,
        Self::Elsewhere,
    ];
}

/// What is suggested for a card: values to settle first, then merges, questions, and what can be approved.
pub(super) fn suggest(group: &Group<'_>) -> Vec<Suggestion> {
    let mut done: BTreeSet<ActivityId> = BTreeSet::new();
    let mut suggested = Vec::new();
    let needing = || {
        let undone = group.entries.iter().copied().filter(|entry| group.needs(entry) && stands(entry));
        undone.filter(|entry| !only_answered(group, entry))
    };
    for settled in needing().filter_map(settle) {
        if let Proposal::Settle { activity, .. } = &settled.proposal {
            done.insert(*activity);
        }
        suggested.push(settled);
    }
    // What others are merged into is taken apart before it is merged anew, and what cannot be read is asked about.
    let merges = |entry: &Entry| {
        let fit = !entry.has_members && !entry.needs.contains(&Need::Unreadable);
        fit && stands(entry) && !done.contains(&entry.record.id)
    };
    for cluster in merge::clusters(group, merges) {
        let Some((proposal, minutes)) = merge::proposal(&cluster) else { continue };
        done.extend(cluster.iter().map(|entry| entry.record.id));
        let why = Why::OneEvent(cluster.len());
        suggested.push(Suggestion { proposal, why, minutes_after: Some(minutes) });
    }
    let mut rejected = Vec::new();
    let mut asked: BTreeMap<Question, Vec<ActivityId>> = BTreeMap::new();
    let (mut kept, mut approved) = (Vec::new(), Vec::new());
    for entry in needing().filter(|entry| !done.contains(&entry.record.id)) {
        if is_done_officially(group, entry) && !entry.has_members {
            rejected.push(entry.record.id);
        } else if let Some(question) = question(group, entry) {
            asked.entry(question).or_default().push(entry.record.id);
        } else if entry.has_members {
            // An approval would count this record alone, and take from the others what was posted for them.
            kept.extend(may_be_kept(group, entry).then_some(entry));
        } else if !entry.needs.contains(&Need::Conflict) {
            approved.push(entry);
        }
    }
    suggested.extend(asked.into_iter().map(|(question, activities)| ask(question, activities)));
    if !rejected.is_empty() {
        let proposal = Proposal::Reject { activities: rejected };
        suggested.push(Suggestion { proposal, why: Why::DoneOfficially, minutes_after: Some(0) });
    }
    suggested.extend(keep(&kept));
    suggested.extend(approve(group, &approved));
    suggested
}

/// Something of it was changed, and nobody says that they were not part of it: that is for the merge to be taken
/// apart.
fn may_be_kept(group: &Group<'_>, entry: &Entry) -> bool {
    let id = entry.record.id;
    let mut records = group.entries.iter().filter(|one| one.record.id == id || one.merged_into == Some(id));
    entry.review == Review::EditedAfterApproval && records.all(|one| one.declined.is_empty())
}

fn keep(entries: &[&Entry]) -> Option<Suggestion> {
    if entries.is_empty() {
        return None;
    }
    let posted = |entry: &&Entry| entry.holds().saturating_sub(entry.moves);
    let minutes = entries.iter().map(posted).fold(0_i64, i64::saturating_add);
    let proposal = Proposal::Keep { activities: entries.iter().map(|entry| entry.record.id).collect() };
    Some(Suggestion { proposal, why: Why::MergeStands, minutes_after: Some(minutes) })
}

/// Something can still be decided about it.
fn stands(entry: &Entry) -> bool {
    entry.merged_into.is_none() && !matches!(entry.review, Review::Rejected | Review::Withdrawn)
}

/// Words are what it needs, and no decision.
fn only_answered(group: &Group<'_>, entry: &Entry) -> bool {
    entry.needs.iter().all(|need| *need == Need::Reply) && group.about(entry.record.id).next().is_none()
}

/// All fields of a record in which the figures tell what to choose, at once.
fn settle(entry: &Entry) -> Option<Suggestion> {
    let chosen =
        entry.disputed.iter().filter_map(|disputed| Some((&disputed.field, choose::value(disputed)?)));
    let (mut values, mut by) = (Vec::new(), BTreeSet::new());
    for (field, value) in chosen.take(SETTLEMENTS_MAX) {
        by.insert(chosen_by(field, value));
        values.push(ValueChosen { field: field.clone(), value: value.to_json() });
    }
    let proposal = Proposal::Settle { activity: entry.record.id, values };
    (!by.is_empty()).then_some(Suggestion { proposal, why: Why::Chosen(by), minutes_after: None })
}

fn chosen_by(field: &str, value: &Value) -> ChosenBy {
    match value {
        Value::Integer(_) if field.starts_with("tally/") => ChosenBy::GreatestCount,
        Value::Integer(_) => ChosenBy::Least,
        _ => ChosenBy::Last,
    }
}

fn ask(question: Question, activities: Vec<ActivityId>) -> Suggestion {
    let proposal = Proposal::Ask { activities, question };
    Suggestion { proposal, why: Why::Ask(question), minutes_after: None }
}

fn is_done_officially(group: &Group<'_>, entry: &Entry) -> bool {
    group.about(entry.record.id).any(|suspicion| match &suspicion.evidence {
        Evidence::AlsoReported(found) => found.how == Elsewhere::DoneOfficially,
        _ => false,
    })
}

/// The first question that only people can answer.
fn question(group: &Group<'_>, entry: &Entry) -> Option<Question> {
    let by_need = entry.needs.iter().filter_map(|need| match need {
        Need::UnknownParty => Some(Question::Who),
        // Of other fields one of the values is suggested.
        Need::Conflict => is_half_withdrawn(entry).then_some(Question::TakenBack),
        Need::Withdrawn => Some(Question::TakenBack),
        Need::Unreadable | Need::DayMinutes | Need::OccasionTotal => Some(Question::Figures),
        Need::Edited | Need::SecondPerson | Need::Rules | Need::Declined | Need::Reply | Need::Audit => None,
    });
    let by_suspicion =
        group.about(entry.record.id).filter_map(|suspicion| question_of(group, entry, suspicion));
    by_need.chain(by_suspicion).min()
}

/// One phone took it back and another did not.
fn is_half_withdrawn(entry: &Entry) -> bool {
    entry.disputed.iter().any(|disputed| matches!(Key::parse(&disputed.field), Key::Withdrawn))
}

fn question_of(group: &Group<'_>, entry: &Entry, suspicion: &Suspicion) -> Option<Question> {
    match &suspicion.evidence {
        Evidence::ImplausibleAmount(_) => Some(Question::Figures),
        Evidence::ClockSkew(found) => {
            let moves_the_day = |sign: &Clock| {
                matches!(
                    sign,
                    Clock::DayAhead
                        | Clock::StartedAhead
                        | Clock::StartedAfterRecorded
                        | Clock::DayAndStartDiffer
                )
            };
            found.signs.iter().any(|sign| moves_the_day(&sign.sign)).then_some(Question::Times)
        }
        Evidence::OwnConfirmation(_) | Evidence::MutualConfirmation(_) => {
            // The confirmation itself posts nothing; it is the confirmed record that lacks one.
            entry.record.activity.confirms.is_none().then_some(Question::Confirmation)
        }
        Evidence::PhotoSeenBefore(_) => is_later(group, entry, suspicion).then_some(Question::Photos),
        Evidence::Carried(_) => Some(Question::Writer),
        Evidence::MinorPresent(_) => Some(Question::Supervision),
        Evidence::AlsoReported(_) => Some(Question::Elsewhere),
        // The merge of a disputed record waits until it is settled, and one that is merged is known to be one event.
        Evidence::SameEvent(_) => (!entry.has_members).then_some(Question::Times),
        Evidence::Overlap(_) | Evidence::OverClaimed(_) => {
            let said = &entry.record.minutes;
            let nothing_left =
                |(party, cut): (&PartyId, &i64)| said.get(party).is_none_or(|said| cut >= said);
            cuts(group, entry).iter().any(nothing_left).then_some(Question::Times)
        }
    }
}

/// Of the records of a suspicion the one that came last, and is not approved while others are: it has to give way.
fn is_later(group: &Group<'_>, entry: &Entry, suspicion: &Suspicion) -> bool {
    let rank =
        |entry: &Entry| (entry.review != Review::Approved, entry.record.times.received_ms, entry.record.id);
    let others = suspicion.about.iter().filter_map(|id| group.entry(*id));
    others.map(rank).max() == Some(rank(entry))
}

/// What all suspicions about a record take off its people's minutes.
fn cuts(group: &Group<'_>, entry: &Entry) -> BTreeMap<PartyId, i64> {
    let mut cuts: BTreeMap<PartyId, i64> = BTreeMap::new();
    let said = &entry.record.minutes;
    for suspicion in group.about(entry.record.id) {
        let taken: Vec<(PartyId, i64)> = match &suspicion.evidence {
            Evidence::Overlap(found) if is_later(group, entry, suspicion) => {
                found.people.iter().map(|of| (of.party, of.minutes)).collect()
            }
            Evidence::OverClaimed(found) if found.occasion != entry.record.id => {
                let excess = found.claimed.saturating_sub(found.remainder);
                // With several people nobody but they can tell whose minutes are too many.
                let all = |(party, said): (&PartyId, &i64)| {
                    (*party, if said_by_one(entry) { excess } else { *said })
                };
                said.iter().map(all).collect()
            }
            _ => Vec::new(),
        };
        for (party, minutes) in taken {
            let cut = cuts.entry(party).or_insert(0);
            *cut = cut.saturating_add(minutes);
        }
    }
    cuts
}

fn said_by_one(entry: &Entry) -> bool {
    entry.record.minutes.len() == 1
}

/// Who was not part of it is left out.
fn cuts_and_declined(group: &Group<'_>, entry: &Entry) -> BTreeMap<PartyId, i64> {
    let mut cuts = cuts(group, entry);
    let said = |party: &PartyId| Some((*party, *entry.record.minutes.get(party)?));
    cuts.extend(entry.declined.iter().filter_map(said));
    cuts
}

fn approve(group: &Group<'_>, entries: &[&Entry]) -> Option<Suggestion> {
    if entries.is_empty() {
        return None;
    }
    let mut corrections = Vec::new();
    let (mut taken, mut after) = (0_i64, 0_i64);
    let claimed = stakes::claimed_but_for(group, entries, |entry| cuts_and_declined(group, entry));
    for entry in entries {
        let cuts = cuts_and_declined(group, entry);
        let holds = entry.holds_beside(&cuts, &claimed).saturating_sub(entry.clipped(&cuts));
        after = after.saturating_add(holds);
        for (party, cut) in cuts {
            let said = entry.record.minutes.get(&party).copied().unwrap_or(0);
            let minutes = said.saturating_sub(cut);
            corrections.push(Correction { activity: entry.record.id, party, minutes });
            taken = taken.saturating_add(cut);
        }
    }
    let without = entries.iter().any(|entry| !entry.declined.is_empty());
    let why = match (corrections.is_empty(), entries.len()) {
        (false, _) if without => Why::WithoutWhoDeclined,
        (false, _) => Why::CountedTwice(taken),
        (true, records) => Why::Ordinary(records),
    };
    let activities = entries.iter().map(|entry| entry.record.id).collect();
    Some(Suggestion {
        proposal: Proposal::Approve { activities, corrections },
        why,
        minutes_after: Some(after),
    })
}
