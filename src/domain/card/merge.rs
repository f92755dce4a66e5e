//! One event out of several records: what is counted once, and whose minutes are whose (annex B, 2).

use std::collections::{BTreeMap, BTreeSet};

use super::Entry;
use super::group::Group;
use super::suggest::{ItemChosen, MinutesChosen, Proposal};
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::review::Review;
use crate::domain::suspicion::{Elsewhere, Evidence, Suspicion};

/// The sets of records that tell of one event, each of two or more, in the order of their least ids.
pub(super) fn clusters<'a>(group: &Group<'a>, usable: impl Fn(&Entry) -> bool) -> Vec<Vec<&'a Entry>> {
    let mut clusters: Vec<BTreeSet<ActivityId>> = Vec::new();
    for suspicion in group.suspicions.iter().filter(|suspicion| is_one_event(suspicion)) {
        let mut joined: BTreeSet<ActivityId> = suspicion.about.iter().copied().collect();
        let (touched, apart): (Vec<_>, Vec<_>) =
            clusters.into_iter().partition(|cluster| !cluster.is_disjoint(&joined));
        joined.extend(touched.into_iter().flatten());
        clusters = apart;
        clusters.push(joined);
    }
    clusters.sort_unstable();
    let known = clusters.into_iter().map(|cluster| {
        let entries = cluster.into_iter().filter_map(|id| group.entry(id));
        entries.collect::<Vec<_>>()
    });
    known.filter(|cluster| cluster.len() > 1 && cluster.iter().all(|entry| usable(entry))).collect()
}

fn is_one_event(suspicion: &Suspicion) -> bool {
    match &suspicion.evidence {
        Evidence::SameEvent(_) => true,
        Evidence::AlsoReported(found) => {
            matches!(found.how, Elsewhere::SameSource | Elsewhere::SameRequest | Elsewhere::Imported)
        }
        _ => false,
    }
}

/// The merge of a cluster, and the minutes that it comes to.
pub(super) fn proposal(cluster: &[&Entry]) -> Option<(Proposal, i64)> {
    let canonical = cluster.iter().max_by_key(|entry| weight(entry))?.record.id;
    let members = cluster.iter().map(|entry| entry.record.id).filter(|id| *id != canonical).collect();
    let minutes = minutes(cluster);
    let named = minutes.iter().fold(0_i64, |sum, chosen| sum.saturating_add(chosen.minutes));
    let above = |chosen: &MinutesChosen| {
        // A record leaves out only itself; of the records together the widest room is the nearest.
        let most = cluster.iter().filter_map(|entry| entry.room.get(&chosen.party)).max();
        most.map_or(0, |most| chosen.minutes.saturating_sub(*most).max(0))
    };
    let clipped = minutes.iter().map(above).fold(0_i64, i64::saturating_add);
    let people = cluster.iter().filter_map(|entry| entry.record.activity.people).max();
    let person_minutes = cluster.iter().filter_map(|entry| entry.record.activity.person_minutes).max();
    let total = named.max(person_minutes.unwrap_or(0)).saturating_sub(clipped);
    Some((
        Proposal::Merge { canonical, members, minutes, items: items(cluster), people, person_minutes },
        total,
    ))
}

/// What is approved stays where it is; else the record that tells most, the earlier of two, the lesser id.
fn weight(entry: &Entry) -> impl Ord + use<> {
    let record = &entry.record;
    let approved = matches!(entry.review, Review::Approved | Review::EditedAfterApproval);
    let states_total = record.activity.person_minutes.is_some() || record.activity.people.is_some();
    let told = record.minutes.len() + record.photos.len() + record.activity.tallies.len();
    let earlier = std::cmp::Reverse((record.times.received_ms, record.id));
    (approved, states_total, told, earlier)
}

/// What a person wrote of their own time goes before what others wrote of it; otherwise the least, which can be
/// raised without taking anything back. Whoever says that they were not part of one of the records has none.
fn minutes(cluster: &[&Entry]) -> Vec<MinutesChosen> {
    let mut chosen: BTreeMap<PartyId, (bool, i64, ActivityId)> = BTreeMap::new();
    for entry in cluster {
        for (party, minutes) in &entry.record.minutes {
            let candidate = (entry.record.owner != *party, *minutes, entry.record.id);
            let best = chosen.entry(*party).or_insert(candidate);
            *best = candidate.min(*best);
        }
    }
    let declined = |party: &PartyId| cluster.iter().any(|entry| entry.declined.contains(party));
    let chosen = chosen.into_iter().map(|(party, (_, minutes, from))| {
        let minutes = if declined(&party) { 0 } else { minutes };
        MinutesChosen { party, minutes, from }
    });
    chosen.collect()
}

/// Each item once: the larger count, never the sum.
fn items(cluster: &[&Entry]) -> Vec<ItemChosen> {
    let mut chosen: BTreeMap<(String, bool), (i64, ActivityId)> = BTreeMap::new();
    for entry in cluster {
        for tally in &entry.record.activity.tallies {
            let best =
                chosen.entry((tally.item.clone(), tally.seen)).or_insert((tally.count, entry.record.id));
            if tally.count > best.0 {
                *best = (tally.count, entry.record.id);
            }
        }
    }
    let chosen = chosen.into_iter();
    chosen.map(|((item, seen), (count, from))| ItemChosen { item, seen, count, from }).collect()
}
