//! Changes that the server writes as of an older state of a daybook, for apps that speak JSON and were away for a
//! while: through Automerge, from the document as it stood then.

use std::collections::HashSet;

use automerge::transaction::{CommitOptions, Transactable as _, Transaction};
use automerge::{ActorId, Automerge, AutomergeError, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, Value};

use super::document::{DocumentError, guarded};
use super::op::Hash;
use super::write::{Edit, Written, scalar_value};

/// As [`super::write::change`], on top of the changes that are `known` instead of the heads.
pub(super) fn edit(
    document: &Automerge,
    known: &HashSet<Hash>,
    actor: &[u8],
    time_s: i64,
    edit: &Edit<'_>,
) -> Result<(Hash, Vec<u8>), DocumentError> {
    let refused = |error: AutomergeError| DocumentError::Refused(error.to_string());
    guarded(|| {
        let mut then = document.fork_at(&frontier(document, known)).map_err(refused)?;
        then.set_actor(ActorId::from(actor));
        let options = || CommitOptions::default().with_time(time_s);
        let mut transaction = then.transaction();
        write(&mut transaction, edit).map_err(refused)?;
        let hash = match transaction.commit_with(options()) {
            (Some(hash), _) => hash,
            (None, _) => then.empty_commit(options()),
        };
        let change = then.get_change_by_hash(&hash).ok_or(DocumentError::Incomplete)?;
        Ok((hash.0, change.raw_bytes().to_vec()))
    })
}

/// The changes that none of the others depends on.
fn frontier(document: &Automerge, known: &HashSet<Hash>) -> Vec<ChangeHash> {
    let mut frontier: HashSet<ChangeHash> = known.iter().copied().map(ChangeHash).collect();
    for change in document.get_changes_meta(&[]) {
        if known.contains(&change.hash.0) {
            for dep in change.deps {
                frontier.remove(&dep);
            }
        }
    }
    frontier.into_iter().collect()
}

fn write(transaction: &mut Transaction<'_>, edit: &Edit<'_>) -> Result<(), AutomergeError> {
    let key = edit.id.to_string();
    let visible = transaction.get_all(ROOT, &key)?;
    let is_map = |value: &Value<'_>| matches!(value, Value::Object(ObjType::Map));
    let maps: Vec<ObjId> =
        visible.into_iter().filter(|(value, _)| is_map(value)).map(|(_, map)| map).collect();
    // The greatest is the last.
    let Some(greatest) = maps.last() else {
        let map = transaction.put_object(ROOT, &key, ObjType::Map)?;
        return edit.fields.iter().try_for_each(|(field, value)| put(transaction, &map, field, value));
    };
    for (field, value) in &edit.fields {
        for map in &maps {
            if map == greatest || transaction.get(map, field)?.is_some() {
                put(transaction, map, field, value)?;
            }
        }
    }
    Ok(())
}

/// Automerge itself writes no scalar that is there already, alone.
fn put(
    transaction: &mut Transaction<'_>,
    map: &ObjId,
    field: &str,
    value: &Written,
) -> Result<(), AutomergeError> {
    match value {
        Written::Scalar(scalar) => transaction.put(map, field, scalar_value(scalar)),
        Written::Text(text) => {
            let there = transaction.get_all(map, field)?;
            if let [(Value::Object(ObjType::Text), note)] = there.as_slice()
                && transaction.text(note)? == *text
            {
                return Ok(());
            }
            let note = transaction.put_object(map, field, ObjType::Text)?;
            transaction.splice_text(&note, 0, 0, text)
        }
    }
}
