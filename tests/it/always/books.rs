//! Everything that a neighbourhood's tables say of judgement and ledger, read at once.

use std::collections::{BTreeMap, BTreeSet};

use daybook::app::App;
use daybook::domain::ids::{AccountId, ActivityId, NeighbourhoodId};
use daybook::domain::reading::Reading;
use daybook::domain::rules::RulePack;
use daybook::ledger::{Judgement, StoredDecision};
use daybook::merge::compact::changes_of;
use daybook::store::entity::{
    access_grant, account, activity, activity_version, daybook_change, daybook_snapshot, decision, journal,
    judgement, party, party_alias, rule_pack, tip, transfer,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

/// The tables of one neighbourhood.
pub struct Books {
    pub neighbourhood: NeighbourhoodId,
    pub tip: tip::Model,
    /// By number.
    pub journal: Vec<journal::Model>,
    /// By journal number.
    pub transfers: Vec<transfer::Model>,
    pub accounts: BTreeMap<Uuid, account::Model>,
    pub judgements: BTreeMap<ActivityId, (judgement::Model, Judgement)>,
    /// By journal number.
    pub decisions: Vec<(decision::Model, StoredDecision)>,
    pub versions: Vec<activity_version::Model>,
    pub activities: Vec<activity::Model>,
    pub groups: BTreeSet<Uuid>,
    /// By version.
    pub packs: BTreeMap<i64, RulePack>,
    /// What each alias was made to stand for, with the journal's number of that where it had been a party of its own.
    pub aliases: BTreeMap<Uuid, (Uuid, Option<i64>)>,
    /// Whose each grant is by now.
    pub grants: BTreeMap<Uuid, Uuid>,
}

/// All rows of one table of the neighbourhood, in an order.
macro_rules! rows {
    ($db:expr, $neighbourhood:expr, $table:ident, $order:ident) => {
        $table::Entity::find()
            .filter($table::Column::NeighbourhoodId.eq($neighbourhood.0))
            .order_by_asc($table::Column::$order)
            .all($db)
            .await
            .expect("rows")
    };
}

impl Books {
    pub async fn read(app: &App, neighbourhood: NeighbourhoodId) -> Self {
        Self::read_in(app.db().read(), neighbourhood).await
    }

    /// Within a transaction.
    pub async fn read_in(db: &impl ConnectionTrait, neighbourhood: NeighbourhoodId) -> Self {
        let judgements = rows!(db, neighbourhood, judgement, ActivityId).into_iter().map(|row| {
            let judged = serde_json::from_str(&row.body).expect("a judgement");
            (ActivityId(row.activity_id), (row, judged))
        });
        let journal = rows!(db, neighbourhood, journal, No);
        let bodies: BTreeMap<i64, &str> = journal.iter().map(|row| (row.no, row.body.as_str())).collect();
        let decisions = rows!(db, neighbourhood, decision, JournalNo).into_iter().map(|row| {
            let stored = serde_json::from_str(bodies[&row.journal_no]).expect("a decision");
            (row, stored)
        });
        let decisions = decisions.collect();
        let aliases = rows!(db, neighbourhood, party_alias, AliasId).into_iter();
        let grants = rows!(db, neighbourhood, access_grant, Id).into_iter();
        let groups = rows!(db, neighbourhood, party, Id).into_iter().filter(|row| row.kind == "group");
        let packs = rows!(db, neighbourhood, rule_pack, Version).into_iter();
        let packs = packs.map(|row| (row.version, serde_json::from_str(&row.body).expect("rules")));
        let accounts = rows!(db, neighbourhood, account, Id).into_iter();
        Self {
            neighbourhood,
            tip: rows!(db, neighbourhood, tip, JournalNo).remove(0),
            journal,
            transfers: rows!(db, neighbourhood, transfer, JournalNo),
            accounts: accounts.map(|row| (row.id, row)).collect(),
            judgements: judgements.collect(),
            decisions,
            versions: rows!(db, neighbourhood, activity_version, Version),
            activities: rows!(db, neighbourhood, activity, Id),
            groups: groups.map(|row| row.id).collect(),
            packs: packs.collect(),
            aliases: aliases.map(|row| (row.alias_id, (row.party_id, row.journal_no))).collect(),
            grants: grants.map(|row| (row.id, row.party_id)).collect(),
        }
    }

    /// The raw changes of each daybook, those that compaction let go of from its snapshot.
    pub async fn changes(app: &App, neighbourhood: NeighbourhoodId) -> BTreeMap<Uuid, Vec<Vec<u8>>> {
        let mut changes: BTreeMap<Uuid, Vec<Vec<u8>>> = BTreeMap::new();
        let db = app.db().read();
        let snapshots = rows!(db, neighbourhood, daybook_snapshot, DaybookId).into_iter();
        let snapshots: BTreeMap<Uuid, _> =
            snapshots.map(|row| (row.daybook_id, changes_of(&row.bytes).expect("a snapshot"))).collect();
        for row in rows!(db, neighbourhood, daybook_change, Position) {
            let hash: [u8; 32] = row.hash.try_into().expect("a hash");
            let bytes =
                if row.bytes.is_empty() { snapshots[&row.daybook_id][&hash].clone() } else { row.bytes };
            changes.entry(row.daybook_id).or_default().push(bytes);
        }
        changes
    }

    /// What a version said.
    pub fn reading(&self, id: ActivityId, version: i64) -> Option<Reading> {
        let row = self.versions.iter().find(|row| row.activity_id == id.0 && row.version == version)?;
        Some(serde_json::from_str(&row.reading).expect("a reading"))
    }

    /// The party that an id stands for by now.
    pub fn resolved(&self, id: Uuid) -> Uuid {
        self.resolved_at(id, i64::MAX)
    }

    /// The party that an id stood for at a number of the journal.
    pub fn resolved_at(&self, id: Uuid, no: i64) -> Uuid {
        let mut party = id;
        while let Some((stands_for, _)) =
            self.aliases.get(&party).filter(|(_, made)| made.is_none_or(|made| made <= no))
        {
            party = *stands_for;
        }
        party
    }

    /// Whether some other id became this party's after a number of the journal.
    pub fn joined_since(&self, party: Uuid, no: i64) -> bool {
        let late = self.aliases.iter().filter(|(_, (_, made))| made.is_some_and(|made| made > no));
        late.into_iter().any(|(alias, _)| self.resolved(*alias) == party)
    }

    /// The account for people who are not named, of this activity.
    pub fn holding(&self, row: &judgement::Model) -> AccountId {
        let group = self.groups.contains(&row.party_id);
        AccountId(if group { row.party_id } else { self.neighbourhood.0 })
    }

    /// The transfers of an activity.
    pub fn transfers_of(&self, id: ActivityId) -> impl Iterator<Item = &transfer::Model> {
        self.transfers.iter().filter(move |row| row.activity_id == Some(id.0))
    }

    /// Σ of what the parts of an occasion claim that are in force.
    pub fn claimed(&self, occasion: ActivityId) -> i64 {
        let claims = self.judgements.iter().filter(|(id, _)| **id != occasion);
        let claims = claims.filter_map(|(_, (_, judged))| judged.claim());
        claims.filter(|(of, _)| self.standing_for(*of) == occasion).map(|(_, minutes)| minutes).sum()
    }

    /// The activity that an id stands for, once some were merged.
    fn standing_for(&self, id: ActivityId) -> ActivityId {
        self.judgements.get(&id).and_then(|(_, judged)| judged.merged_into).unwrap_or(id)
    }

    /// How much there is of everything that a request may change.
    pub fn digest(&self, changes: &BTreeMap<Uuid, Vec<Vec<u8>>>) -> String {
        let revisions: i64 = self.activities.iter().map(|row| row.revision).sum();
        let judged: i64 = self.judgements.values().map(|(row, _)| row.revision).sum();
        let changes: Vec<usize> = changes.values().map(Vec::len).collect();
        let due = self.judgements.values().filter(|(row, _)| row.due_at_ms.is_some()).count();
        format!(
            "journal {} {:?}, revisions {revisions} and {judged}, due {due}, changes {changes:?}, versions {}, decisions {}, transfers {}",
            self.tip.journal_no,
            self.tip.chain,
            self.versions.len(),
            self.decisions.len(),
            self.transfers.len(),
        )
    }
}
