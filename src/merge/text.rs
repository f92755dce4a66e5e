//! The string of a text that one change both created and wrote: what a phone sends for a new note.

use std::collections::{HashMap, HashSet};

use super::op::{Action, ObjId, ObjectKind, Op, OpId, OpKey, Scalar};

/// What Automerge shows for an element that is no string.
const NOT_A_STRING: &str = "\u{fffc}";

/// The texts that a change makes, with all that it writes in them.
pub(super) fn drafts(ops: &[Op]) -> HashMap<&OpId, Draft<'_>> {
    let mut drafts: HashMap<&OpId, Draft<'_>> = HashMap::new();
    for op in ops {
        if op.action == Action::Make(ObjectKind::Text) {
            drafts.insert(&op.id, Draft::default());
        }
        if let ObjId::Id(obj) = &op.obj
            && let Some(draft) = drafts.get_mut(obj)
        {
            draft.apply(op);
        }
    }
    drafts
}

/// A text while its change is read. All operations are one actor's, in order, so a new element goes right
/// after the one that it names.
#[derive(Default)]
pub(super) struct Draft<'a> {
    first: Option<usize>,
    elements: Vec<Element<'a>>,
    index: HashMap<&'a OpId, usize>,
}

struct Element<'a> {
    id: &'a OpId,
    text: &'a str,
    deleted: bool,
    next: Option<usize>,
}

impl<'a> Draft<'a> {
    /// Applies the next operation inside the text: its elements are inserted and deleted, never updated.
    pub fn apply(&mut self, op: &'a Op) {
        let text = match &op.action {
            Action::Put(Scalar::Text(text)) => text.as_str(),
            Action::MarkBegin | Action::MarkEnd => "",
            Action::Put(_) | Action::Make(_) => NOT_A_STRING,
            Action::Delete | Action::Increment(_) => {
                if let Some(element) = self.element(&op.key) {
                    element.deleted |= op.pred.contains(element.id);
                }
                return;
            }
        };
        let at = self.elements.len();
        let next = match self.element(&op.key) {
            Some(before) => before.next.replace(at),
            None => self.first.replace(at),
        };
        self.elements.push(Element { id: &op.id, text, deleted: false, next });
        self.index.insert(&op.id, at);
    }

    fn element(&mut self, key: &OpKey) -> Option<&mut Element<'a>> {
        let OpKey::Element(id) = key else { return None };
        let at = *self.index.get(id)?;
        self.elements.get_mut(at)
    }

    /// Every range of rich text begins before it ends.
    pub fn has_marks_in_order(&self, op: impl Fn(&OpId) -> Option<&'a Op>) -> bool {
        let mut begun: HashSet<u64> = HashSet::new();
        let mut at = self.first;
        while let Some(element) = at.and_then(|at| self.elements.get(at)) {
            match op(element.id).map(|op| &op.action) {
                Some(Action::MarkBegin) => drop(begun.insert(element.id.counter)),
                Some(Action::MarkEnd) if !begun.contains(&element.id.counter.saturating_sub(1)) => {
                    return false;
                }
                _ => {}
            }
            at = element.next;
        }
        true
    }

    /// The text as it reads at the end of the change.
    pub fn finish(&self) -> String {
        let mut text = String::new();
        let mut at = self.first;
        while let Some(element) = at.and_then(|at| self.elements.get(at)) {
            if !element.deleted {
                text.push_str(element.text);
            }
            at = element.next;
        }
        text
    }
}
