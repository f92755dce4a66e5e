//! Updates the states of activities from a change's own operations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::footprint::ObjectInfo;
use super::guard::Checked;
use super::op::{Action, ObjId, ObjectKind, Op, OpId, OpKey};
use super::state::ActivityState;
use super::text::{Draft, drafts};
use crate::domain::ids::ActivityId;
use crate::domain::key::parse_activity_key;

/// What a change did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reduced {
    /// Activities that the change works in, whether or not their reading differs.
    pub touched: BTreeSet<ActivityId>,
    /// Of those, the ones whose state must be filled from the document (`document::fill`).
    pub needs_document: BTreeSet<ActivityId>,
}

/// The activities that a change works in: the states to load before [`reduce`].
pub fn touched(change: &Checked, lookup: &impl Fn(&OpId) -> Option<ObjectInfo>) -> BTreeSet<ActivityId> {
    let mut objects = Objects::new(lookup);
    change.ops.iter().filter_map(|op| objects.place(op)).map(|place| place.activity).collect()
}

/// Applies an accepted change to the states of the activities that it touches; a state that is not there
/// is a new activity's. `lookup` finds objects of earlier changes (`Facts::object`).
pub fn reduce(
    states: &mut BTreeMap<ActivityId, ActivityState>,
    change: &Checked,
    lookup: &impl Fn(&OpId) -> Option<ObjectInfo>,
) -> Reduced {
    let mut reduced = Reduced::default();
    let mut objects = Objects::new(lookup);
    let texts = drafts(&change.ops);
    for op in &change.ops {
        let Some(place) = objects.place(op) else { continue };
        reduced.touched.insert(place.activity);
        let state = states.entry(place.activity).or_default();
        match (&op.obj, &op.key, place.object) {
            (ObjId::Root, _, _) => state.apply_root(op),
            (ObjId::Id(map), OpKey::Map(key), Some(info)) if info.depth == 1 => {
                state.apply_field(map, key, op, texts.get(&op.id).map(Draft::finish));
            }
            (ObjId::Id(text), _, Some(info)) if is_note(&info) && !texts.contains_key(text) => {
                // A mark shows nothing, and so changes nothing that is read.
                if let (Some(field), false) = (&info.field, op.action.is_mark()) {
                    state.edit_text(text, field);
                }
            }
            _ => {}
        }
    }
    let stale = |id: &&ActivityId| states.get(id).is_some_and(ActivityState::needs_document);
    reduced.needs_document = reduced.touched.iter().filter(stale).copied().collect();
    reduced
}

/// A text directly in an activity's map.
fn is_note(info: &ObjectInfo) -> bool {
    info.depth == 2 && info.kind == ObjectKind::Text
}

struct Place {
    activity: ActivityId,
    /// The object that the operation works in, unless it is the root.
    object: Option<ObjectInfo>,
}

/// The objects of earlier changes and those that this one has made so far.
struct Objects<'a, L> {
    own: HashMap<&'a OpId, ObjectInfo>,
    others: HashMap<&'a OpId, Option<ObjectInfo>>,
    lookup: &'a L,
}

impl<'a, L: Fn(&OpId) -> Option<ObjectInfo>> Objects<'a, L> {
    fn new(lookup: &'a L) -> Self {
        Self { own: HashMap::new(), others: HashMap::new(), lookup }
    }

    /// Where the operation works, if that is in an activity.
    fn place(&mut self, op: &'a Op) -> Option<Place> {
        let info = match &op.obj {
            ObjId::Root => ObjectInfo::root(),
            ObjId::Id(id) => match self.own.get(id) {
                Some(own) => own.clone(),
                None => self.others.entry(id).or_insert_with(|| (self.lookup)(id)).clone()?,
            },
        };
        if let Action::Make(kind) = op.action {
            self.own.insert(&op.id, info.child(kind, &op.key));
        }
        match &op.key {
            OpKey::Map(key) if info.depth == 0 => {
                parse_activity_key(key).map(|activity| Place { activity, object: None })
            }
            _ => info.activity.map(|activity| Place { activity, object: Some(info) }),
        }
    }
}
