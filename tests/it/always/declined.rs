//! Whoever says that they were not part of a record is credited by it no more, unless a person decided so after that.

use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use daybook::ledger::{By, Decided, DecisionStep, Judgement, StoredDecision};
use serde_json::Value;
use uuid::Uuid;

use super::books::Books;
use super::check::{Checked, hold};

/// What somebody said of a record, at a number of the journal.
struct Said {
    no: i64,
    of: Uuid,
    by: Uuid,
    declines: bool,
}

/// In a record that reads as approved nobody is credited who declined it since a person last decided what it counts for:
/// nor whom it credits again after a merge, and who declined that.
pub fn follow(books: &Books) -> Checked {
    let said = said(books)?;
    for (id, (_, judged)) in &books.judgements {
        let approved = judged.in_force().filter(|_| judged.review() == Review::Approved);
        let Some(decided) = approved else { continue };
        let heard = heard(books, *id, judged);
        let about_it = said.iter().filter(|one| one.no > heard && concerns(books, *id, judged, one));
        let about_it: Vec<&Said> = about_it.collect();
        for (at, one) in about_it.iter().enumerate().filter(|(_, one)| one.declines) {
            let taken_back = about_it[at..]
                .iter()
                .any(|later| !later.declines && books.resolved(later.by) == books.resolved(one.by));
            hold(taken_back || !credits(books, decided, one), || {
                format!("{id} is approved and credits {}, who declined it at {}", one.by, one.no)
            })?;
        }
    }
    Ok(())
}

/// By journal number.
fn said(books: &Books) -> Result<Vec<Said>, String> {
    let mut said = Vec::new();
    for row in books.journal.iter().filter(|row| row.kind == "reply") {
        let body: Value = serde_json::from_str(&row.body).map_err(|error| error.to_string())?;
        let by = serde_json::from_value(body["party"].clone()).map_err(|error| error.to_string())?;
        let of = row.activity_id.ok_or("a reply about nothing")?;
        if body["kind"] != "message" {
            said.push(Said { no: row.no, of, by, declines: body["kind"] == "decline" });
        }
    }
    Ok(said)
}

/// As who was who when it was said.
fn credits(books: &Books, decided: &Decided, said: &Said) -> bool {
    let by = books.resolved_at(said.by, said.no);
    decided.lines.iter().any(|line| books.resolved_at(line.account.0, said.no) == by)
}

fn decisions(books: &Books, id: ActivityId) -> impl Iterator<Item = (i64, &StoredDecision)> {
    let of_it = books.decisions.iter().filter(move |(row, _)| row.activity_id == id.0);
    of_it.map(|(row, stored)| (row.journal_no, stored))
}

/// When a person last decided what the lines in force are. Decisions about a merge say nothing about lines of its own.
fn heard(books: &Books, id: ActivityId, judged: &Judgement) -> i64 {
    let (mut heard, mut merged) = (0, false);
    for (no, stored) in decisions(books, id) {
        match stored.step {
            DecisionStep::Merge => merged = true,
            DecisionStep::Unmerge => merged = false,
            _ => {}
        }
        let decides = match stored.step {
            DecisionStep::Approve | DecisionStep::Keep | DecisionStep::Reject => true,
            DecisionStep::Merge => merged,
            _ => false,
        };
        if decides && matches!(stored.by, By::Person(_)) && merged == judged.cluster.is_some() {
            heard = no;
        }
    }
    heard
}

/// It was said of the record, of what is merged into it, or of what it was merged into then.
fn concerns(books: &Books, id: ActivityId, judged: &Judgement, said: &Said) -> bool {
    if said.of == id.0 || judged.members.contains(&ActivityId(said.of)) {
        return true;
    }
    let merged_by = decisions(books, id).take_while(|(no, _)| *no < said.no).last();
    let into = merged_by.filter(|(_, stored)| stored.step == DecisionStep::Merge);
    into.is_some_and(|(_, stored)| stored.into == Some(ActivityId(said.of)))
}
