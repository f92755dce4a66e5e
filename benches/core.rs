//! The pure core, without database and network: what a push costs to guard, admit and reduce, on daybooks of
//! every age, with rows and states as the server keeps them. Loading the document, which is not done, beside it.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use daybook::domain::ids::ActivityId;
use daybook::merge::admit::{ActorLast, Admission, Facts, admit, references};
use daybook::merge::guard::{self, Checked, Chunk};
use daybook::merge::{ActivityState, Actor, Hash, reduce, touched};

#[path = "load/records.rs"]
#[expect(dead_code, reason = "the load generator uses the rest")]
mod records;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Activities in the daybook before the push.
const AGES: [u64; 4] = [10, 100, 1_000, 10_000];

/// What a change's row keeps for later changes.
struct Row {
    max_op: u64,
    objects: Vec<u8>,
}

/// A daybook as its rows are: looked up by what the indexes know.
#[derive(Default)]
struct Daybook {
    rows: Vec<Row>,
    by_hash: HashMap<Hash, usize>,
    by_actor: HashMap<Actor, BTreeMap<u64, usize>>,
    actors: HashMap<Actor, ActorLast>,
    states: HashMap<ActivityId, Vec<u8>>,
    max_op: u64,
}

/// What a push would write.
struct Written {
    changes: Vec<(Checked, Vec<u8>)>,
    states: Vec<(ActivityId, Vec<u8>, String)>,
}

impl Daybook {
    /// Everything between the bytes of a request and the rows of its transaction.
    fn push(&self, entries: &[Vec<u8>]) -> Result<Written, Error> {
        let mut changes = Vec::new();
        for chunk in entries.iter().flat_map(|entry| guard::inspect(entry)) {
            match chunk {
                Chunk::Change(change) => changes.push(*change),
                Chunk::Refused { detail, .. } => return Err(detail.into()),
            }
        }
        let mut facts = self.facts(&changes)?;
        let mut objects = Vec::new();
        for change in &changes {
            match admit(&mut facts, change) {
                Admission::Accept { objects: made } => objects.push(made),
                other => return Err(format!("{other:?}").into()),
            }
        }
        let lookup = |id: &_| facts.object(id);
        let mut states = BTreeMap::new();
        for id in changes.iter().flat_map(|change| touched(change, &lookup)) {
            if let Some(stored) = self.states.get(&id) {
                states.insert(id, ActivityState::decode(stored)?);
            }
        }
        for change in &changes {
            reduce(&mut states, change, &lookup);
        }
        let read = |(id, state): (&ActivityId, &ActivityState)| {
            Ok((*id, state.encode(), serde_json::to_string(&state.reading())?))
        };
        let states: Result<Vec<_>, Error> = states.iter().map(read).collect();
        Ok(Written { changes: changes.into_iter().zip(objects).collect(), states: states? })
    }

    fn facts(&self, changes: &[Checked]) -> Result<Facts, Error> {
        let wanted = references(changes);
        let mut facts = Facts::new(position(self.rows.len()), self.max_op);
        for hash in &wanted.hashes {
            if let Some((at, row)) = self.by_hash.get(hash).map(|at| (*at, &self.rows[*at])) {
                facts.add_known(*hash, position(at + 1), row.max_op, &row.objects)?;
            }
        }
        let known = wanted.actors.iter().filter_map(|actor| Some((actor.clone(), *self.actors.get(actor)?)));
        facts.actors.extend(known);
        for (actor, from, to) in wanted.ranges().iter() {
            let Some(rows) = self.by_actor.get(actor) else { continue };
            for (start_op, at) in rows.range(..=to).rev() {
                let row = &self.rows[*at];
                if row.max_op < from {
                    break;
                }
                facts.add_row(actor, *start_op, position(at + 1), &row.objects)?;
            }
        }
        assert!(facts.graph_after(changes).is_none(), "each change builds on everything before it");
        Ok(facts)
    }

    fn write(&mut self, written: Written) {
        for (change, objects) in written.changes {
            let at = self.rows.len();
            let (hash, actor, start_op, max_op) = (change.hash, change.actor, change.start_op, change.max_op);
            self.by_hash.insert(hash, at);
            self.by_actor.entry(actor.clone()).or_default().insert(start_op, at);
            let last = ActorLast { seq: change.seq, max_op, position: position(at + 1) };
            self.actors.insert(actor, last);
            self.max_op = self.max_op.max(max_op);
            self.rows.push(Row { max_op, objects });
        }
        self.states.extend(written.states.into_iter().map(|(id, state, _)| (id, state)));
    }
}

fn position(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A daybook of an age, what may be pushed to it, and its document.
struct Aged {
    daybook: Daybook,
    pushes: [(&'static str, Vec<Vec<u8>>); 3],
    document: Vec<u8>,
}

fn aged(activities: u64) -> Result<Aged, Error> {
    let mut log = records::Log::new(activities);
    let mut daybook = Daybook::default();
    for _ in 0..activities {
        let written = daybook.push(&[log.record()?])?;
        daybook.write(written);
    }
    let document = log.doc.save();
    let push = |edits: bool, count: usize| {
        let mut log = log.clone();
        log.restart();
        (0..count)
            .map(|_| if edits { log.edit(activities) } else { log.record() })
            .collect::<Result<Vec<_>, _>>()
    };
    let pushes = [("5 new", push(false, 5)?), ("20 new", push(false, 20)?), ("5 edits", push(true, 5)?)];
    Ok(Aged { daybook, pushes, document })
}

fn core(criterion: &mut Criterion) {
    let ages: Result<Vec<(u64, Aged)>, Error> = AGES.into_iter().map(|age| Ok((age, aged(age)?))).collect();
    let ages = match ages {
        Ok(ages) => ages,
        Err(error) => {
            eprintln!("the daybooks cannot be made: {error}");
            std::process::exit(1);
        }
    };
    let mut group = criterion.benchmark_group("guard and reduce");
    for (age, aged) in &ages {
        for (what, push) in &aged.pushes {
            group.bench_with_input(BenchmarkId::new(*what, age), push, |bencher, push| {
                bencher.iter(|| black_box(aged.daybook.push(black_box(push)).is_ok()));
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("load the document");
    group.sample_size(10);
    for (age, aged) in &ages {
        group.bench_with_input(BenchmarkId::from_parameter(age), &aged.document, |bencher, document| {
            let load = |document: &[u8]| automerge::Automerge::load(document).is_ok();
            bencher.iter_batched(|| document, |document| black_box(load(document)), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = core
}
criterion_main!(benches);
