//! What must be true in the end: of what people were told, and of the books themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use automerge::AutoCommit;
use axum::http::Method;
use daybook::domain::ids::{ActivityId, DaybookId, DecisionId, NeighbourhoodId, PartyId};
use daybook::ledger::chain::{ChainRow, genesis, verify};
use daybook::merge::cursor::{CHAIN_START, chain_next};
use daybook::store::changes::Of;
use daybook::store::entity::daybook as row;
use daybook::store::{self, Database};
use sea_orm::ConnectionTrait;
use serde_json::Value;

use super::people::{Coordinator, Resident, Told, World};

/// More rows than any run makes.
const ALL: u64 = 1_000_000;

/// Everything acknowledged is there, every record is judged, and every account is the sum of what is approved.
/// Answers all minutes recognised.
pub async fn as_told(world: &World, residents: &mut [Resident], coordinators: &mut [Coordinator]) -> i64 {
    for resident in residents.iter_mut() {
        downloads(resident).await;
    }
    let coordinator = &mut coordinators[0];
    let views = coordinator.list(world, "/v1/activities?").await;
    let seen: HashMap<&str, &Value> =
        views.iter().map(|view| (view["id"].as_str().expect("an id"), view)).collect();
    let recorded: usize = residents.iter().map(|resident| resident.minutes.len()).sum();
    assert_eq!((seen.len(), views.len()), (recorded, recorded), "every record arrived once");

    let mut sums: BTreeMap<PartyId, i64> = BTreeMap::new();
    for resident in residents.iter() {
        for (id, minutes) in &resident.minutes {
            let posted = posted(seen[id.to_string().as_str()], *minutes);
            *sums.entry(resident.party).or_default() += posted;
        }
    }
    let accounts = coordinator.list(world, "/v1/accounts?").await;
    for (party, sum) in &sums {
        let account = accounts.iter().find(|account| account["id"] == party.to_string()).expect("an account");
        assert_eq!(account["contribution_minutes"], *sum, "{party}");
    }

    let decisions = coordinator.list(world, "/v1/decisions?").await;
    let id = |decision: &Value| decision["id"].as_str().expect("an id").parse().expect("an id");
    let stored: BTreeSet<DecisionId> = decisions.iter().map(id).collect();
    assert_eq!(stored.len(), decisions.len(), "each decision once");
    for coordinator in coordinators {
        assert!(coordinator.heard().decisions.is_subset(&stored), "an acknowledged decision is missing");
    }
    sums.values().sum()
}

/// The server's daybook holds what it acknowledged, each change once, and is what the phone has.
async fn downloads(resident: &mut Resident) {
    let path = format!("/v1/daybooks/{}", resident.phone.own);
    let bytes = resident.phone.request(Method::GET, &path, "application/json", Vec::new()).await;
    let mut stored = AutoCommit::load(bytes.expect("a download").body()).expect("a document");
    let own = resident.phone.own_book();
    assert_eq!(stored.get_heads(), own.doc.get_heads(), "server and phone differ");
    let hashes: HashSet<[u8; 32]> =
        stored.get_changes(&[]).into_iter().map(|change| change.hash().0).collect();
    assert!(resident.heard().changes.is_subset(&hashes), "an acknowledged change is missing");
}

/// What is posted of an activity: all of its latest minutes or, if it was rejected, none.
fn posted(view: &Value, minutes: i64) -> i64 {
    let judged = view["judged_version"].to_string();
    assert!(
        view["version"].as_str().expect("a version").starts_with(&format!("{judged}-")),
        "not judged: {view}"
    );
    assert_eq!(view["parties"][0]["minutes"], minutes, "the latest edit is missing: {view}");
    let posted = match view["review"].as_str() {
        Some("approved") => minutes,
        Some("rejected") => 0,
        _ => panic!("nobody decided: {view}"),
    };
    assert_eq!(view["posted"], posted, "{view}");
    posted
}

/// Right after a restart, before anybody sends anything again: every change and decision that somebody was told
/// of is there. Answers whether versions wait to be judged.
pub async fn after_a_restart(url: &str, told: &[Told]) -> bool {
    let database = Database::connect(url, 1).await.expect("the database answers");
    let db = database.read();
    let tenants = store::neighbourhoods::list(db).await.expect("reads");
    let neighbourhood = NeighbourhoodId(tenants[0].neighbourhood_id);
    for (daybook, heard) in told {
        let (changes, decisions) = {
            let heard = heard.lock().expect("nobody panicked");
            let changes: Vec<Vec<u8>> = heard.changes.iter().map(|hash| hash.to_vec()).collect();
            (changes, heard.decisions.clone())
        };
        let of = Of { neighbourhood, daybook: *daybook };
        let known = store::changes::known(db, of, &changes, &[]).await.expect("reads");
        assert_eq!(known.len(), changes.len(), "an acknowledged change is missing");
        for id in decisions {
            let stored = store::judgements::find_decision(db, neighbourhood, id).await.expect("reads");
            assert!(stored.is_some(), "the acknowledged decision {id} is missing");
        }
    }
    let waiting = store::waiting::neighbourhoods_waiting(db).await.expect("reads");
    database.close().await.expect("closed");
    !waiting.is_empty()
}

/// Positions are 1, 2, 3 …, each change has one, and the chain over them is the daybook's.
async fn positions(db: &impl ConnectionTrait, of: Of, daybook: &row::Model) {
    let rows = store::changes::rows_after(db, of, 0, ALL).await.expect("reads");
    let (mut chain, mut hashes) = (CHAIN_START, HashSet::new());
    for (row, position) in rows.iter().zip(1..) {
        assert_eq!(row.position, position, "a gap in the positions");
        let hash = <[u8; 32]>::try_from(row.hash.as_slice()).expect("a hash");
        assert!(hashes.insert(hash), "a change stands twice");
        chain = chain_next(&chain, &hash);
        assert_eq!(row.chain, chain, "the chain is broken at {position}");
    }
    let end = (i64::try_from(rows.len()).expect("few"), chain.to_vec());
    assert_eq!(
        (daybook.position, daybook.chain.clone()),
        end,
        "the daybook does not end where its changes do"
    );
}

/// The books as they lie in the database: daybooks have no gap and their chains hold, nothing waits, the journal
/// has no gap and its chain holds, each account is the sum of its transfers, and all accounts with the commons
/// make nothing.
pub async fn books(url: &str, recognised: i64) {
    let database = Database::connect(url, 2).await.expect("the database answers");
    let db = database.read();
    let tenants = store::neighbourhoods::list(db).await.expect("reads");
    let neighbourhood = NeighbourhoodId(tenants[0].neighbourhood_id);
    for daybook in store::daybooks::all(db, neighbourhood).await.expect("reads") {
        let id = DaybookId(daybook.id);
        positions(db, Of { neighbourhood, daybook: id }, &daybook).await;
        for row in store::activities::versions_of_daybook(db, neighbourhood, id).await.expect("reads") {
            assert!(
                row.journal_no.is_some(),
                "version {} of {} waits",
                row.version,
                ActivityId(row.activity_id)
            );
        }
    }

    let tip = store::ledger::find_tip(db, neighbourhood).await.expect("reads").expect("a tip");
    let journal = store::ledger::journal_after(db, neighbourhood, 0, ALL).await.expect("reads");
    let bytes = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("a hash");
    let rows: Vec<ChainRow> = journal
        .iter()
        .map(|row| ChainRow {
            no: row.no,
            opened: None,
            commitment: bytes(&row.commitment),
            link: bytes(&row.chain),
        })
        .collect();
    let end = verify((0, genesis(neighbourhood)), &rows).expect("a journal without gaps");
    assert_eq!(end, (tip.journal_no, bytes(&tip.chain)), "the tip is the journal's end");

    let mut sums = BTreeMap::new();
    for row in store::ledger::transfers_after(db, neighbourhood, 0, ALL).await.expect("reads") {
        *sums.entry(row.account_id).or_insert(0) += row.minutes;
    }
    let accounts = store::ledger::accounts_page(db, neighbourhood, None, None, ALL).await.expect("reads");
    for account in &accounts {
        assert_eq!(account.contribution, sums.get(&account.id).copied().unwrap_or(0), "{}", account.id);
    }
    assert_eq!(accounts.iter().map(|account| account.contribution).sum::<i64>(), recognised);
    assert_eq!(tip.contribution + recognised, 0, "all accounts and the commons make nothing");
    database.close().await.expect("closed");
}
