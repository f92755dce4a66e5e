use sea_orm::{ConnectionTrait as _, DbErr, Statement};

use super::super::Database;

struct Tried {
    db: Database,
    _folder: tempfile::TempDir,
}

async fn database() -> Tried {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let db = Database::connect(&url, 1).await.expect("connected");
    db.writer().execute_unprepared("CREATE TABLE t (n bigint PRIMARY KEY)").await.expect("created");
    Tried { db, _folder: folder }
}

impl Tried {
    fn insert(&self, n: i64) -> Statement {
        Statement::from_sql_and_values(self.db.backend(), "INSERT INTO t (n) VALUES (?)", [n.into()])
    }

    async fn write(&self, numbers: &[i64]) -> Result<(), DbErr> {
        let txn = self.db.begin().await?;
        for n in numbers {
            txn.execute_raw(self.insert(*n)).await?;
        }
        txn.commit().await
    }

    async fn kept(&self) -> Vec<i64> {
        let sql = Statement::from_string(self.db.backend(), "SELECT n FROM t ORDER BY n");
        let rows = self.db.read().query_all_raw(sql).await.expect("read");
        rows.iter().map(|row| row.try_get_by_index(0).expect("a number")).collect()
    }
}

#[tokio::test]
async fn a_write_that_fails_is_taken_back_alone() {
    let tried = database().await;
    let (one, two, three, four) =
        tokio::join!(tried.write(&[1, 2]), tried.write(&[3, 1]), tried.write(&[4]), tried.write(&[5, 5]));
    assert!(one.is_ok() && three.is_ok());
    assert!(two.is_err() && four.is_err());
    assert_eq!(tried.kept().await, [1, 2, 4]);
}

#[tokio::test]
async fn a_write_dropped_half_way_leaves_nothing_and_the_next_goes_on() {
    let tried = database().await;
    tried.write(&[1]).await.expect("written");
    let txn = tried.db.begin().await.expect("begun");
    txn.execute_raw(tried.insert(2)).await.expect("inserted");
    drop(txn);
    assert_eq!(tried.kept().await, [1]);
    tried.write(&[3]).await.expect("written");
    assert_eq!(tried.kept().await, [1, 3]);
}

#[tokio::test]
async fn one_that_only_read_changes_nothing_for_the_others() {
    let tried = database().await;
    let read = async {
        let txn = tried.db.begin().await?;
        let sql = Statement::from_string(tried.db.backend(), "SELECT n FROM t");
        let seen = txn.query_all_raw(sql).await?.len();
        txn.commit().await?;
        Ok::<_, DbErr>(seen)
    };
    let (one, seen, two) = tokio::join!(tried.write(&[1]), read, tried.write(&[2]));
    assert_eq!((one.is_ok(), seen.expect("read"), two.is_ok()), (true, 1, true));
    assert_eq!(tried.kept().await, [1, 2]);
}

/// A request that goes away between taking its turn and its first statement has set no savepoint: the one that
/// is open belongs to the write before it, which is done.
#[tokio::test]
async fn a_write_that_vanishes_before_its_savepoint_takes_nothing_of_its_neighbours_back_unseen() {
    let tried = database().await;
    let first = tried.db.begin().await.expect("begun");
    let vanishing = async {
        let txn = tried.db.begin().await.expect("begun");
        let mut statement = std::pin::pin!(txn.execute_raw(tried.insert(7)));
        // Polled once: it is on its way, and nobody waits for it any more.
        std::future::poll_fn(|context| {
            let _ = statement.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    };
    let done = async {
        first.execute_raw(tried.insert(1)).await?;
        first.commit().await
    };
    let (done, (), after) = tokio::join!(done, vanishing, tried.write(&[2]));
    let kept = tried.kept().await;
    assert_eq!(done.is_ok(), kept.contains(&1), "what was answered is what is kept");
    assert_eq!(after.is_ok(), kept.contains(&2));
    assert!(!kept.contains(&7));
    tried.write(&[3]).await.expect("the next group is whole again");
}

#[tokio::test]
async fn a_full_group_is_committed_and_the_next_begins() {
    let tried = database().await;
    let many = i64::try_from(super::GROUP_WRITES_MAX).expect("small") * 2 + 5;
    let lists: Vec<[i64; 1]> = (0..many).map(|n| [n]).collect();
    let mut all = Vec::new();
    for list in &lists {
        all.push(Box::pin(tried.write(list)));
    }
    for result in futures_join(all).await {
        result.expect("written");
    }
    assert_eq!(tried.kept().await, (0..many).collect::<Vec<_>>());
}

async fn futures_join<F: Future + Unpin>(mut all: Vec<F>) -> Vec<F::Output> {
    let mut answers: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, answer) in all.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let std::task::Poll::Ready(ready) = std::pin::Pin::new(future).poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) {
            std::task::Poll::Ready(answers.drain(..).flatten().collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
