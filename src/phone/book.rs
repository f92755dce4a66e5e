//! One daybook on a phone: the Automerge document, how far it has synced, and what the server said.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue};

use super::{Download, Owner};
use crate::domain::ids::{ActivityId, DaybookId};

/// A daybook on a phone. A clone is a copy of the phone's storage, as a backup keeps it.
#[derive(Debug, Clone)]
pub struct Book {
    pub id: DaybookId,
    /// Set it to a group to begin a daybook of the group's; of one that others began the phone learns it.
    pub owner: Owner,
    pub doc: AutoCommit,
    /// As the last answer gave it.
    pub cursor: Option<String>,
    /// Heads of the server's document, as last told.
    pub server_heads: Vec<ChangeHash>,
    /// What the server holds, and until when at least, in milliseconds since 1970 by its clock.
    pub held: BTreeMap<[u8; 32], i64>,
    /// Pushed and taken, whatever the heads say: a daybook that forked learns of no heads.
    pub there: BTreeSet<[u8; 32]>,
    pub refused: BTreeMap<[u8; 32], String>,
    /// The server has more to send: nothing is pushed meanwhile.
    pub more: bool,
    /// The server's changes and this document's do not go together: one actor went two ways. Until the reload.
    pub forked: bool,
    /// Changes that a reload wrote.
    pub rewritten: BTreeSet<[u8; 32]>,
    /// Fields of activities, or whole ones, that no server takes, with the code of the refusal: a reload leaves
    /// them out, so that they do not silence the phone. For the resident to see.
    pub aside: BTreeMap<(String, Option<String>), String>,
    /// Why this person may not write in it, in the server's word: nothing is dropped, and nothing is pushed meanwhile
    /// but what the server `holds`.
    pub barred: Option<String>,
    /// The server holds what this person pushes although they have left the group: so it is pushed all the same.
    pub holds: bool,
    /// How many of the changes that the server holds were given notice, and when the first of them goes, in
    /// milliseconds since 1970 by its clock; for the resident to see.
    pub expiring: Option<(i64, i64)>,
    /// A download that was cut.
    pub download: Option<Download>,
}

impl Book {
    /// An empty daybook, written under this actor.
    #[must_use]
    pub fn new(id: DaybookId, actor: [u8; 16]) -> Self {
        let doc = AutoCommit::new().with_actor(ActorId::from(actor));
        Self {
            id,
            owner: Owner::Unknown,
            doc,
            cursor: None,
            server_heads: Vec::new(),
            held: BTreeMap::new(),
            there: BTreeSet::new(),
            refused: BTreeMap::new(),
            more: false,
            forked: false,
            rewritten: BTreeSet::new(),
            aside: BTreeMap::new(),
            barred: None,
            holds: false,
            expiring: None,
            download: None,
        }
    }

    /// The app starts again: from now on under a fresh actor.
    pub fn restart(&mut self, actor: [u8; 16]) {
        self.doc.set_actor(ActorId::from(actor));
    }

    /// The daybook was made anew: nothing that the server said of it holds any more.
    pub fn forget_server(&mut self) {
        self.cursor = None;
        self.barred = None;
        self.holds = false;
        self.forget_heads();
    }

    /// The server was restored, and may lack what it had.
    pub fn forget_heads(&mut self) {
        self.server_heads.clear();
        self.held.clear();
        self.there.clear();
    }

    /// Changes that the server may lack, in causal order, without those that it holds or refused.
    pub fn unsent(&mut self) -> Vec<([u8; 32], Vec<u8>)> {
        let known: Vec<ChangeHash> = self
            .server_heads
            .iter()
            .filter(|head| self.doc.get_change_by_hash(head).is_some())
            .copied()
            .collect();
        let changes = self.doc.get_changes(&known);
        let new = changes.into_iter().filter(|change| {
            let hash = change.hash().0;
            let known = self.held.contains_key(&hash) || self.there.contains(&hash);
            !known && !self.refused.contains_key(&hash)
        });
        new.map(|change| (change.hash().0, change.raw_bytes().to_vec())).collect()
    }

    /// Whether the phone lacks something that the server says it has.
    pub fn lacks(&mut self) -> bool {
        let heads = self.server_heads.clone();
        heads.iter().any(|head| self.doc.get_change_by_hash(head).is_none())
    }

    /// The server's heads, which have moved. What it has admitted meanwhile is held no longer; and of the rest the
    /// first ones are sent again, since it tells of a refusal only in answer to a push.
    pub fn take_heads(&mut self, heads: Vec<ChangeHash>) {
        self.there.clear();
        if !self.held.is_empty() {
            let known: Vec<ChangeHash> =
                heads.iter().filter(|head| self.doc.get_change_by_hash(head).is_some()).copied().collect();
            let lacking = self.doc.get_changes(&known);
            let held = |dep: &ChangeHash| self.held.contains_key(&dep.0);
            let later = lacking.iter().filter(|change| change.deps().iter().any(held));
            let later: BTreeSet<[u8; 32]> = later.map(|change| change.hash().0).collect();
            self.held.retain(|hash, _| later.contains(hash));
        }
        self.server_heads = heads;
    }

    /// Takes changes of the server.
    ///
    /// # Errors
    /// What Automerge says if they cannot be applied.
    pub fn apply(&mut self, changes: &[Vec<u8>]) -> Result<(), String> {
        for bytes in changes {
            self.doc.load_incremental(bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The map of an activity, made if there is none.
    ///
    /// # Errors
    /// What Automerge says.
    pub fn activity(&mut self, id: ActivityId) -> Result<ObjId, automerge::AutomergeError> {
        let key = id.to_string();
        match self.doc.get(ROOT, &key)? {
            Some((value, map)) if value.is_object() => Ok(map),
            _ => self.doc.put_object(ROOT, &key, ObjType::Map),
        }
    }

    /// Ends the change, with the phone's clock in it.
    pub fn commit(&mut self, now_ms: i64) -> Option<ChangeHash> {
        self.doc.commit_with(CommitOptions::default().with_time(now_ms / 1_000))
    }

    /// A field as the phone shows it.
    #[must_use]
    pub fn field(&self, id: ActivityId, key: &str) -> Option<ScalarValue> {
        let (_, map) = self.doc.get(ROOT, id.to_string()).ok()??;
        let (value, object) = self.doc.get(map, key).ok()??;
        match value.into_scalar() {
            Ok(scalar) => Some(scalar),
            Err(_) => Some(ScalarValue::Str(self.doc.text(object).ok()?.into())),
        }
    }
}
