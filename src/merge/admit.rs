//! Admits a change against the facts of its daybook (design: "Refused", "Held").
//!
//! The facts come from rows loaded in bulk; what [`references`] names is what there is to load. Accepting
//! a change updates the facts, so that the next change of the same transaction sees it.

use std::collections::HashMap;

use super::crowd::is_crowded;
use super::facts::Past;
pub use super::facts::{ActorLast, Facts, Named, Ranges, References, references};
use super::footprint::{Footprint, Found, ObjectInfo, Slot};
use super::guard::Checked;
use super::op::{Action, Actor, ObjId, ObjectKind, Op, OpId, OpKey};
use super::refusal::RefusalCode;
use super::text::drafts;
use crate::domain::held::LEFT_GROUP;
use crate::domain::limits::OBJECT_DEPTH_MAX;

/// Why a change waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldReason {
    /// A dependency is not accepted yet.
    MissingDependency,
    /// Its operations start above the daybook's greatest plus one.
    StartOpAhead,
    /// The daybook has as many operations as it may have for its bytes.
    Quota,
    /// Whoever brought it had left the group whose daybook it is: it waits until they are in it again.
    LeftGroup,
}

impl HeldReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::MissingDependency, Self::StartOpAhead, Self::Quota, Self::LeftGroup];

    /// The code as stored and as sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingDependency => "missing_dependency",
            Self::StartOpAhead => "start_op_ahead",
            Self::Quota => "quota",
            Self::LeftGroup => LEFT_GROUP,
        }
    }

    /// From the code as stored.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == code)
    }
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Takes the next position, which is [`Facts::position`] now. `objects` goes into the change's row; the
    /// facts of later changes are read from it.
    Accept {
        objects: Vec<u8>,
    },
    /// Accepted before.
    Duplicate,
    Held(HeldReason),
    /// Only a document can tell (a range of rich text over text of earlier changes). Outside of any
    /// transaction, ask `document::is_sound` with this change on top of the accepted ones; then add it to
    /// [`Facts::verified`], or refuse it as `mark_order`.
    Unverified,
    Refused(RefusalCode),
}

/// Decides about one change, in the order sent, and updates the facts.
pub fn admit(facts: &mut Facts, change: &Checked) -> Admission {
    if facts.known.contains_key(&change.hash) {
        return Admission::Duplicate;
    }
    match judge(facts, change) {
        Ok(Judged::Sound(past, footprint)) => {
            let objects = facts.accept(change, past, footprint);
            Admission::Accept { objects }
        }
        Ok(Judged::Unverified) => Admission::Unverified,
        Ok(Judged::Early(reason)) => {
            facts.held.insert(change.hash);
            Admission::Held(reason)
        }
        Err(code) => {
            facts.held.remove(&change.hash);
            facts.refused.insert(change.hash, code);
            Admission::Refused(code)
        }
    }
}

enum Judged {
    Sound(Past, Footprint),
    Unverified,
    Early(HeldReason),
}

fn judge(facts: &Facts, change: &Checked) -> Result<Judged, RefusalCode> {
    if let Some(code) = facts.refused.get(&change.hash) {
        return Err(*code);
    }
    if change.deps.iter().any(|dep| facts.refused.contains_key(dep)) {
        return Err(RefusalCode::OnRefused);
    }
    let last = facts.actors.get(&change.actor);
    let (last_seq, last_max) = last.map_or((0, 0), |last| (last.seq, last.max_op));
    // Not among the accepted, so what the actor has with this number is another change.
    if change.seq <= last_seq {
        return Err(RefusalCode::ActorFork);
    }
    let mut dependencies_max = 0;
    for dep in &change.deps {
        match facts.known.get(dep) {
            Some(known) => dependencies_max = dependencies_max.max(known.max_op),
            None => return Ok(Judged::Early(HeldReason::MissingDependency)),
        }
    }
    let past = Past::of(facts, &change.deps);
    // Automerge asserts that an actor's changes are applied in order, and itself orders changes by their
    // dependencies alone.
    let in_order = last.is_none_or(|last| past.contains(last.position));
    if change.seq > last_seq.saturating_add(1) || !in_order {
        return Err(RefusalCode::SeqGap);
    }
    if change.start_op <= dependencies_max.max(last_max) {
        return Err(RefusalCode::StartOpLow);
    }
    if change.ops.is_empty() && change.start_op != dependencies_max.saturating_add(1) {
        return Err(RefusalCode::StartOpGap);
    }
    if change.start_op > facts.max_op.saturating_add(1) {
        return Ok(Judged::Early(HeldReason::StartOpAhead));
    }
    let footprint = check_ops(facts, change, &past)?;
    if !facts.has_room(change.operations(), change.size()) {
        return Ok(Judged::Early(HeldReason::Quota));
    }
    if marks_in_order(&change.ops)? || facts.verified.contains(&change.hash) {
        Ok(Judged::Sound(past, footprint))
    } else {
        Ok(Judged::Unverified)
    }
}

/// Whether every range of rich text is known to begin before it ends; an error where one is known not to.
fn marks_in_order(ops: &[Op]) -> Result<bool, RefusalCode> {
    if !ops.iter().any(|op| op.action.is_mark()) {
        return Ok(true);
    }
    let drafts = drafts(ops);
    let by_id: HashMap<&OpId, &Op> = ops.iter().map(|op| (&op.id, op)).collect();
    if !drafts.values().all(|draft| draft.has_marks_in_order(|id| by_id.get(id).copied())) {
        return Err(RefusalCode::MarkOrder);
    }
    let mut known = true;
    let mut before: Option<&Op> = None;
    for op in ops {
        if op.action == Action::MarkEnd {
            // The end of a range is told from its beginning by its number alone.
            let begin = before.filter(|begin| begin.action == Action::MarkBegin && begin.obj == op.obj);
            let begin = begin.ok_or(RefusalCode::MarkOrder)?;
            let fresh = matches!(&op.obj, ObjId::Id(text) if drafts.contains_key(text));
            let right_after = op.key == OpKey::Element(begin.id.clone());
            // What is inserted first in a text stands before all that was there.
            let at_front = begin.key == OpKey::Head && op.key != OpKey::Head;
            known &= fresh || right_after || at_front;
        }
        before = Some(op);
    }
    Ok(known)
}

/// Every object, element and predecessor exists, in its place and in the change's past. Automerge would
/// panic on some of what is refused here, silently write documents that never load again from more of it,
/// and the rest would break a phone that takes the changes in another order.
fn check_ops(facts: &Facts, change: &Checked, past: &Past) -> Result<Footprint, RefusalCode> {
    if is_crowded(&change.ops) {
        return Err(RefusalCode::TooManyValues);
    }
    let mut view = View { facts, past, own: &change.actor, footprint: Footprint::new(change.start_op) };
    for op in &change.ops {
        let info = view.object(op)?;
        view.check_key(op, &info)?;
        view.check_predecessors(op)?;
        if matches!(op.action, Action::Make(_)) && info.depth >= OBJECT_DEPTH_MAX {
            return Err(RefusalCode::TooDeep);
        }
        view.footprint.push(op, &info);
    }
    Ok(view.footprint)
}

/// The operations that the change builds on, and its own so far.
struct View<'a> {
    facts: &'a Facts,
    past: &'a Past,
    own: &'a Actor,
    footprint: Footprint,
}

impl View<'_> {
    fn find(&self, id: &OpId, by: &OpId) -> Option<Found> {
        if id.counter >= by.counter {
            return None;
        }
        let own = if id.actor == *self.own { self.footprint.find(id.counter) } else { None };
        let earlier = || self.facts.find(id).filter(|(position, _)| self.past.contains(*position));
        own.or_else(|| earlier().map(|(_, found)| found))
    }

    fn object(&self, op: &Op) -> Result<ObjectInfo, RefusalCode> {
        match &op.obj {
            ObjId::Root => Ok(ObjectInfo::root()),
            ObjId::Id(id) => {
                let made = self.find(id, &op.id).and_then(|found| found.made);
                // Automerge knows tables by name only, and panics on what works in one.
                made.filter(|info| info.kind != ObjectKind::Table).ok_or(RefusalCode::MissingObject)
            }
        }
    }

    fn check_key(&self, op: &Op, info: &ObjectInfo) -> Result<(), RefusalCode> {
        let fits = match (&op.key, info.kind.has_keys()) {
            (OpKey::Map(_), true) => !op.insert && !op.action.is_mark(),
            (OpKey::Head, false) => op.insert,
            (OpKey::Element(element), false) => self
                .find(element, &op.id)
                .is_some_and(|found| found.obj == op.obj && found.slot == Slot::Element),
            (OpKey::Map(_), false) | (OpKey::Head | OpKey::Element(_), true) => false,
        };
        let inserts_nothing = op.insert && matches!(op.action, Action::Delete | Action::Increment(_));
        let loose_mark = op.action.is_mark() && !op.insert;
        // Elements of a text are inserted and deleted. Automerge panics on some updates of one.
        let updates_text = info.kind == ObjectKind::Text && !op.insert && op.action != Action::Delete;
        if fits && !inserts_nothing && !loose_mark && !updates_text {
            Ok(())
        } else {
            Err(RefusalCode::MissingElement)
        }
    }

    fn check_predecessors(&self, op: &Op) -> Result<(), RefusalCode> {
        let each_once = op.pred.is_sorted_by(|a, b| a < b);
        // A deletion is stored only as the successor of what it deletes.
        let deletes_nothing =
            matches!(op.action, Action::Delete | Action::Increment(_)) && op.pred.is_empty();
        if !each_once || deletes_nothing || (op.insert && !op.pred.is_empty()) {
            return Err(RefusalCode::MissingPredecessor);
        }
        let all_here = op.pred.iter().all(|pred| {
            let found = self.find(pred, &op.id);
            found.is_some_and(|found| found.obj == op.obj && same_place(&found.slot, pred, &op.key))
        });
        if all_here { Ok(()) } else { Err(RefusalCode::MissingPredecessor) }
    }
}

fn same_place(slot: &Slot, pred: &OpId, key: &OpKey) -> bool {
    match (slot, key) {
        (Slot::Key(theirs), OpKey::Map(ours)) => theirs == ours,
        (Slot::Element, OpKey::Element(element)) => pred == element,
        (Slot::Update(theirs), OpKey::Element(ours)) => theirs == ours,
        _ => false,
    }
}
