//! A write, from its beginning to its commit.
//!
//! On PostgreSQL it is a transaction of the pool. On SQLite there is one writer, and a durable commit costs
//! more than most writes: so the writes that are waiting when the writer becomes free share one transaction,
//! each within a savepoint, and are committed together. Each is answered only after that commit; one that
//! fails is taken back alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// Writes that share one commit at most, so that the first of them is not kept waiting.
pub const GROUP_WRITES_MAX: usize = 32;

/// One write. Dropped without [`Transaction::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Transaction {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Own(DatabaseTransaction),
    Member(Member),
}

/// The SQLite writer; whoever holds the lock writes.
#[derive(Clone, Debug)]
pub struct Writer {
    connection: DatabaseConnection,
    group: Arc<Mutex<Option<Group>>>,
}

/// The transaction that some writes share.
#[derive(Debug)]
struct Group {
    outer: DatabaseTransaction,
    /// Those that are done and wait for the commit.
    done: Vec<oneshot::Sender<Result<(), Arc<DbErr>>>>,
    /// What the last member left to do before anybody else's statement.
    before: Before,
    /// The next member's; the last member has the other.
    savepoint: Savepoint,
}

/// Statements that only a later trip to the database carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// The last member's savepoint is still open.
    Release,
    /// The last member went away without committing.
    TakeBack,
}

/// The savepoint of a member. Two names take turns: a member that went away before its savepoint was set must
/// find none to go back to, not that of the member before, whose writes would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    Even,
    Odd,
}

impl Savepoint {
    fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }
}

/// One write of a group.
#[derive(Debug)]
struct Member {
    /// Nothing once it is done.
    held: Option<OwnedMutexGuard<Option<Group>>>,
    /// Whether its savepoint was set: before its first statement that writes.
    began: AtomicBool,
}

impl Transaction {
    /// A transaction of a pool.
    pub(super) async fn own(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        let options = TransactionOptions::default();
        Ok(Self { kind: Kind::Own(pool.begin_with_options(options).await?) })
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// `DbErr` of the database; nothing is kept all the same.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.kind {
            Kind::Own(transaction) => transaction.rollback().await,
            Kind::Member(_) => Ok(()),
        }
    }

    /// Commits: once this answers, the write is durable.
    ///
    /// # Errors
    /// `DbErr` if nothing of it was kept.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self.kind {
            Kind::Own(transaction) => transaction.commit().await,
            Kind::Member(member) => member.commit().await,
        }
    }
}

impl Writer {
    /// The writer of a connection that nobody else writes on.
    #[must_use]
    pub fn new(connection: DatabaseConnection) -> Self {
        Self { connection, group: Arc::new(Mutex::new(None)) }
    }

    /// Begins a write, when its turn comes.
    ///
    /// # Errors
    /// `DbErr` if no transaction can be begun.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        let mut held = self.group.clone().lock_owned().await;
        if held.is_none() {
            // The write lock is taken at once: a transaction that reads first and writes later would fail
            // when another process wrote in between.
            let options = TransactionOptions {
                isolation_level: None,
                access_mode: None,
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            };
            let outer = self.connection.begin_with_options(options).await?;
            *held =
                Some(Group { outer, done: Vec::new(), before: Before::Nothing, savepoint: Savepoint::Even });
            // It queues behind the writes that wait now: they are the group.
            tokio::spawn(close(self.group.clone()));
        }
        Ok(Transaction { kind: Kind::Member(Member { held: Some(held), began: AtomicBool::new(false) }) })
    }
}

/// Commits the group when its turn comes, unless a full one was committed already.
async fn close(group: Arc<Mutex<Option<Group>>>) {
    let mut held = group.lock().await;
    if let Some(group) = held.take() {
        group.commit().await;
    }
}

impl Group {
    /// What the last member left to do.
    fn left(&self) -> &'static str {
        match (self.before, self.savepoint.other()) {
            (Before::Nothing, _) => "",
            (Before::Release, Savepoint::Even) => "RELEASE even;",
            (Before::Release, Savepoint::Odd) => "RELEASE odd;",
            (Before::TakeBack, Savepoint::Even) => "ROLLBACK TO even;RELEASE even;",
            (Before::TakeBack, Savepoint::Odd) => "ROLLBACK TO odd;RELEASE odd;",
        }
    }

    /// What a member's first statement comes after.
    fn opening(&self) -> String {
        let savepoint = match self.savepoint {
            Savepoint::Even => "SAVEPOINT even;",
            Savepoint::Odd => "SAVEPOINT odd;",
        };
        format!("{}{savepoint}", self.left())
    }

    /// A member that set its savepoint ends.
    fn ended(&mut self, before: Before) {
        self.before = before;
        self.savepoint = self.savepoint.other();
    }

    /// Commits and tells everybody.
    async fn commit(self) {
        let taken_back = match self.before {
            Before::TakeBack => self.outer.execute_unprepared(self.left()).await.map(|_| ()),
            // A commit releases what is open.
            Before::Nothing | Before::Release => Ok(()),
        };
        let committed = match taken_back {
            Ok(()) => self.outer.commit().await,
            Err(error) => Err(error),
        };
        let told = committed.map_err(Arc::new);
        for waiting in self.done {
            // One that went away meanwhile is committed all the same: it asks again and finds it done.
            let _ = waiting.send(told.clone());
        }
    }
}

impl Member {
    fn group(&self) -> Result<&Group, DbErr> {
        self.held.as_ref().and_then(|held| held.as_ref()).ok_or_else(gone)
    }

    async fn commit(mut self) -> Result<(), DbErr> {
        let mut held = self.held.take().ok_or_else(gone)?;
        let group = held.as_mut().ok_or_else(gone)?;
        let (sender, receiver) = oneshot::channel();
        group.done.push(sender);
        if *self.began.get_mut() {
            group.ended(Before::Release);
        }
        if group.done.len() >= GROUP_WRITES_MAX {
            // In a task of its own: whoever asked for the last write may go away in the middle of it.
            tokio::spawn(async move {
                if let Some(full) = held.take() {
                    full.commit().await;
                }
            });
        } else {
            drop(held);
        }
        match receiver.await {
            Ok(told) => told.map_err(|error| DbErr::Custom(error.to_string())),
            Err(_) => Err(gone()),
        }
    }

    /// What has to happen before this statement, if it is the first that needs it.
    fn opening(&self, sql: &str) -> Result<Option<String>, DbErr> {
        let group = self.group()?;
        let needed = !is_read(sql) || group.before == Before::TakeBack;
        let first = needed && !self.began.swap(true, Ordering::Relaxed);
        Ok(first.then(|| group.opening()))
    }

    /// The statement with what has to happen first, in one trip to the database.
    fn joined(&self, statement: Statement) -> Result<Statement, DbErr> {
        Ok(match self.opening(&statement.sql)? {
            Some(opening) => Statement { sql: opening + &statement.sql, ..statement },
            None => statement,
        })
    }

    /// The same in a trip of its own, for a statement whose rows are wanted.
    async fn apart(&self, sql: &str) -> Result<(), DbErr> {
        match self.opening(sql)? {
            Some(opening) => self.group()?.outer.execute_unprepared(&opening).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let began = *self.began.get_mut();
        if let Some(group) = self.held.as_mut().and_then(|held| held.as_mut()).filter(|_| began) {
            group.ended(Before::TakeBack);
        }
    }
}

fn is_read(sql: &str) -> bool {
    sql.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn gone() -> DbErr {
    DbErr::Custom("the transaction ended early".to_owned())
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match &self.kind {
            Kind::Own(own) => own.get_database_backend(),
            Kind::Member(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.kind {
            Kind::Own(own) => own.execute_raw(statement).await,
            Kind::Member(member) => {
                let statement = member.joined(statement)?;
                member.group()?.outer.execute_raw(statement).await
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.kind {
            Kind::Own(own) => own.execute_unprepared(sql).await,
            Kind::Member(member) => {
                member.apart(sql).await?;
                member.group()?.outer.execute_unprepared(sql).await
            }
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.kind {
            Kind::Own(own) => own.query_one_raw(statement).await,
            Kind::Member(member) => {
                member.apart(&statement.sql).await?;
                member.group()?.outer.query_one_raw(statement).await
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.kind {
            Kind::Own(own) => own.query_all_raw(statement).await,
            Kind::Member(member) => {
                member.apart(&statement.sql).await?;
                member.group()?.outer.query_all_raw(statement).await
            }
        }
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
