//! What always holds in a neighbourhood ("Always"), checked on its tables.

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::ids::ActivityId;
use daybook::domain::reading::{Field, Reading};
use daybook::domain::review::Review;
use daybook::flows::judge::journal_entry;
use daybook::ledger::chain::{self, ChainRow, Opened};
use daybook::ledger::{self, By, Decided, DecisionStep, LineKey};
use daybook::store::entity::transfer;
use uuid::Uuid;

use super::books::Books;
use super::{capped, decided, declined, ruled};

/// Minutes of a person and a day that a rule may approve.
const PERSON_DAY_MINUTES_MAX: i64 = 480;

pub type Checked = Result<(), String>;

pub fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// After every transaction of judging.
///
/// Answers what there was of it to see.
pub fn always(books: &Books) -> Result<BTreeSet<&'static str>, String> {
    journal(books)?;
    versions(books)?;
    balances(books)?;
    postings(books)?;
    closings(books)?;
    targets(books)?;
    remainders(books)?;
    decided::follow(books)?;
    let mut seen = ruled::follow(books)?;
    seen.extend(capped::follow(books)?.then_some("capped"));
    declined::follow(books)?;
    carried(books)?;
    clock_minutes(books)?;
    rule_days(books)?;
    Ok(seen)
}

/// The journal has no gaps, and every number is built on its predecessor.
fn journal(books: &Books) -> Checked {
    let bytes = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| "not 32 bytes".to_owned());
    let mut rows = Vec::new();
    for row in &books.journal {
        let entry = journal_entry(row.no, &row.kind, row.subject_id, row.activity_id, row.at_ms, &row.body);
        let opened = Some(Opened { salt: bytes(&row.salt)?, entry });
        rows.push(ChainRow {
            no: row.no,
            opened,
            commitment: bytes(&row.commitment)?,
            link: bytes(&row.chain)?,
        });
    }
    let start = (0, chain::genesis(books.neighbourhood));
    let end = chain::verify(start, &rows).map_err(|error| format!("journal: {error}"))?;
    hold(end == (books.tip.journal_no, bytes(&books.tip.chain)?), || {
        "the tip is not the journal's end".to_owned()
    })
}

/// A version's number names its row in the journal, numbers rise with versions, and the newest numbered one
/// is the one judged.
fn versions(books: &Books) -> Checked {
    let mut newest: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
    for row in &books.versions {
        let (last, last_no) = newest.get(&row.activity_id).copied().unwrap_or_default();
        let Some(no) = row.journal_no else { continue };
        let index = usize::try_from(no - 1).map_err(|error| error.to_string())?;
        let named = books.journal.get(index);
        let named =
            named.is_some_and(|entry| entry.kind == "version" && entry.activity_id == Some(row.activity_id));
        hold(named, || format!("journal number {no} is not version {} of {}", row.version, row.activity_id))?;
        hold(row.version == last + 1 && no > last_no, || {
            format!("version {} of {} is numbered {no} after {last_no}", row.version, row.activity_id)
        })?;
        newest.insert(row.activity_id, (row.version, no));
    }
    for (id, (row, judged)) in &books.judgements {
        let taken_up = newest.get(&id.0).map_or(0, |(version, _)| *version);
        hold(row.judged_version == taken_up && judged.judged_version == taken_up, || {
            format!("{id} is judged at version {}, taken up is {taken_up}", row.judged_version)
        })?;
    }
    Ok(())
}

/// Every balance is the sum of its transfers, each transfer says the balance after it, and with the commons
/// each asset sums to zero.
fn balances(books: &Books) -> Checked {
    let mut running: BTreeMap<(Uuid, &str), i64> = BTreeMap::new();
    for row in &books.transfers {
        let balance = running.entry((row.account_id, row.asset.as_str())).or_default();
        *balance += row.minutes;
        hold(*balance == row.balance_after, || {
            format!("journal {}: the balance after is {}, not {balance}", row.journal_no, row.balance_after)
        })?;
    }
    for row in books.accounts.values() {
        let of = |asset| running.get(&(row.id, asset)).copied().unwrap_or(0);
        hold((row.contribution, row.credit) == (of("contribution"), of("credit")), || {
            format!("account {} holds {}, its transfers {}", row.id, row.contribution, of("contribution"))
        })?;
    }
    let contribution: i64 = books.accounts.values().map(|row| row.contribution).sum();
    let credit: i64 = books.accounts.values().map(|row| row.credit).sum();
    hold((contribution + books.tip.contribution, credit + books.tip.credit) == (0, 0), || {
        format!("accounts hold {contribution}, the commons {}", books.tip.contribution)
    })
}

/// One posting for each (activity, sequence, line), numbered without gaps, each with its row in the journal.
fn postings(books: &Books) -> Checked {
    let mut seen: BTreeMap<Uuid, BTreeMap<i64, BTreeSet<i64>>> = BTreeMap::new();
    for row in &books.transfers {
        let entry = usize::try_from(row.journal_no - 1).ok().and_then(|index| books.journal.get(index));
        hold(entry.is_some_and(|entry| entry.kind == "transfer" && entry.subject_id == row.id), || {
            format!("transfer {} has no row in the journal", row.id)
        })?;
        let Some(activity) = row.activity_id else { continue };
        let lines = seen.entry(activity).or_default().entry(row.posting_seq).or_default();
        hold(lines.insert(row.line_no) && row.minutes != 0, || {
            format!("transfer {} is posted twice", row.id)
        })?;
    }
    for (id, sequences) in &seen {
        let without_gaps =
            |numbers: Vec<i64>| numbers.iter().zip(1..).all(|(number, expected)| *number == expected);
        let whole = without_gaps(sequences.keys().copied().collect())
            && sequences.values().all(|lines| without_gaps(lines.iter().copied().collect()));
        hold(whole, || format!("postings of {id} are numbered {sequences:?}"))?;
        let judged = books.judgements.get(&ActivityId(*id));
        let posting_seq = judged.map_or(0, |(row, _)| row.posting_seq);
        hold(sequences.keys().last() == Some(&posting_seq), || {
            format!("{id} is at posting {posting_seq}, its transfers at {sequences:?}")
        })?;
    }
    Ok(())
}

/// What belongs to no activity comes in pairs between two accounts, and nothing but a closing is left on an account
/// that became another's.
fn closings(books: &Books) -> Checked {
    let mut sides: BTreeMap<(Uuid, Uuid, &str, i64), i64> = BTreeMap::new();
    for row in books.transfers.iter().filter(|row| row.activity_id.is_none()) {
        let counter = row.counter_account_id.ok_or_else(|| format!("{} has one side", row.id))?;
        hold(row.cause.is_some() && row.reason.is_some() && row.kind.is_none(), || {
            format!("transfer {} says {:?} of {:?}", row.id, row.cause, row.kind)
        })?;
        *sides.entry((row.account_id, counter, &row.asset, row.minutes)).or_default() += 1;
    }
    for ((account, counter, asset, minutes), count) in &sides {
        hold(sides.get(&(*counter, *account, *asset, -*minutes)) == Some(count), || {
            format!("{minutes} of {asset} on {account} have no other side on {counter}")
        })?;
    }
    for alias in books.aliases.keys() {
        let held = books.accounts.get(alias).map_or((0, 0), |row| (row.contribution, row.credit));
        hold(held == (0, 0), || format!("the alias {alias} holds {held:?}"))?;
    }
    Ok(())
}

/// What stands in the ledger is the target, by the judgement's own account and by the transfers.
fn targets(books: &Books) -> Checked {
    for (id, (row, judged)) in &books.judgements {
        let target = ledger::target(judged, books.claimed(*id), books.holding(row));
        hold(target == judged.posted, || format!("{id}: target {target:?}\nposted {:?}", judged.posted))?;
        let mut left: BTreeMap<LineKey, i64> = BTreeMap::new();
        for line in &target {
            // Lines keep the party that they froze, transfers the account that they were posted to.
            let mut key = line.key();
            key.account.0 = books.resolved(key.account.0);
            *left.entry(key).or_default() += line.minutes;
        }
        for transfer in books.transfers_of(*id) {
            let mut key = key(transfer)?;
            key.account.0 = books.resolved(key.account.0);
            *left.entry(key).or_default() -= transfer.minutes;
        }
        let differ: Vec<_> = left.iter().filter(|(_, minutes)| **minutes != 0).collect();
        hold(differ.is_empty(), || format!("{id}: target less transfers is {differ:?}"))?;
        let review = serde_json::to_value(judged.review()).map_err(|error| error.to_string())?;
        let posted: i64 = judged.posted.iter().map(|line| line.minutes).sum();
        let columns = (row.review.as_str(), row.minutes, row.decision_seq, row.posting_seq, row.revision);
        let says = (
            review.as_str().unwrap_or_default(),
            posted,
            judged.decision_seq,
            judged.posting_seq,
            judged.revision,
        );
        hold(columns == says, || format!("{id}: columns {columns:?}, judgement {says:?}"))?;
    }
    Ok(())
}

fn key(row: &transfer::Model) -> Result<LineKey, String> {
    let json = serde_json::json!({
        "account": row.account_id, "asset": row.asset, "kind": row.kind, "phase": row.phase,
        "programme": row.programme, "place": row.place, "day": row.day, "capacity": row.capacity,
    });
    serde_json::from_value(json).map_err(|error| error.to_string())
}

/// named + remainder + approved parts = max(the total, named + parts), by the transfers.
fn remainders(books: &Books) -> Checked {
    for (id, (row, judged)) in &books.judgements {
        let holding = books.holding(row);
        let held = books.transfers_of(*id).filter(|transfer| transfer.account_id == holding.0);
        let held: i64 = held.map(|transfer| transfer.minutes).sum();
        let Some((decided, total)) =
            judged.in_force().and_then(|decided| Some((decided, decided.person_minutes?)))
        else {
            hold(held == 0, || format!("{id} states no total that counts and holds {held}"))?;
            continue;
        };
        if decided.part_of.is_some() {
            hold(held == 0, || format!("{id} is a part and holds {held}"))?;
            continue;
        }
        let parts = books.claimed(*id);
        hold(decided.named + held + parts == total.max(decided.named + parts), || {
            format!("{id}: named {}, held {held}, parts {parts}, total {total}", decided.named)
        })?;
    }
    Ok(())
}

/// The fields that a posting is made of.
const LEDGER_FIELDS: [&str; 10] = [
    "kind",
    "day",
    "started_at",
    "people",
    "person_minutes",
    "phase",
    "programme",
    "part_of",
    "confirms",
    "withdrawn",
];

/// An approval that went along with an edit was of the same ledger fields.
fn carried(books: &Books) -> Checked {
    for (id, (_, judged)) in &books.judgements {
        // What is settled may read as before although phones wrote something else.
        let Some(covered) = judged.covered.as_ref().filter(|_| judged.settled.is_empty()) else { continue };
        if judged.review() != Review::Approved || judged.own.is_none() || judged.merged_into.is_some() {
            continue;
        }
        let fields = |version| {
            let reading: Reading = books.reading(*id, version)?;
            let matters = |key: &String| key.starts_with("party/") || LEDGER_FIELDS.contains(&key.as_str());
            Some(reading.fields.into_iter().filter(|(key, _)| matters(key)).collect::<BTreeMap<_, Field>>())
        };
        let (decided, newest) = (fields(covered.base), fields(judged.judged_version));
        hold(decided == newest, || format!("{id} is approved at {decided:?} and reads {newest:?}"))?;
    }
    Ok(())
}

/// What is in force of a record that says when it began.
struct Span<'a> {
    id: ActivityId,
    start: i64,
    decided: &'a Decided,
    /// Of the decision.
    no: i64,
    by_person: bool,
}

impl Span<'_> {
    /// Until when it takes each person, as they were at a number of the journal.
    fn ends(&self, books: &Books, no: i64) -> BTreeMap<Uuid, i64> {
        let mut ends = BTreeMap::new();
        for line in &self.decided.lines {
            let end = ends.entry(books.resolved_at(line.account.0, no)).or_insert(self.start);
            *end += line.minutes * 60_000;
        }
        ends
    }
}

/// Nobody is credited twice for a clock minute unless a person decided the later of the two. Who became one person only
/// after that was two then.
fn clock_minutes(books: &Books) -> Checked {
    let mut spans: Vec<Span<'_>> = Vec::new();
    for (id, (_, judged)) in &books.judgements {
        let Some(decided) = judged.in_force() else { continue };
        let Some(start) = decided.started_at_ms else { continue };
        let sets = |step| {
            use DecisionStep::{Approve, Merge, Undo, Unmerge};
            matches!(step, Approve | Undo | Merge | Unmerge)
        };
        let mut by =
            books.decisions.iter().filter(|(row, stored)| row.activity_id == id.0 && sets(stored.step));
        let Some((row, stored)) = by.next_back() else { return Err(format!("{id} is in force, undecided")) };
        let by_person = matches!(stored.by, By::Person(_));
        spans.push(Span { id: *id, start, decided, no: row.journal_no, by_person });
    }
    for (at, a) in spans.iter().enumerate() {
        for b in &spans[at + 1..] {
            let later = if a.no > b.no { a } else { b };
            if later.by_person {
                continue;
            }
            let theirs = b.ends(books, later.no);
            for (party, end) in a.ends(books, later.no) {
                let twice = theirs.get(&party).is_some_and(|other| a.start < *other && b.start < end);
                hold(!twice, || format!("{party} is credited twice by {} and {}", a.id, b.id))?;
            }
        }
    }
    Ok(())
}

/// A rule never takes a person over the minutes of a day.
fn rule_days(books: &Books) -> Checked {
    let mut days: BTreeMap<(Uuid, &str), i64> = BTreeMap::new();
    let mut deciding: BTreeMap<Uuid, bool> = BTreeMap::new();
    let decided =
        books.decisions.iter().map(|(row, stored)| (row.journal_no, row.activity_id, stored.by == By::Rule));
    let mut decided = decided.peekable();
    for posting in
        books.transfers.chunk_by(|a, b| (a.activity_id, a.posting_seq) == (b.activity_id, b.posting_seq))
    {
        let Some(activity) = posting[0].activity_id else { continue };
        while let Some((_, activity, rule)) = decided.next_if(|(no, _, _)| *no < posting[0].journal_no) {
            deciding.insert(activity, rule);
        }
        let by_rule = deciding.get(&activity).copied().unwrap_or(false);
        for row in posting {
            *days.entry((row.account_id, row.day.as_str())).or_default() += row.minutes;
        }
        for row in posting.iter().filter(|row| row.minutes > 0 && by_rule) {
            // Whatever their ids, it is one person's day.
            let person = books.resolved_at(row.account_id, row.journal_no);
            let theirs = days.iter().filter(|((account, day), _)| {
                *day == row.day && books.resolved_at(*account, row.journal_no) == person
            });
            let minutes: i64 = theirs.map(|(_, minutes)| minutes).sum();
            let holding = row.account_id == books.neighbourhood.0 || books.groups.contains(&row.account_id);
            hold(holding || minutes <= PERSON_DAY_MINUTES_MAX, || {
                let there = books
                    .transfers
                    .iter()
                    .filter(|there| (there.account_id, &there.day) == (row.account_id, &row.day));
                let there: Vec<_> =
                    there.map(|there| (there.journal_no, there.activity_id, there.minutes)).collect();
                format!(
                    "a rule gave {} {minutes} minutes on {} at {}: {there:?}",
                    row.account_id, row.day, row.journal_no
                )
            })?;
        }
    }
    Ok(())
}
