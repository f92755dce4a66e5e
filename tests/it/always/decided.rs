//! What people and rules decided, followed decision by decision: what is in force is what the last one says.

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::key::Key;
use daybook::domain::reading::{Reading, Value};
use daybook::ledger::{Asset, By, Decided, DecisionStep, Line, StoredDecision};
use daybook::store::entity::decision;
use uuid::Uuid;

use super::books::Books;
use super::check::{Checked, hold};

/// How an activity stands by its decisions alone.
#[derive(Debug, Clone, Default, PartialEq)]
struct Standing {
    seq: i64,
    own: Option<Decided>,
    cluster: Option<Decided>,
    members: BTreeSet<ActivityId>,
    into: Option<ActivityId>,
    /// Who approved what as the first of two.
    first: Option<(PartyId, Decided)>,
}

/// Everything decided so far.
struct Shadow<'a> {
    books: &'a Books,
    standing: BTreeMap<Uuid, Standing>,
    /// Before each decision.
    before: BTreeMap<Uuid, Standing>,
}

/// Decisions of an activity are numbered without gaps; judgements stand as their decisions say; what was merged
/// counts once, as its records say, and its members post nothing; above the rules' amount two people approved.
pub fn follow(books: &Books) -> Checked {
    let mut shadow = Shadow { books, standing: BTreeMap::new(), before: BTreeMap::new() };
    for (row, stored) in &books.decisions {
        shadow.decision(row, stored)?;
    }
    for (id, (row, judged)) in &books.judgements {
        let standing = shadow.standing.remove(&id.0).unwrap_or_default();
        let members = judged.members.iter().copied().collect();
        let is = Standing {
            seq: row.decision_seq,
            own: judged.own.clone(),
            cluster: judged.cluster.clone(),
            members,
            into: judged.merged_into,
            first: standing.first.clone(),
        };
        hold(is == standing, || format!("{id} stands as {is:?}\ndecided was {standing:?}"))?;
        let posted: i64 = books.transfers_of(*id).map(|transfer| transfer.minutes).sum();
        hold(is.into.is_none() || posted == 0, || format!("{id} is merged away and holds {posted}"))?;
    }
    Ok(())
}

impl Shadow<'_> {
    fn decision(&mut self, row: &decision::Model, stored: &StoredDecision) -> Checked {
        let before = self.standing.get(&row.activity_id).cloned().unwrap_or_default();
        hold(row.seq == before.seq + 1, || {
            format!("decision {} of {} follows {}", row.seq, row.activity_id, before.seq)
        })?;
        self.two_people(row, stored, &before)?;
        self.not_for_oneself(row, stored)?;
        let mut after = Standing { seq: row.seq, first: None, ..before.clone() };
        match stored.step {
            DecisionStep::Approve | DecisionStep::Reclassify if after.cluster.is_some() => {
                after.cluster.clone_from(&stored.decided);
            }
            DecisionStep::Approve | DecisionStep::Reclassify => after.own.clone_from(&stored.decided),
            DecisionStep::FirstApproval => {
                let By::Person(by) = stored.by else { return Err(format!("{} is of no person", row.id)) };
                after.first = stored.decided.clone().map(|decided| (by, decided));
            }
            DecisionStep::Reject | DecisionStep::Withdraw => after.own = None,
            DecisionStep::Keep | DecisionStep::AskForChanges | DecisionStep::Settle => {}
            DecisionStep::Merge => match stored.into {
                Some(into) => after.into = Some(into),
                None => {
                    self.counts_once(row, stored)?;
                    after.cluster.clone_from(&stored.decided);
                    after.members = stored.members.iter().copied().collect();
                }
            },
            DecisionStep::Unmerge => (after.cluster, after.members, after.into) = Default::default(),
            DecisionStep::Undo => {
                let undone = stored.undoes.as_ref().and_then(|undoes| self.before.get(&undoes.decision.0));
                let undone = undone.ok_or_else(|| format!("{} undoes what is not there", row.id))?.clone();
                (after.own, after.cluster, after.first) = (undone.own, undone.cluster, undone.first);
            }
        }
        self.before.insert(row.id, before);
        self.standing.insert(row.activity_id, after);
        Ok(())
    }

    /// Above the amount of the rules in force, another person had approved the same lines before.
    fn two_people(&self, row: &decision::Model, stored: &StoredDecision, before: &Standing) -> Checked {
        let (By::Person(by), DecisionStep::Approve, Some(decided)) =
            (stored.by, stored.step, &stored.decided)
        else {
            return Ok(());
        };
        let pack = self.books.packs.get(&stored.pack_version);
        let pack = pack.ok_or_else(|| format!("no rules {}", stored.pack_version))?;
        let first = before.first.as_ref().filter(|(first, lines)| *first != by && lines == decided);
        hold(!pack.needs_two(decided.minutes()) || first.is_some(), || {
            format!("{} needed two people, before it was {:?}", row.id, before.first)
        })
    }

    /// Nobody approves a line that credits them.
    fn not_for_oneself(&self, row: &decision::Model, stored: &StoredDecision) -> Checked {
        let (By::Person(by), DecisionStep::Approve | DecisionStep::Merge) = (stored.by, stored.step) else {
            return Ok(());
        };
        let lines = stored.decided.iter().flat_map(|decided| &decided.lines);
        let is_mine = |line: &&Line| self.books.resolved_at(line.account.0, row.journal_no) == by.0;
        let mine: i64 = lines.filter(is_mine).map(|line| line.minutes).sum();
        hold(mine == 0, || format!("{} gives whoever decides {mine} minutes", row.id))
    }

    /// A merge gives nobody more minutes, and no item a greater count, than one of its records does.
    fn counts_once(&self, row: &decision::Model, stored: &StoredDecision) -> Checked {
        let Some(decided) = &stored.decided else { return Err(format!("{} merges nothing", row.id)) };
        let mut most = Most::at(self.books, row.journal_no);
        most.learn(ActivityId(row.activity_id), stored.version, self.standing.get(&row.activity_id));
        for member in &stored.members {
            // The decision about a member stands right before the one about the canonical one.
            let mut before = self.books.decisions.iter().filter(|(about, stored)| {
                about.activity_id == member.0
                    && about.journal_no < row.journal_no
                    && stored.step == DecisionStep::Merge
            });
            if let Some((_, stored)) = before.next_back() {
                most.learn(*member, stored.version, self.standing.get(&member.0));
            }
        }
        for (party, given) in most.given(decided) {
            let least = most.minutes.get(&party).copied().unwrap_or_default();
            hold(given <= least, || {
                format!("the merge {} gives {party} {given} minutes, no record more than {least}", row.id)
            })?;
        }
        for figure in &decided.report {
            let least = most.items.get(&(figure.item.clone(), figure.seen)).copied().unwrap_or_default();
            hold(figure.count <= least, || {
                format!("the merge {} counts {figure:?}, no record more than {least}", row.id)
            })?;
        }
        Ok(())
    }
}

/// The most that any of some records says of a person, and of an item, with people as they were at a number of the
/// journal.
struct Most<'a> {
    books: &'a Books,
    no: i64,
    minutes: BTreeMap<Uuid, i64>,
    items: BTreeMap<(String, bool), i64>,
}

impl<'a> Most<'a> {
    fn at(books: &'a Books, no: i64) -> Self {
        Self { books, no, minutes: BTreeMap::new(), items: BTreeMap::new() }
    }

    /// What lines give each person.
    fn given(&self, decided: &Decided) -> BTreeMap<Uuid, i64> {
        let mut given: BTreeMap<Uuid, i64> = BTreeMap::new();
        for line in decided.lines.iter().filter(|line| line.asset == Asset::Contribution) {
            *given.entry(self.books.resolved_at(line.account.0, self.no)).or_default() += line.minutes;
        }
        given
    }

    /// A record as it read then, and as was decided about it.
    fn learn(&mut self, id: ActivityId, version: i64, standing: Option<&Standing>) {
        if let Some(reading) = self.books.reading(id, version) {
            self.reading(&reading);
        }
        for decided in standing.into_iter().filter_map(|standing| standing.own.as_ref()) {
            for (party, minutes) in self.given(decided) {
                let most = self.minutes.entry(party).or_default();
                *most = minutes.max(*most);
            }
            for figure in &decided.report {
                let most = self.items.entry((figure.item.clone(), figure.seen)).or_default();
                *most = figure.count.max(*most);
            }
        }
    }

    fn reading(&mut self, reading: &Reading) {
        let mut minutes: BTreeMap<Uuid, i64> = BTreeMap::new();
        let mut items: BTreeMap<(String, bool), i64> = BTreeMap::new();
        for (key, field) in &reading.fields {
            // Where phones disagree a person may have settled the greatest value.
            let values = field.values().iter().filter_map(|value| match value {
                Value::Integer(count) => Some(*count),
                _ => None,
            });
            let greatest = values.max().unwrap_or_default();
            match Key::parse(key) {
                Key::Party { party, .. } => {
                    *minutes.entry(self.books.resolved_at(party.0, self.no)).or_default() += greatest
                }
                Key::Tally { item, seen, .. } => {
                    *items.entry((item.to_owned(), seen)).or_default() += greatest
                }
                _ => {}
            }
        }
        for (account, minutes) in minutes {
            let most = self.minutes.entry(account).or_default();
            *most = minutes.max(*most);
        }
        for (item, count) in items {
            let most = self.items.entry(item).or_default();
            *most = count.max(*most);
        }
    }
}
