//! The one recovery, for a refusal and for a fork: take the server's document, and write on top of it, under
//! a fresh actor, what only this phone has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, Value};

use super::{Book, Phone, PhoneError, Report, Transport};
use crate::domain::ids::DaybookId;

/// Activities written in one change (design: "Reload, the one recovery").
const ACTIVITIES_PER_CHANGE: usize = 200;

/// One activity as it stood in a document: its fields by key.
type Fields = BTreeMap<String, Content>;

/// This phone's own register until now, and the one that it counts in from now on. A copy of the phone may
/// have counted in the old one too, so what only this one counted goes into the new one, as a difference.
struct Registers {
    old: String,
    new: String,
}

impl Registers {
    /// The key and the count for what was counted in the old register since the base.
    fn counted(&self, key: &str, before: Option<&Content>, now: &ScalarValue) -> Option<(String, i64)> {
        let item = key.strip_prefix("tally/")?.strip_suffix(&self.old)?.strip_suffix('#')?;
        let before = match before {
            None => 0,
            Some(Content::Scalar(scalar)) => scalar.as_i64()?,
            Some(_) => return None,
        };
        Some((format!("tally/{item}#{}", self.new), now.as_i64()?.checked_sub(before)?))
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
enum Content {
    Scalar(ScalarValue),
    Text(String),
    /// Lists, maps and tables are left out: nothing that Daybook reads is one.
    Nested,
}

impl<T: Transport> Phone<T> {
    /// Replaces the phone's document by the server's with this phone's own work on top. The ids of activities
    /// stay what they are, so nothing is counted twice.
    ///
    /// # Errors
    /// [`PhoneError`]; the phone's document stays as it is then.
    pub async fn reload(&mut self, id: DaybookId, report: &mut Report) -> Result<(), PhoneError> {
        let (bytes, cursor) = self.download(id, report).await?;
        let actor = self.random();
        let now_ms = self.now_ms;
        let fresh_register = hex::encode(self.random::<4>());
        let register = std::mem::replace(&mut self.register, fresh_register);
        let registers = Registers { old: register, new: self.register.clone() };
        let old = self.book(id);
        let mut fresh = Book::new(id, actor);
        fresh.apply(&[bytes]).map_err(PhoneError::Answer)?;
        fresh.cursor = Some(cursor);
        fresh.server_heads = fresh.doc.get_heads();
        let base = frontier_without(old);
        let now = old.doc.get_heads();
        let (before, after) = (activities_at(&old.doc, &base)?, activities_at(&old.doc, &now)?);
        write(&mut fresh, &before, &after, &registers, now_ms)?;
        *old = fresh;
        Ok(())
    }
}

/// The heads of what remains of a document without the refused changes and all that depends on them.
fn frontier_without(book: &mut Book) -> Vec<ChangeHash> {
    let mut heads: BTreeSet<ChangeHash> = BTreeSet::new();
    let mut left_out: HashSet<ChangeHash> = HashSet::new();
    for change in book.doc.get_changes(&[]) {
        let hash = change.hash();
        if book.refused.contains_key(&hash.0) || change.deps().iter().any(|dep| left_out.contains(dep)) {
            left_out.insert(hash);
            continue;
        }
        for dep in change.deps() {
            heads.remove(dep);
        }
        heads.insert(hash);
    }
    heads.into_iter().collect()
}

fn activities_at(doc: &AutoCommit, heads: &[ChangeHash]) -> Result<BTreeMap<String, Fields>, PhoneError> {
    let mut activities = BTreeMap::new();
    for key in doc.keys_at(ROOT, heads) {
        let Some((value, map)) = doc.get_at(ROOT, &key, heads)? else { continue };
        if value.is_object() {
            activities.insert(key, fields_at(doc, &map, heads)?);
        }
    }
    Ok(activities)
}

fn fields_at(doc: &AutoCommit, map: &ObjId, heads: &[ChangeHash]) -> Result<Fields, PhoneError> {
    let mut fields = Fields::new();
    for key in doc.keys_at(map, heads) {
        let Some((value, object)) = doc.get_at(map, &key, heads)? else { continue };
        let content = match value {
            Value::Scalar(scalar) => Content::Scalar(scalar.into_owned()),
            Value::Object(ObjType::Text) => Content::Text(doc.text_at(&object, heads)?),
            Value::Object(_) => Content::Nested,
        };
        fields.insert(key, content);
    }
    Ok(fields)
}

/// Writes the difference, so many activities a change.
fn write(
    book: &mut Book,
    before: &BTreeMap<String, Fields>,
    after: &BTreeMap<String, Fields>,
    registers: &Registers,
    now_ms: i64,
) -> Result<(), PhoneError> {
    let mut written = 0;
    let nothing = Fields::new();
    for (id, fields) in after {
        let old = before.get(id).unwrap_or(&nothing);
        if old == fields {
            continue;
        }
        write_activity(&mut book.doc, id, old, fields, registers)?;
        written += 1;
        if written % ACTIVITIES_PER_CHANGE == 0 {
            book.commit(now_ms);
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        if book.doc.get(ROOT, id)?.is_some() {
            book.doc.delete(ROOT, id)?;
        }
    }
    book.commit(now_ms);
    Ok(())
}

fn write_activity(
    doc: &mut AutoCommit,
    id: &str,
    old: &Fields,
    new: &Fields,
    registers: &Registers,
) -> Result<(), PhoneError> {
    let map = match doc.get(ROOT, id)? {
        Some((value, map)) if value.is_object() => map,
        _ => doc.put_object(ROOT, id, ObjType::Map)?,
    };
    for (key, content) in new.iter().filter(|(key, content)| old.get(*key) != Some(content)) {
        match content {
            Content::Scalar(scalar) => match registers.counted(key, old.get(key), scalar) {
                Some((register, more)) => doc.put(&map, register, more)?,
                None => doc.put(&map, key, scalar.clone())?,
            },
            Content::Text(text) => {
                let object = doc.put_object(&map, key, ObjType::Text)?;
                doc.splice_text(&object, 0, 0, text)?;
            }
            Content::Nested => {}
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        if doc.get(&map, key)?.is_some() {
            doc.delete(&map, key)?;
        }
    }
    Ok(())
}
