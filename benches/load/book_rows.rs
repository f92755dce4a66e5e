//! A ledger of many transfers, written straight into the tables: accounts, journal with its chain, transfers, tip.

use daybook::domain::ids::NeighbourhoodId;
use daybook::flows::judge::journal_entry;
use daybook::ledger::chain;
use daybook::store::entity::{account, journal, tip, transfer};
use daybook::store::{Batch, Database};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter as _,
};
use uuid::Uuid;

use crate::records::SplitMix;

/// Accounts that the transfers are spread over.
pub const ACCOUNTS: u64 = 100;
/// Rows of a transaction, and of a statement of it.
const TRANSACTION_ROWS: u64 = 20_000;
const STATEMENT_ROWS: usize = 500;
/// 2023-11-29; a day passes every so many transfers, so that the last of them are of no later than today.
const FIRST_MS: i64 = 1_701_216_000_000;
const DAYS: u64 = 1_000;
const DAY_MS: i64 = 86_400_000;

/// What is so far.
struct Books {
    neighbourhood: NeighbourhoodId,
    accounts: Vec<(Uuid, i64)>,
    no: i64,
    link: [u8; 32],
    random: SplitMix,
}

/// Writes so many transfers after what the journal has; every hundredth is of `account`.
pub async fn seed(
    db: &Database,
    neighbourhood: NeighbourhoodId,
    account: Uuid,
    transfers: u64,
) -> anyhow::Result<()> {
    let before = tip::Entity::find_by_id(neighbourhood.0).one(db.read()).await?;
    let before = before.ok_or_else(|| anyhow::anyhow!("no tip"))?;
    let mut random = SplitMix::of(transfers, 1);
    let mut ids = vec![(account, 0)];
    ids.extend((1..ACCOUNTS).map(|_| (id(&mut random), 0)));
    let link = before.chain.as_slice().try_into()?;
    let mut books = Books { neighbourhood, accounts: ids, no: before.journal_no, link, random };
    let rows = books.accounts.iter().map(|(id, _)| account::Model {
        neighbourhood_id: neighbourhood.0,
        id: *id,
        kind: "party".to_owned(),
        contribution: 0,
        credit: 0,
        created_at_ms: FIRST_MS,
        closed_at_ms: None,
    });
    insert::<account::Entity>(db.writer(), rows.collect()).await?;
    for from in (0..transfers).step_by(usize::try_from(TRANSACTION_ROWS)?) {
        let until = (from + TRANSACTION_ROWS).min(transfers);
        let rows = (from..until).map(|number| books.row(number, transfers)).collect::<Result<Vec<_>, _>>()?;
        let (entries, posted) = rows.into_iter().unzip();
        let txn = db.begin().await?;
        insert::<journal::Entity>(&txn, entries).await?;
        insert::<transfer::Entity>(&txn, posted).await?;
        txn.commit().await?;
    }
    books.finish(db).await
}

impl Books {
    fn row(&mut self, number: u64, of: u64) -> anyhow::Result<(journal::Model, transfer::Model)> {
        let day = i64::try_from(number * DAYS / of.max(1))?;
        let at_ms = FIRST_MS + day * DAY_MS;
        let minutes = i64::try_from(5 + self.random.below(50))?;
        let accounts = self.accounts.len();
        let (account, balance) = &mut self.accounts[usize::try_from(number)? % accounts];
        *balance += minutes;
        self.no += 1;
        let posted = transfer::Model {
            neighbourhood_id: self.neighbourhood.0,
            id: id(&mut self.random),
            activity_id: Some(id(&mut self.random)),
            posting_seq: 1,
            line_no: 1,
            account_id: *account,
            asset: "contribution".to_owned(),
            minutes,
            balance_after: *balance,
            kind: Some("litter_pick".to_owned()),
            phase: Some("delivery".to_owned()),
            programme: None,
            place: None,
            day: daybook::domain::time::rfc3339(at_ms)[..10].to_owned(),
            capacity: Some("lay".to_owned()),
            journal_no: self.no,
            posted_at_ms: at_ms,
            cause: None,
            counter_account_id: None,
            reason: None,
        };
        let body = serde_json::json!({
            "account": posted.account_id, "asset": posted.asset, "minutes": minutes, "day": posted.day,
            "kind": posted.kind, "phase": posted.phase, "programme": null, "place": null, "capacity": "lay",
            "posting_seq": 1, "line_no": 1, "balance_after": posted.balance_after,
        })
        .to_string();
        let mut salt = [0; 32];
        self.random.fill(&mut salt);
        let about = posted.activity_id;
        let entry = journal_entry(self.no, "transfer", posted.id, about, at_ms, &body);
        let commitment = chain::commitment(&salt, &entry);
        self.link = chain::link(&self.link, &commitment);
        let entry = journal::Model {
            neighbourhood_id: self.neighbourhood.0,
            no: self.no,
            kind: "transfer".to_owned(),
            subject_id: posted.id,
            activity_id: about,
            at_ms,
            body,
            salt: salt.to_vec(),
            commitment: commitment.to_vec(),
            chain: self.link.to_vec(),
        };
        Ok((entry, posted))
    }

    /// Accounts and tip as the last transfers left them; PostgreSQL learns what the tables hold.
    async fn finish(self, db: &Database) -> anyhow::Result<()> {
        let here = self.neighbourhood.0;
        for (id, balance) in &self.accounts {
            account::Entity::update_many()
                .col_expr(account::Column::Contribution, Expr::value(*balance))
                .filter(account::Column::NeighbourhoodId.eq(here))
                .filter(account::Column::Id.eq(*id))
                .exec(db.writer())
                .await?;
        }
        let commons: i64 = self.accounts.iter().map(|(_, balance)| -balance).sum();
        tip::Entity::update_many()
            .col_expr(tip::Column::JournalNo, Expr::value(self.no))
            .col_expr(tip::Column::Chain, Expr::value(self.link.to_vec()))
            .col_expr(tip::Column::Contribution, Expr::value(commons))
            .filter(tip::Column::NeighbourhoodId.eq(here))
            .exec(db.writer())
            .await?;
        db.writer().execute_unprepared("ANALYZE").await?;
        Ok(())
    }
}

fn id(random: &mut SplitMix) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

async fn insert<E>(db: &impl ConnectionTrait, rows: Vec<E::Model>) -> anyhow::Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut batch = Batch::default();
        batch.insert::<E>(db.get_database_backend(), rows.by_ref().take(STATEMENT_ROWS).collect());
        batch.execute(db).await?;
    }
    Ok(())
}
