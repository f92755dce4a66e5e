//! The workload: what phones write. Seeded, a record being a pure function of (log, number), so that every
//! server gets exactly the same.
//!
//! The shape is the design's document; the sizes are those of the peers' measurements: about 270 bytes of JSON a
//! record, a note of 7 to 17 words as `Text`, one change a record, about 2 kB for five new ones.

use anyhow::Context as _;
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue};
use daybook::domain::ids::{ActivityId, DaybookId, DeviceId, PartyId};
use uuid::Uuid;

/// 2018-01-01: ten thousand records, seven hours apart, end before today, and the first is not ten years old.
const FIRST_RECORD_MS: u64 = 1_514_764_800_000;
/// How old a record may be.
const LATE_DAYS_MAX: i64 = 3_650;
const HOUR_MS: u64 = 3_600_000;
const WORDS: [&str; 48] = [
    "along",
    "the",
    "canal",
    "bottles",
    "under",
    "bridge",
    "again",
    "and",
    "wrappers",
    "near",
    "school",
    "gate",
    "helped",
    "with",
    "bins",
    "after",
    "market",
    "day",
    "street",
    "corner",
    "broken",
    "glass",
    "by",
    "bench",
    "fixed",
    "lamp",
    "talked",
    "to",
    "neighbours",
    "about",
    "hedge",
    "cleared",
    "leaves",
    "from",
    "drain",
    "swept",
    "path",
    "wet",
    "windy",
    "morning",
    "two",
    "bags",
    "full",
    "cans",
    "mostly",
    "verge",
    "plastic",
    "park",
];
const ITEMS: [&str; 6] = [
    "tally/smoking.butts",
    "tally/food.wrapper",
    "tally/drink.can",
    "tally/drink.bottle",
    "tally/metal.foil",
    "tally/glass",
];

/// The rules under which all records here are approved: of many years, and chance shows none to a person.
pub fn approving(mut pack: serde_json::Value) -> anyhow::Result<serde_json::Value> {
    pack["version"] = (pack["version"].as_i64().context("a version")? + 1).into();
    pack["audit_percent"] = 0.into();
    pack["thresholds"]["late_days_max"] = LATE_DAYS_MAX.into();
    Ok(pack)
}

/// splitmix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A stream of its own for each pair.
    pub fn of(log: u64, number: u64) -> Self {
        let mut mixed = Self(log.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6461_7962_6f6f_6b00);
        Self(mixed.next() ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }

    fn uuid(&mut self, at_ms: u64) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid()
    }
}

/// What a phone is called by; numbers that no record has.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub party: PartyId,
    pub daybook: DaybookId,
    pub device: DeviceId,
}

impl Names {
    pub fn of(log: u64) -> Self {
        let mut random = SplitMix::of(log, u64::MAX);
        let mut uuid = || random.uuid(FIRST_RECORD_MS);
        Self { party: PartyId(uuid()), daybook: DaybookId(uuid()), device: DeviceId(uuid()) }
    }
}

/// One record, before it is written into any kind of document.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: ActivityId,
    pub kind: &'static str,
    pub day: String,
    pub started_at_ms: i64,
    pub minutes: i64,
    pub note: String,
    pub tallies: Vec<(&'static str, i64)>,
    pub place: Option<(f64, f64)>,
}

impl Record {
    pub fn of(log: u64, number: u64) -> Self {
        let mut random = SplitMix::of(log, number);
        let started_at_ms = FIRST_RECORD_MS + number * 7 * HOUR_MS + random.below(HOUR_MS);
        let id = ActivityId(random.uuid(started_at_ms));
        let picked = random.below(2) == 0;
        let kind =
            if picked { "litter_pick" } else { ["repair", "hours"][usize::from(random.below(2) == 0)] };
        let mut tallies = Vec::new();
        for at in 0..if picked { 1 + random.below(2) } else { 0 } {
            tallies.push((ITEMS[(random.below(3) + 3 * at) as usize], 1 + random.below(40) as i64));
        }
        let degrees = |random: &mut SplitMix| random.below(20_000) as f64 / 100_000.0;
        let place =
            (random.below(4) == 0).then(|| (52.4 + degrees(&mut random), -1.9 - degrees(&mut random)));
        Self {
            id,
            kind,
            day: daybook::domain::time::rfc3339(started_at_ms as i64)[..10].to_owned(),
            started_at_ms: started_at_ms as i64,
            minutes: 10 + 5 * random.below(9) as i64,
            note: note(&mut random),
            tallies,
            place,
        }
    }
}

fn note(random: &mut SplitMix) -> String {
    let words = 7 + random.below(11);
    let words: Vec<&str> = (0..words).map(|_| WORDS[random.below(WORDS.len() as u64) as usize]).collect();
    words.join(" ")
}

/// One phone's daybook as it grows.
#[derive(Debug, Clone)]
pub struct Log {
    pub number: u64,
    pub names: Names,
    pub doc: AutoCommit,
    /// Records written.
    pub records: u64,
    register: String,
    starts: u64,
    edits: u64,
}

impl Log {
    /// An empty daybook of an app just started.
    pub fn new(number: u64) -> Self {
        let mut log = Self {
            number,
            names: Names::of(number),
            doc: AutoCommit::new(),
            records: 0,
            register: format!("{:04x}", SplitMix::of(number, u64::MAX - 1).below(1 << 16)),
            starts: 0,
            edits: 0,
        };
        log.restart();
        log
    }

    /// The app starts again: it writes under a fresh actor.
    pub fn restart(&mut self) {
        let mut actor = [0; 16];
        SplitMix::of(self.number, u64::MAX - 2 - self.starts).fill(&mut actor);
        self.starts += 1;
        self.doc.set_actor(ActorId::from(actor));
    }

    /// Takes over changes of others.
    pub fn load(&mut self, changes: &[Vec<u8>]) -> anyhow::Result<()> {
        for change in changes {
            self.doc.load_incremental(change)?;
        }
        Ok(())
    }

    /// The next record, as the bytes of its change.
    pub fn record(&mut self) -> anyhow::Result<Vec<u8>> {
        let record = Record::of(self.number, self.records);
        self.records += 1;
        let map = self.doc.put_object(ROOT, record.id.to_string(), ObjType::Map)?;
        let doc = &mut self.doc;
        doc.put(&map, "kind", record.kind)?;
        doc.put(&map, "day", record.day)?;
        doc.put(&map, "started_at", ScalarValue::Timestamp(record.started_at_ms))?;
        doc.put(&map, format!("party/{}", self.names.party), record.minutes)?;
        for (item, count) in record.tallies {
            doc.put(&map, format!("{item}#{}", self.register), count)?;
        }
        if let Some((lat, lon)) = record.place {
            doc.put(&map, "place.lat", lat)?;
            doc.put(&map, "place.lon", lon)?;
        }
        self.write_note(&map, &record.note)?;
        self.commit(record.started_at_ms)
    }

    /// An edit of one of the first `among` records: minutes, a tally, the note written anew.
    pub fn edit(&mut self, among: u64) -> anyhow::Result<Vec<u8>> {
        let mut random = SplitMix::of(self.number, u64::MAX / 2 + self.edits);
        // A stride that meets every record before it meets one again.
        let of = (self.number + self.edits * 7) % among.max(1);
        self.edits += 1;
        let record = Record::of(self.number, of);
        let (_, map) = self.doc.get(ROOT, record.id.to_string())?.context("the record is there")?;
        let minutes = record.minutes + 5 + self.edits as i64 % 8;
        self.doc.put(&map, format!("party/{}", self.names.party), minutes)?;
        let count = 50 + self.edits as i64;
        self.doc.put(&map, format!("tally/bags#{}", self.register), count)?;
        self.write_note(&map, &note(&mut random))?;
        let at_ms = Record::of(self.number, self.records).started_at_ms;
        self.commit(at_ms)
    }

    fn write_note(&mut self, map: &ObjId, text: &str) -> anyhow::Result<()> {
        let note = self.doc.put_object(map, "note", ObjType::Text)?;
        Ok(self.doc.splice_text(&note, 0, 0, text)?)
    }

    fn commit(&mut self, at_ms: i64) -> anyhow::Result<Vec<u8>> {
        self.doc.commit_with(CommitOptions::default().with_time(at_ms / 1_000 + 3_600));
        let change = self.doc.get_last_local_change().context("a change was made")?;
        Ok(change.raw_bytes().to_vec())
    }
}

/// The id of the invitation of a phone.
pub fn invitation_id(log: u64) -> Uuid {
    SplitMix::of(log, u64::MAX - 200_000).uuid(FIRST_RECORD_MS)
}
