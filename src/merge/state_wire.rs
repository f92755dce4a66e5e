//! The stored form of an activity's state: one small blob, readable by later versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::op::{Actor, OpId};
use super::state::{ActivityState, FieldOp, SlotKind};
use super::visible::Visible;
use super::words::Word;

const VERSION: u8 = 1;

/// The stored form cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state of an activity cannot be read: {0}")]
pub struct BadState(&'static str);

type WireId = (u32, u64);
type WireFields = Vec<(Word, Vec<WireField>)>;

#[derive(Default, Serialize, Deserialize)]
struct Wire {
    actors: Vec<Vec<u8>>,
    slot: Vec<(WireId, u8)>,
    deleted: Vec<WireId>,
    maps: Vec<(WireId, WireFields)>,
}

#[derive(Serialize, Deserialize)]
struct WireField {
    id: WireId,
    value: Visible,
    shared: Vec<(WireId, i64)>,
    stale: bool,
}

impl ActivityState {
    /// The state as bytes: a version, then the rest in postcard.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut actors = Actors::default();
        let mut wire = Wire {
            slot: self.slot.iter().map(|(id, kind)| (actors.id(id), slot_code(*kind))).collect(),
            deleted: self.deleted.iter().map(|id| actors.id(id)).collect(),
            ..Wire::default()
        };
        for (map, fields) in &self.maps {
            let mut written = Vec::with_capacity(fields.len());
            for (key, values) in fields {
                let values = values.iter().map(|value| actors.field(value)).collect();
                written.push((Word::of(key), values));
            }
            wire.maps.push((actors.id(map), written));
        }
        wire.actors = actors.in_order;
        let mut bytes = vec![VERSION];
        // Writing plain data into memory has nothing to fail on; an empty form would be refused later.
        bytes.extend(postcard::to_stdvec(&wire).unwrap_or_default());
        bytes
    }

    /// The inverse of [`ActivityState::encode`].
    ///
    /// # Errors
    /// Where the bytes are of another version or not a state.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadState> {
        let (&[VERSION], body) = bytes.split_at_checked(1).ok_or(BadState("empty"))? else {
            return Err(BadState("version"));
        };
        let wire: Wire = postcard::from_bytes(body).map_err(|_| BadState("form"))?;
        let actors: Vec<Actor> = wire.actors.iter().map(|bytes| Actor::new(bytes)).collect();
        let id = |(actor, counter): WireId| {
            let actor = actors.get(actor as usize).ok_or(BadState("actor"))?.clone();
            Ok::<OpId, BadState>(OpId { counter, actor })
        };
        let slot = wire.slot.into_iter().map(|(named, code)| Ok((id(named)?, slot_kind(code)?)));
        let slot = slot.collect::<Result<Vec<_>, BadState>>()?;
        let deleted = wire.deleted.into_iter().map(id).collect::<Result<BTreeSet<_>, BadState>>()?;
        let mut maps = BTreeMap::new();
        for (map, written) in wire.maps {
            let mut fields = BTreeMap::new();
            for (key, values) in written {
                let values = values.into_iter().map(|field| read_field(field, id));
                fields.insert(
                    key.key().ok_or(BadState("word"))?,
                    values.collect::<Result<Vec<_>, BadState>>()?,
                );
            }
            maps.insert(id(map)?, fields);
        }
        Ok(Self { slot, deleted, maps })
    }
}

fn read_field(field: WireField, id: impl Fn(WireId) -> Result<OpId, BadState>) -> Result<FieldOp, BadState> {
    let shared = field.shared.into_iter().map(|(named, by)| Ok((id(named)?, by)));
    let shared = shared.collect::<Result<Vec<_>, BadState>>()?;
    Ok(FieldOp { id: id(field.id)?, value: field.value, shared, stale: field.stale })
}

fn slot_code(kind: SlotKind) -> u8 {
    match kind {
        SlotKind::Map => 0,
        SlotKind::Counter => 1,
        SlotKind::Other => 2,
    }
}

fn slot_kind(code: u8) -> Result<SlotKind, BadState> {
    match code {
        0 => Ok(SlotKind::Map),
        1 => Ok(SlotKind::Counter),
        2 => Ok(SlotKind::Other),
        _ => Err(BadState("kind")),
    }
}

#[derive(Default)]
struct Actors {
    known: HashMap<Actor, u32>,
    in_order: Vec<Vec<u8>>,
}

impl Actors {
    fn id(&mut self, id: &OpId) -> WireId {
        let next = self.in_order.len() as u32;
        let at = *self.known.entry(id.actor.clone()).or_insert_with(|| {
            self.in_order.push(id.actor.as_bytes().to_vec());
            next
        });
        (at, id.counter)
    }

    fn field(&mut self, field: &FieldOp) -> WireField {
        WireField {
            id: self.id(&field.id),
            value: field.value.clone(),
            shared: field.shared.iter().map(|(id, by)| (self.id(id), *by)).collect(),
            stale: field.stale,
        }
    }
}
