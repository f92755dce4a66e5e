//! Loads what a daybook knows, as far as a push asks, and the held changes that it may complete.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::super::FlowError;
use super::plan::{self, HeldTotals, Incoming, Plan};
use super::reads::Reads;
use super::rows;
use super::turns::{self, Room};
use crate::app::Payer;
use crate::domain::held::HELD_EXPIRED;
use crate::domain::ids::{GrantId, PartyId};
use crate::domain::limits::{HEADS_MAX, LOOK_UP_RANGES_MAX, LOOK_UP_ROWS_MAX, LOOK_UP_SPANS_MAX};
use crate::merge::admit::{ActorLast, Facts, HeldReason, Named, Ranges, References, references};
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::{Actor, Hash, ObjectInfo, OpId, RefusalCode};
use crate::store;
use crate::store::changes::{Covering, Known, Of};
use crate::store::entity::{daybook, held_change};
use crate::store::held::Waiting;

/// What a daybook holds, and those of it that may have their turn now: read and parsed before any transaction
/// begins, since Automerge never runs inside the writer.
#[derive(Debug, Default)]
pub struct Held {
    /// Those whose turn may have come.
    pub changes: Vec<Arc<Checked>>,
    /// Everything held, by hash.
    pub all: HashMap<Hash, Waiting>,
    /// Hashes of those that wait for somebody who had left the group and is in it again, or that are pushed now by
    /// somebody who is.
    pub back: HashSet<Vec<u8>>,
    /// The daybook's revision that this belongs to, where anything is held.
    pub revision: Option<i64>,
    /// Who pays for those whose turn may have come: whoever brought them.
    pub payers: HashMap<Hash, Payer>,
}

/// Who first delivered a change, and when the server received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    pub grant: Option<Uuid>,
    pub at_ms: i64,
}

impl Held {
    /// Whether this is what the locked daybook holds: another push may have been faster.
    pub fn is_of(&self, row: &daybook::Model) -> bool {
        match self.revision {
            Some(revision) => revision == row.revision,
            None => row.held_changes.unwrap_or_default() == 0,
        }
    }

    /// What waits for something settled in this plan, and was not looked at, has its turn right after it; and so has
    /// what waits for no change and may go now that the daybook has grown to these facts.
    pub fn leave_over(&self, plan: &mut Plan, facts: &Facts) {
        if self.all.is_empty() {
            return;
        }
        let looked_at: HashSet<Hash> = self.changes.iter().map(|change| change.hash).collect();
        // What had no turn for lack of room has it next time, as it is.
        let had_turn =
            |still: &&plan::Held| still.reason != HeldReason::MissingDependency || !still.missing.is_empty();
        plan.moves = plan.still.iter().filter(had_turn).any(|still| self.moves(still));
        let accepted = plan.accepted.iter().map(|accepted| accepted.change.hash.as_slice());
        let settled = accepted.chain(plan.refused.iter().map(|refused| refused.hash.as_slice())).collect();
        plan.left = turns::left(self.all.values(), &looked_at, &settled);
        if plan.moves || !plan.accepted.is_empty() {
            let had_turn = |hash: &[u8]| hash.try_into().is_ok_and(|hash: Hash| looked_at.contains(&hash));
            plan.left.extend(self.back.iter().filter(|hash| !had_turn(hash)).cloned());
        }
        plan.more |= !plan.left.is_empty();
        let room = Room { max_op: facts.max_op, operations: facts.operations, raw_bytes: facts.raw_bytes };
        let may_go = || turns::any_may_go(self.all.values(), &looked_at, &room);
        plan.more |= (plan.moves || !plan.accepted.is_empty()) && may_go();
    }

    /// Whether what was looked at and is still held waits for something else than its row says.
    pub fn moves(&self, still: &plan::Held) -> bool {
        let stored = self.all.get(&still.change.hash);
        stored.is_none_or(|row| {
            let waits_for = rows::waits_for(&still.missing);
            (row.reason.as_str(), &row.waits_for) != (still.reason.as_str(), &waits_for)
        })
    }

    /// Who brought a held change.
    pub fn brought(&self, hash: &Hash) -> Option<Brought> {
        self.all.get(hash).map(|row| Brought { grant: row.grant_id, at_ms: row.received_at_ms })
    }

    /// Changes and bytes, in all.
    pub fn totals(&self) -> HeldTotals {
        let bytes = self.all.values().map(|row| unsigned(row.bytes_count)).sum();
        HeldTotals { changes: self.all.len(), bytes }
    }
}

/// Reads what is held, and parses what these chunks may give its turn.
pub async fn held(db: &impl ConnectionTrait, of: Of, chunks: &[Incoming]) -> Result<Held, FlowError> {
    // The revision first: whoever moves it after this makes what is read here invalid.
    let Some(row) = store::daybooks::find(db, of.neighbourhood, of.daybook).await? else {
        return Ok(Held::default());
    };
    let rows = store::held::waiting(db, of).await?;
    let back = back(db, of, &row, &rows, chunks).await?;
    let turn = turns::next(&rows, &back, &row, chunks);
    let changes = match turn.is_empty() {
        true => Vec::new(),
        false => {
            let rows = store::held::with_bytes(db, of, &turn).await?;
            tokio::task::spawn_blocking(move || parse(rows)).await.map_err(FlowError::internal)?
        }
    };
    let all = rows.into_iter().map(|row| Ok((hash(&row.hash)?, row))).collect::<Result<_, FlowError>>()?;
    let payers = payers(db, of, &changes, &all).await?;
    Ok(Held { changes, all, back, revision: Some(row.revision), payers })
}

/// Who brought held changes, and pays for them; nobody for what no grant brought that is still there.
async fn payers(
    db: &impl ConnectionTrait,
    of: Of,
    changes: &[Arc<Checked>],
    all: &HashMap<Hash, Waiting>,
) -> Result<HashMap<Hash, Payer>, FlowError> {
    let brought = changes.iter().filter_map(|change| Some((change.hash, all.get(&change.hash)?.grant_id?)));
    let grants = brought.clone().map(|(_, grant)| grant).collect();
    let parties = store::access::parties_of(db, of.neighbourhood, grants).await?;
    // Grants go along with a party that becomes another's alias.
    let payer = |grant: Uuid| Some(Payer { grant: GrantId(grant), party: *parties.get(&grant)? });
    Ok(brought.filter_map(|(hash, grant)| Some((hash, payer(grant)?))).collect())
}

/// Of what is held of people who had left the group: what those brought who are in it again, and what is sent anew.
async fn back(
    db: &impl ConnectionTrait,
    of: Of,
    row: &daybook::Model,
    held: &[Waiting],
    chunks: &[Incoming],
) -> Result<HashSet<Vec<u8>>, FlowError> {
    let left: Vec<&Waiting> =
        held.iter().filter(|waiting| waiting.reason == HeldReason::LeftGroup.as_str()).collect();
    if left.is_empty() {
        return Ok(HashSet::new());
    }
    let sent: HashSet<Hash> = chunks.iter().filter_map(Incoming::may_be_held).collect();
    let grants = left.iter().filter_map(|waiting| waiting.grant_id).collect();
    let brought_by = store::access::parties_of(db, of.neighbourhood, grants).await?;
    let members = store::parties::members(db, of.neighbourhood, PartyId(row.party_id)).await?;
    let members: HashSet<Uuid> = members.into_iter().map(|row| row.member_id).collect();
    let is_sent =
        |waiting: &Waiting| waiting.hash.as_slice().try_into().is_ok_and(|hash: Hash| sent.contains(&hash));
    let is_back = |waiting: &Waiting| {
        let party = waiting.grant_id.and_then(|grant| brought_by.get(&grant));
        party.is_some_and(|party| members.contains(&party.0)) || is_sent(waiting)
    };
    Ok(left.into_iter().filter(|waiting| is_back(waiting)).map(|waiting| waiting.hash.clone()).collect())
}

fn parse(rows: Vec<held_change::Model>) -> Vec<Arc<Checked>> {
    let chunks = rows.iter().flat_map(|row| guard::inspect(&row.bytes));
    chunks
        .filter_map(|chunk| match chunk {
            Chunk::Change(change) => Some(Arc::new(*change)),
            Chunk::Refused { .. } => None,
        })
        .collect()
}

/// What else there is to look up than the changes, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Hashes of chunks that were not decoded.
    pub unread: &'a [Hash],
    /// Changes in quarantine that are looked at anew.
    pub again: &'a HashMap<Hash, Brought>,
    /// Who pays for what is pushed now.
    pub pushes: Option<Payer>,
}

/// The facts, and what the quarantine has of these changes without binding anybody.
#[derive(Debug)]
pub struct Loaded {
    pub facts: Facts,
    /// In quarantine, and looked at anew: what becomes of them now takes the place of that.
    pub loose: HashSet<Hash>,
    /// Bytes of what is kept of earlier changes that were read for it, by who pays for them.
    pub read: Vec<(Payer, u64)>,
}

/// Loads the facts for the changes of a push and the held ones, each with who pays for it, inside the transaction that
/// holds the lock.
pub async fn load(
    db: &impl ConnectionTrait,
    of: Of,
    row: &daybook::Model,
    held: &Held,
    asking: &[(Option<Payer>, &Checked)],
    asked: Asked<'_>,
) -> Result<Loaded, FlowError> {
    let mut facts = Facts::new(unsigned(row.position), unsigned(row.max_op));
    facts.operations = unsigned(row.operations);
    facts.raw_bytes = unsigned(row.raw_bytes);
    let changes: Vec<&Checked> = asking.iter().map(|(_, change)| *change).collect();
    let hashes = hashes(row, &changes, asked.unread);
    let mut reads = Reads::of(row, asking, asked);
    for known in store::changes::known(db, of, &hashes, &numbers(&changes)).await? {
        reads.known(&known);
        let Known { hash: bytes, actor, seq, max_op, position, objects, .. } = known;
        let (position, max_op) = (unsigned(position), unsigned(max_op));
        facts.add_known(hash(&bytes)?, position, max_op, &objects).map_err(FlowError::internal)?;
        let last = ActorLast { seq: unsigned(seq), max_op, position };
        let greatest = facts.actors.entry(Actor::new(&actor)).or_insert(last);
        if greatest.seq < last.seq {
            *greatest = last;
        }
    }
    let mut loose = HashSet::new();
    if row.refused_changes.unwrap_or_default() > 0 {
        for (bytes, code, _) in store::changes::refused(db, of, &hashes).await? {
            let hash = hash(&bytes)?;
            if code == HELD_EXPIRED || asked.again.contains_key(&hash) {
                loose.insert(hash);
                continue;
            }
            facts.refused.insert(hash, RefusalCode::parse(&code).unwrap_or(RefusalCode::OnRefused));
        }
    }
    facts.held.extend(held.all.keys());
    let new: Vec<&Checked> = changes.iter().copied().filter(|change| !facts.is_known(&change.hash)).collect();
    let wanted = references(new.iter().copied());
    reads.look_for(&facts);
    if let Some(after) = facts.graph_after(new.iter().copied()) {
        for (position, bytes, objects) in store::changes::graph_after(db, of, after).await? {
            reads.node(position, &objects);
            facts.add_node(hash(&bytes)?, unsigned(position), &objects).map_err(FlowError::internal)?;
        }
    }
    load_rows(db, of, &mut facts, &wanted, &mut reads).await?;
    Ok(Loaded { facts, loose, read: reads.paid() })
}

/// What the objects named in these changes are, and nothing else.
pub async fn objects(db: &impl ConnectionTrait, of: Of, changes: &[&Checked]) -> Result<Facts, FlowError> {
    let mut facts = Facts::new(0, 0);
    let wanted = references(changes.iter().copied());
    load_rows(db, of, &mut facts, &wanted, &mut Reads::default()).await?;
    Ok(facts)
}

/// The changes of the push, and what they depend on.
pub fn hashes(row: &daybook::Model, changes: &[&Checked], unread: &[Hash]) -> Vec<Vec<u8>> {
    let mut hashes: BTreeSet<Hash> =
        changes.iter().flat_map(|change| change.deps.iter().chain([&change.hash])).copied().collect();
    hashes.extend(unread);
    let heads = super::heads(&row.heads);
    if heads.len() + changes.len() > HEADS_MAX {
        // The change that joins the heads depends on all of them.
        hashes.extend(heads);
    }
    hashes.iter().map(|hash| hash.to_vec()).collect()
}

/// The sequence numbers that tell where each actor stands: a change's own, if it is taken already, and the one
/// before it, which must be the actor's last.
pub fn numbers(changes: &[&Checked]) -> Vec<(Vec<u8>, Vec<i64>)> {
    let mut numbers: BTreeMap<&Actor, BTreeSet<i64>> = BTreeMap::new();
    for change in changes {
        let of_actor = numbers.entry(&change.actor).or_default();
        of_actor.insert(signed(change.seq));
        of_actor.insert(signed(change.seq.saturating_sub(1)));
    }
    let of_actors = numbers.into_iter();
    of_actors.map(|(actor, seqs)| (actor.as_bytes().to_vec(), seqs.into_iter().collect())).collect()
}

async fn load_rows(
    db: &impl ConnectionTrait,
    of: Of,
    facts: &mut Facts,
    wanted: &References,
    reads: &mut Reads<'_>,
) -> Result<(), FlowError> {
    let (ranges, named) = (wanted.ranges(), wanted.named());
    if ranges.count() > LOOK_UP_RANGES_MAX {
        return load_many_rows(db, of, facts, (&ranges, &named), reads).await;
    }
    let each: Vec<_> = ranges.iter().map(|(actor, from, to)| (actor.as_bytes().to_vec(), from, to)).collect();
    add_rows(facts, store::changes::covering(db, of, &each).await?, &named, reads)
}

/// The same for so many ranges that going through the daybook costs less than asking for each: most of them may
/// name operations that nobody ever made.
async fn load_many_rows(
    db: &impl ConnectionTrait,
    of: Of,
    facts: &mut Facts,
    (ranges, named): (&Ranges, &Named),
    reads: &mut Reads<'_>,
) -> Result<(), FlowError> {
    let (mut after, mut wanted) = (0, Vec::new());
    loop {
        let spans = store::changes::spans(db, of, after, LOOK_UP_SPANS_MAX).await?;
        let Some(last) = spans.last() else { break };
        after = last.position;
        let overlapping = spans.iter().filter(|span| {
            ranges.overlap(&Actor::new(&span.actor), unsigned(span.start_op), unsigned(span.max_op))
        });
        wanted.extend(overlapping.map(|span| span.position));
    }
    for positions in wanted.chunks(LOOK_UP_ROWS_MAX) {
        add_rows(facts, store::changes::at(db, of, positions.to_vec()).await?, named, reads)?;
    }
    Ok(())
}

fn add_rows(
    facts: &mut Facts,
    rows: Vec<Covering>,
    named: &Named,
    reads: &mut Reads<'_>,
) -> Result<(), FlowError> {
    for row in rows {
        let actor = Actor::new(&row.actor);
        reads.row(&actor, &row);
        facts
            .add_named(&actor, unsigned(row.start_op), unsigned(row.position), &row.objects, named)
            .map_err(FlowError::internal)?;
    }
    Ok(())
}

/// The objects that earlier changes made, by what the facts hold: what the reducer asks.
pub fn lookup(facts: &Facts) -> impl Fn(&OpId) -> Option<ObjectInfo> {
    |id| facts.object(id)
}

pub fn hash(bytes: &[u8]) -> Result<Hash, FlowError> {
    bytes.try_into().map_err(|_| FlowError::internal("a stored hash has not 32 bytes"))
}

pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
