//! What a server did not take, written anew change by change.
//!
//! A change is written again *as of its own past*: what this phone had not seen stays a conflict, and is not
//! overwritten. Actor and time follow from the change, so another copy of this phone that holds the same
//! change writes the very same bytes, and nothing is counted, spliced or recorded twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automerge::legacy::{Key, ObjectId, OpId};
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{
    ActorId, AutoCommit, AutomergeError, Change, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue,
    Value,
};
use sha2::{Digest as _, Sha256};

use super::Book;

/// Refusals that say nothing of what a change writes, only of where it stands.
const NOT_OF_CONTENT: [&str; 2] = ["actor_fork", "on_refused"];
const TALLY: &str = "tally/";

/// A field of an activity, or the whole of it.
pub(super) type Unit = (String, Option<String>);

/// What became of the changes that the server does not have.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// The server's document with this phone's work on top.
    pub doc: AutoCommit,
    /// The changes that were written anew.
    pub changes: BTreeSet<[u8; 32]>,
    /// What no server will take, with the code of its refusal: left out.
    pub aside: BTreeMap<Unit, String>,
}

/// Puts this phone's own work on top of the server's document.
pub(super) fn rewrite(book: &mut Book, server: AutoCommit) -> Result<Rewritten, AutomergeError> {
    let mut work = Work {
        places: HashMap::new(),
        anew: HashMap::new(),
        target: server,
        branch: None,
        rewritten: Rewritten { doc: AutoCommit::new(), changes: BTreeSet::new(), aside: book.aside.clone() },
    };
    for change in book.doc.get_changes(&[]) {
        work.learn(&change);
        let there = work.target.get_change_by_hash(&change.hash()).is_some();
        if there || (book.held.contains_key(&change.hash().0) && work.keep(&change)) {
            continue;
        }
        let again = book.rewritten.contains(&change.hash().0);
        let code = book.refused.get(&change.hash().0);
        let content = code.filter(|code| again && !NOT_OF_CONTENT.contains(&code.as_str()));
        work.again(&book.doc, &change, content)?;
    }
    let Work { target, mut rewritten, .. } = work;
    rewritten.doc = target;
    Ok(rewritten)
}

/// Where the elements of an object are: in an activity, under a field.
#[derive(Debug, Clone)]
struct Place {
    root_key: String,
    field: Option<String>,
}

struct Work {
    places: HashMap<OpId, Place>,
    /// What stands for a change that was written anew: its own hash, or those that it was built on.
    anew: HashMap<ChangeHash, Vec<ChangeHash>>,
    target: AutoCommit,
    /// The document as of what was written last: mostly the next one goes right on top.
    branch: Option<AutoCommit>,
    rewritten: Rewritten,
}

impl Work {
    /// Remembers where the objects are that a change makes.
    fn learn(&mut self, change: &Change) {
        for (at, op) in (0..).zip(change.decode().operations) {
            if !matches!(op.action, automerge::legacy::OpType::Make(_)) {
                continue;
            }
            if let Some(place) = self.place(&op.obj, &op.key) {
                let id = OpId::new(change.start_op().get().saturating_add(at), change.actor_id());
                self.places.insert(id, place);
            }
        }
    }

    /// What an operation works in.
    fn place(&self, obj: &ObjectId, key: &Key) -> Option<Place> {
        let name = match key {
            Key::Map(name) => Some(name.to_string()),
            Key::Seq(_) => None,
        };
        match obj {
            ObjectId::Root => name.map(|root_key| Place { root_key, field: None }),
            ObjectId::Id(id) => {
                let Place { root_key, field } = self.places.get(id)?.clone();
                Some(Place { root_key, field: field.or(name) })
            }
        }
    }

    /// The server has taken this change already, only not admitted it: it stays as it is.
    fn keep(&mut self, change: &Change) -> bool {
        let built_on_anew = change.deps().iter().any(|dep| self.anew.contains_key(dep));
        !built_on_anew && self.target.apply_changes([change.clone()]).is_ok()
    }

    /// Writes a change anew; where it was written anew before and refused for what it says, field by field.
    fn again(
        &mut self,
        old: &AutoCommit,
        change: &Change,
        code: Option<&String>,
    ) -> Result<(), AutomergeError> {
        let mut units = self.units(change);
        let on = self.on(change);
        match code {
            Some(code) if units.len() == 1 => {
                self.rewritten.aside.extend(units.into_iter().map(|unit| (unit, code.clone())));
                units = BTreeSet::new();
            }
            _ => units.retain(|(root_key, _)| !self.rewritten.aside.contains_key(&(root_key.clone(), None))),
        }
        let portions: Vec<BTreeSet<Unit>> = match code {
            Some(_) => units.into_iter().map(|unit| BTreeSet::from([unit])).collect(),
            None => vec![units],
        };
        let mut branch = self.branch.take().unwrap_or_default();
        if on.is_empty() || sorted(branch.get_heads()) != on {
            branch = self.target.fork_at(&on)?;
        }
        branch.set_actor(actor(change, &on));
        for portion in portions {
            Pen { old, change, branch: &mut branch }.write(&portion)?;
            branch.commit_with(CommitOptions::default().with_time(change.timestamp()));
        }
        for written in branch.get_changes(&on) {
            self.rewritten.changes.insert(written.hash().0);
            self.target.apply_changes([written])?;
        }
        self.anew.insert(change.hash(), sorted(branch.get_heads()));
        self.branch = Some(branch);
        Ok(())
    }

    /// What a change that is written anew is built on.
    fn on(&self, change: &Change) -> Vec<ChangeHash> {
        let anew = |dep: &ChangeHash| self.anew.get(dep).cloned().unwrap_or_else(|| vec![*dep]);
        sorted(change.deps().iter().flat_map(anew).collect())
    }

    fn units(&self, change: &Change) -> BTreeSet<Unit> {
        let operations = change.decode().operations;
        let places = operations.iter().filter_map(|op| self.place(&op.obj, &op.key));
        places.map(|place| (place.root_key, place.field)).collect()
    }
}

fn sorted(mut heads: Vec<ChangeHash>) -> Vec<ChangeHash> {
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// The same for every copy of the change in the same place, and for nothing else.
fn actor(change: &Change, on: &[ChangeHash]) -> ActorId {
    let mut hasher = Sha256::new_with_prefix(b"written anew");
    hasher.update(change.hash().0);
    on.iter().for_each(|head| hasher.update(head.0));
    ActorId::from(hasher.finalize().get(..16).unwrap_or_default())
}

/// Writes what one change did, read before and after it, into another document.
struct Pen<'a> {
    old: &'a AutoCommit,
    change: &'a Change,
    branch: &'a mut AutoCommit,
}

impl Pen<'_> {
    fn write(&mut self, units: &BTreeSet<Unit>) -> Result<(), AutomergeError> {
        let mut activities: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        for (root_key, field) in units {
            activities.entry(root_key).or_default().extend(field.clone());
        }
        activities.into_iter().try_for_each(|(root_key, fields)| self.activity(root_key, fields))
    }

    fn before<'b>(&'b self, obj: &ObjId, key: &str) -> Result<Option<(Value<'b>, ObjId)>, AutomergeError> {
        self.old.get_at(obj, key, self.change.deps())
    }

    fn after<'b>(&'b self, obj: &ObjId, key: &str) -> Result<Option<(Value<'b>, ObjId)>, AutomergeError> {
        self.old.get_at(obj, key, &[self.change.hash()])
    }

    /// The change itself made this object.
    fn made(&self, object: &ObjId) -> bool {
        match object {
            ObjId::Root => false,
            ObjId::Id(counter, actor, _) => {
                let own = self.change.start_op().get()..=self.change.max_op();
                actor == self.change.actor_id() && own.contains(counter)
            }
        }
    }

    fn activity(&mut self, root_key: &str, mut fields: BTreeSet<String>) -> Result<(), AutomergeError> {
        let before = self.before(&ROOT, root_key)?.map(|(value, map)| (value.is_object(), map));
        let after = self.after(&ROOT, root_key)?.map(|(value, map)| (value.into_owned(), map));
        let Some((value, now)) = after else {
            let there = self.branch.get(ROOT, root_key)?.is_some();
            return if there { self.branch.delete(ROOT, root_key) } else { Ok(()) };
        };
        match value {
            Value::Scalar(scalar) => return self.branch.put(ROOT, root_key, scalar.into_owned()),
            Value::Object(ObjType::Map) => {}
            Value::Object(_) => return Ok(()),
        }
        let was = before.filter(|(is_object, _)| *is_object).map(|(_, map)| map);
        if self.made(&now) {
            // A map in place of another: what the former had and this one has not is gone.
            let kept = was.iter().flat_map(|map| self.old.keys_at(map, self.change.deps()));
            fields.extend(kept.filter(|_| !fields.is_empty()).collect::<Vec<_>>());
        }
        let map = match self.branch.get(ROOT, root_key)? {
            Some((value, map)) if value.is_object() => map,
            _ => self.branch.put_object(ROOT, root_key, ObjType::Map)?,
        };
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        for field in fields {
            match self.growth(was.as_ref(), &now, &field)? {
                Some((register, more)) => {
                    let sum = counted.entry(register).or_default();
                    *sum = sum.saturating_add(more);
                }
                None => self.field(&map, was.as_ref(), &now, &field)?,
            }
        }
        counted.into_iter().try_for_each(|(register, more)| self.branch.put(&map, register, more))
    }

    /// What a change counted up goes into a register of its own, as a difference: a copy of the phone may have
    /// counted in the same register.
    fn growth(
        &self,
        was: Option<&ObjId>,
        now: &ObjId,
        field: &str,
    ) -> Result<Option<(String, i64)>, AutomergeError> {
        let Some((item, _)) = field.strip_prefix(TALLY).and_then(|rest| rest.rsplit_once('#')) else {
            return Ok(None);
        };
        let before = was.map(|map| self.before(map, field)).transpose()?.flatten();
        let before = before.map_or(Some(0), |(value, _)| whole(&value));
        let after = self.after(now, field)?.and_then(|(value, _)| whole(&value));
        let more = before.zip(after).and_then(|(before, after)| after.checked_sub(before));
        let register = hex::encode(self.change.hash().0.get(..4).unwrap_or_default());
        Ok(more.filter(|more| *more > 0).map(|more| (format!("{TALLY}{item}#{register}"), more)))
    }

    fn field(
        &mut self,
        map: &ObjId,
        was: Option<&ObjId>,
        now: &ObjId,
        field: &str,
    ) -> Result<(), AutomergeError> {
        let before = was.map(|was| self.before(was, field)).transpose()?.flatten();
        let before = before.map(|(value, _)| value.into_owned());
        let after = self.after(now, field)?.map(|(value, object)| (value.into_owned(), object));
        let here = self.branch.get(map, field)?.map(|(value, object)| (value.into_owned(), object));
        match after {
            None if here.is_some() => self.branch.delete(map, field),
            None | Some((Value::Object(ObjType::Map | ObjType::List | ObjType::Table), _)) => Ok(()),
            Some((Value::Scalar(scalar), _)) => {
                let scalar = scalar.into_owned();
                match increment(before.as_ref(), here.as_ref().map(|(value, _)| value), &scalar) {
                    Some(by) => self.branch.increment(map, field, by),
                    None => self.branch.put(map, field, scalar),
                }
            }
            Some((Value::Object(ObjType::Text), text)) => {
                let string = self.old.text_at(&text, &[self.change.hash()])?;
                match here {
                    // Letter by letter, so that it merges with what others write in it.
                    Some((Value::Object(ObjType::Text), here)) if !self.made(&text) => {
                        self.branch.update_text(&here, &string)
                    }
                    _ => {
                        let here = self.branch.put_object(map, field, ObjType::Text)?;
                        self.branch.splice_text(&here, 0, 0, &string)
                    }
                }
            }
        }
    }
}

/// By how much a counter went on.
fn increment(before: Option<&Value<'_>>, here: Option<&Value<'_>>, after: &ScalarValue) -> Option<i64> {
    let counter = |value: &ScalarValue| match value {
        ScalarValue::Counter(counter) => Some(i64::from(counter)),
        _ => None,
    };
    let before = before.and_then(Value::as_scalar).and_then(counter)?;
    here.and_then(Value::as_scalar).and_then(counter)?;
    counter(after)?.checked_sub(before)
}

fn whole(value: &Value<'_>) -> Option<i64> {
    match value.as_scalar()? {
        ScalarValue::Int(value) => Some(*value),
        ScalarValue::Uint(value) => i64::try_from(*value).ok(),
        ScalarValue::Counter(counter) => Some(i64::from(counter)),
        ScalarValue::F64(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
        _ => None,
    }
}
