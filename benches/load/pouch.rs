//! A phone of a `CouchDB` server: the requests that `PouchDB` replicates with, each sync on one new connection.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{Answer, Connection};
use crate::phones::Took;
use crate::records::{Names, Record, SplitMix};

/// Documents of one request of a replication.
const BATCH: usize = 100;
const JSON: &str = "content-type: application/json\r\n";
const CHECKPOINT: &str = "_local/phone";

/// One push, built before.
#[derive(Debug, Clone)]
pub struct Push {
    database: String,
    batches: Vec<(Vec<u8>, Vec<u8>)>,
    last: usize,
}

impl Push {
    /// The records `from..until` of a log, as documents with the revision that the phone gave them.
    pub fn new(log: u64, from: u64, until: u64) -> anyhow::Result<Self> {
        let documents: Vec<(String, String, Value)> =
            (from..until).map(|number| document(log, number)).collect();
        let mut batches = Vec::new();
        for batch in documents.chunks(BATCH) {
            let revisions: serde_json::Map<String, Value> =
                batch.iter().map(|(id, revision, _)| (id.clone(), json!([revision]))).collect();
            let docs: Vec<&Value> = batch.iter().map(|(_, _, document)| document).collect();
            let all = json!({ "docs": docs, "new_edits": false });
            batches.push((serde_json::to_vec(&revisions)?, serde_json::to_vec(&all)?));
        }
        Ok(Self { database: format!("/log{log}"), batches, last: usize::try_from(until)? })
    }

    /// A new connection; is the database there, how far were we, what is missing, there it is, so far we are.
    pub async fn send(&self, address: SocketAddr) -> anyhow::Result<Took> {
        let started = Instant::now();
        let mut took = Took::default();
        let mut connection = Connection::open(address).await?;
        let count = |took: &mut Took, up: usize, answer: &Answer| {
            took.up += up;
            took.down += answer.body.len();
            took.wire_up += answer.wire_up;
            took.wire_down += answer.wire_down;
        };
        let database = &self.database;
        let answer = connection.send("GET", database, "", b"").await?.good()?;
        count(&mut took, 0, &answer);
        let checkpoint = format!("{database}/{CHECKPOINT}");
        let answer = connection.send("GET", &checkpoint, "", b"").await?;
        count(&mut took, 0, &answer);
        let before: Value = serde_json::from_slice(&answer.body)?;
        for (revisions, documents) in &self.batches {
            let path = format!("{database}/_revs_diff");
            let answer = connection.send("POST", &path, JSON, revisions).await?.good()?;
            count(&mut took, revisions.len(), &answer);
            let path = format!("{database}/_bulk_docs");
            let answer = connection.send("POST", &path, JSON, documents).await?.good()?;
            count(&mut took, documents.len(), &answer);
        }
        let mut so_far = json!({ "_id": CHECKPOINT, "last_seq": self.last, "replicator": "pouchdb" });
        if let Some(revision) = before.get("_rev") {
            so_far["_rev"] = revision.clone();
        }
        let so_far = serde_json::to_vec(&so_far)?;
        let answer = connection.send("PUT", &checkpoint, JSON, &so_far).await?.good()?;
        count(&mut took, so_far.len(), &answer);
        took.time = started.elapsed();
        Ok(took)
    }

    /// Makes the database, for a first sync.
    pub async fn create(&self, address: SocketAddr) -> anyhow::Result<()> {
        crate::http::send(address, "PUT", &self.database, "", b"").await?.good()?;
        Ok(())
    }
}

/// The same record as in a daybook, flat: id, revision, document.
fn document(log: u64, number: u64) -> (String, String, Value) {
    let record = Record::of(log, number);
    let mut revision = [0; 16];
    SplitMix::of(log, number ^ (1 << 62)).fill(&mut revision);
    let (id, revision) = (record.id.to_string(), hex::encode(revision));
    let mut document = json!({
        "_id": id,
        "_rev": format!("1-{revision}"),
        "_revisions": { "start": 1, "ids": [revision] },
        "kind": record.kind,
        "day": record.day,
        "started_at": record.started_at_ms,
        "note": record.note,
    });
    document[format!("party/{}", Names::of(log).party)] = record.minutes.into();
    for (item, count) in record.tallies {
        document[format!("{item}#0a1b")] = count.into();
    }
    if let Some((lat, lon)) = record.place {
        document["place.lat"] = lat.into();
        document["place.lon"] = lon.into();
    }
    (id, format!("1-{revision}"), document)
}
