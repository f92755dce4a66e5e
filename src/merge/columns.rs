//! Measures a change before anything expands its run-lengths: a hundred bytes may say "twenty million
//! operations", and Automerge would believe it.

use super::chunk::Reader;
use super::op::Hash;
use super::refusal::RefusalCode;
use crate::domain::limits::{
    ACTOR_BYTES_MAX, CHANGE_BYTES_MAX, CHANGE_DEPENDENCIES_MAX, CHANGE_OPERATIONS_BASE,
    CHANGE_OPERATIONS_MAX, CHANGE_PREDECESSORS_BASE, CHANGE_PREDECESSORS_PER_OPERATION,
    OPERATION_COUNTER_MAX,
};

/// Bytes of keys and names once their run-lengths are expanded.
const EXPANDED_BYTES_MAX: u64 = 64 * CHANGE_BYTES_MAX as u64;

const DEFLATED: u32 = 0b1000;
const KEY_TEXT: u32 = (1 << 4) | 5;
const ACTION: u32 = (4 << 4) | 2;
const PREDECESSOR_COUNT: u32 = 7 << 4;
const MARK_NAME: u32 = (10 << 4) | 5;

type Refusal = (RefusalCode, String);

/// What a change says of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    /// Each predecessor beyond an operation's first counts as one more.
    pub operations: u64,
    pub dependencies: u64,
}

/// Refuses what is too large, from the header and the run-lengths alone.
///
/// `body` is what follows the chunk's header, `chunk_bytes` the size of the whole chunk.
pub(super) fn measure(body: &[u8], chunk_bytes: usize) -> Result<Measure, Refusal> {
    let mut reader = Reader(body);
    let dependencies = reader.unsigned().ok_or_else(|| unreadable("dependencies"))?;
    if dependencies > count(CHANGE_DEPENDENCIES_MAX) {
        return Err((RefusalCode::TooManyDependencies, format!("{dependencies} dependencies")));
    }
    for _ in 0..dependencies {
        reader.take(32).ok_or_else(|| unreadable("dependencies"))?;
    }
    actor(&mut reader)?;
    reader.unsigned().ok_or_else(|| unreadable("sequence"))?;
    let start_op = reader.unsigned().ok_or_else(|| unreadable("start"))?;
    reader.signed().ok_or_else(|| unreadable("time"))?;
    reader.prefixed().ok_or_else(|| unreadable("message"))?;
    let actors = reader.unsigned().ok_or_else(|| unreadable("actors"))?;
    for _ in 0..actors {
        actor(&mut reader)?;
    }
    let operations = measure_columns(&mut reader, start_op, chunk_bytes)?;
    Ok(Measure { operations, dependencies })
}

/// The dependencies named in a change's header.
pub(super) fn dependencies(body: &[u8]) -> Option<Vec<Hash>> {
    let mut reader = Reader(body);
    let count = reader.unsigned()?;
    (0..count).map(|_| reader.take(32).and_then(|hash| hash.try_into().ok())).collect()
}

fn actor(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    let actor = reader.prefixed().ok_or_else(|| unreadable("actor"))?;
    if actor.len() > ACTOR_BYTES_MAX {
        return Err((RefusalCode::ActorTooLong, format!("{} bytes", actor.len())));
    }
    Ok(())
}

fn measure_columns(reader: &mut Reader<'_>, start_op: u64, chunk_bytes: usize) -> Result<u64, Refusal> {
    let columns = reader.unsigned().ok_or_else(|| unreadable("columns"))?;
    let mut layout = Vec::new();
    for _ in 0..columns {
        let column = reader.unsigned().zip(reader.unsigned()).ok_or_else(|| unreadable("columns"))?;
        layout.push(column);
    }
    let mut last = None;
    let (mut operations, mut further) = (0, 0);
    let operations_max = CHANGE_OPERATIONS_MAX.min(CHANGE_OPERATIONS_BASE.saturating_add(count(chunk_bytes)));
    for (spec, length) in layout {
        let spec = u32::try_from(spec).map_err(|_| unreadable("column"))?;
        let length = usize::try_from(length).map_err(|_| unreadable("column"))?;
        let data = reader.take(length).ok_or_else(|| unreadable("column"))?;
        if spec & DEFLATED != 0 {
            return Err(unreadable("deflated column"));
        }
        // Twice the same column: the later one would be the one that Automerge reads.
        if last.is_some_and(|last| spec <= last) {
            return Err((RefusalCode::NotCanonical, "order of columns".to_owned()));
        }
        last = Some(spec);
        match spec {
            ACTION => operations = limit(runs(data, Cell::Number, Sum::Rows), operations_max, TOO_MANY)?,
            // Columns come in order, so the operations are counted by now.
            PREDECESSOR_COUNT => further = measure_predecessors(data, operations, operations_max)?,
            KEY_TEXT | MARK_NAME => {
                limit(runs(data, Cell::Text, Sum::Values), EXPANDED_BYTES_MAX, RefusalCode::ChangeTooLarge)?;
            }
            _ => {}
        }
    }
    // An empty change counts too: the next one of its actor starts above it.
    let last_op = start_op.saturating_add(operations.saturating_sub(1));
    if last_op >= OPERATION_COUNTER_MAX {
        return Err((RefusalCode::CounterTooLarge, format!("operation {last_op}")));
    }
    Ok(operations.saturating_add(further))
}

/// How many predecessors there are beyond the first of each operation. A hundred bytes may name a million, each
/// of them looked up like an object.
fn measure_predecessors(data: &[u8], operations: u64, operations_max: u64) -> Result<u64, Refusal> {
    let count = |sum| runs(data, Cell::Number, sum).ok_or_else(|| unreadable("run-lengths"));
    let (named, further) = (count(Sum::Values)?, count(Sum::Further)?);
    let per_operation = operations.saturating_mul(CHANGE_PREDECESSORS_PER_OPERATION);
    let most = CHANGE_PREDECESSORS_BASE.saturating_add(per_operation);
    if named > most {
        return Err((TOO_MANY, format!("{named} predecessors, at most {most}")));
    }
    let weighed = operations.saturating_add(further);
    if weighed > operations_max {
        return Err((TOO_MANY, format!("{weighed} with their predecessors, at most {operations_max}")));
    }
    Ok(further)
}

const TOO_MANY: RefusalCode = RefusalCode::TooManyOperations;

fn limit(sum: Option<u64>, max: u64, code: RefusalCode) -> Result<u64, Refusal> {
    match sum {
        None => Err(unreadable("run-lengths")),
        Some(sum) if sum > max => Err((code, format!("{sum}, at most {max}"))),
        Some(sum) => Ok(sum),
    }
}

/// What a cell of the column holds.
#[derive(Clone, Copy)]
enum Cell {
    Number,
    Text,
}

/// What is added up over all cells.
#[derive(Clone, Copy)]
enum Sum {
    Rows,
    /// The numbers themselves; of texts, their bytes.
    Values,
    /// Of each number, what is beyond one.
    Further,
}

/// Adds up a run-length encoded column, in as many steps as it has bytes at most.
fn runs(data: &[u8], cell: Cell, sum: Sum) -> Option<u64> {
    let mut reader = Reader(data);
    let mut total: u64 = 0;
    let value = |reader: &mut Reader<'_>| match cell {
        Cell::Number => reader.unsigned(),
        Cell::Text => reader.prefixed().map(|text| count(text.len())),
    };
    let each = |value: u64| match sum {
        Sum::Rows => 1,
        Sum::Values => value,
        Sum::Further => value.saturating_sub(1),
    };
    while !reader.0.is_empty() {
        let length = reader.signed()?;
        if length > 0 {
            let value = value(&mut reader)?;
            total = total.saturating_add(each(value).saturating_mul(length.unsigned_abs()));
        } else if length < 0 {
            for _ in 0..length.unsigned_abs() {
                total = total.saturating_add(each(value(&mut reader)?));
            }
        } else {
            let nulls = reader.unsigned()?;
            total = total.saturating_add(if matches!(sum, Sum::Rows) { nulls } else { 0 });
        }
    }
    Some(total)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn unreadable(what: &str) -> Refusal {
    (RefusalCode::Unreadable, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_lengths_are_added_up_without_being_expanded() {
        let rows = |data: &[u8]| runs(data, Cell::Number, Sum::Rows);
        let values = |data: &[u8]| runs(data, Cell::Number, Sum::Values);
        assert_eq!(rows(&[]), Some(0));
        // 5 × 7, then 1, 2, 3 literally, then 4 nulls.
        let data = [5, 7, 0x7d, 1, 2, 3, 0, 4];
        assert_eq!(rows(&data), Some(12));
        assert_eq!(values(&data), Some(41));
        // 5 × 6, then 0, 1, 2.
        assert_eq!(runs(&data, Cell::Number, Sum::Further), Some(33));
        assert_eq!(rows(&[5]), None);
        assert_eq!(rows(&[0x7d, 1, 2]), None);
        // 20 million rows in five bytes.
        assert_eq!(rows(&[0x80, 0xda, 0xc4, 0x09, 1]), Some(20_000_000));
        let mut bomb = vec![0xff; 9];
        bomb.push(0);
        bomb.push(2);
        assert_eq!(values(&bomb), Some(u64::MAX - 1));
        assert_eq!(runs(&[3, 2, b'h', b'i', 0x7f, 1, b'x'], Cell::Text, Sum::Values), Some(7));
    }
}
