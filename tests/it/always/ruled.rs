//! What rules approve: each by a way that the rules in force then have, and never where a person decided before. And in
//! which capacity people are credited, whoever approves.

use std::collections::BTreeSet;

use daybook::domain::key::Key;
use daybook::domain::reading::{Reading, Value};
use daybook::domain::rules::{Mode, RulePack};
use daybook::ledger::{By, Capacity, Decided, DecisionStep, StoredDecision};
use daybook::store::entity::{activity_version, decision};
use uuid::Uuid;

use super::books::Books;
use super::check::{Checked, hold};

/// See the module. Answers what there was of it.
pub fn follow(books: &Books) -> Result<BTreeSet<&'static str>, String> {
    let (mut found, mut by_person) = (BTreeSet::new(), BTreeSet::new());
    for (row, stored) in &books.decisions {
        if let (DecisionStep::Approve, Some(decided)) = (stored.step, &stored.decided)
            && decided.lines.iter().any(|line| line.capacity == Capacity::Professional)
        {
            acts_for_others(books, row, decided)?;
            found.insert("professional");
        }
        if matches!(stored.by, By::Person(_)) {
            by_person.insert(row.activity_id);
        }
        if stored.by != By::Rule {
            continue;
        }
        hold(!by_person.contains(&row.activity_id), || {
            format!("a rule approved {} after a person had decided", row.activity_id)
        })?;
        let pack = books.packs.get(&stored.pack_version);
        let pack = pack.ok_or_else(|| format!("no rules {}", stored.pack_version))?;
        match pack.mode {
            Mode::Auto => {}
            Mode::Coordinator => {
                return Err(format!("a rule approved {} where coordinators do", row.activity_id));
            }
            Mode::Peer => _ = found.insert(by_peers(books, row, stored, pack)?),
        }
    }
    Ok(found)
}

/// Whoever is credited as a professional is named with an organisation.
fn acts_for_others(books: &Books, row: &decision::Model, decided: &Decided) -> Checked {
    let (id, no) = (daybook::domain::ids::ActivityId(row.activity_id), row.journal_no);
    let reading = books.reading(id, row.version).ok_or_else(|| format!("{id} was approved unread"))?;
    let with_organisation = reading.fields.keys().filter_map(|key| match Key::parse(key) {
        Key::Party { party, organisation: Some(_) } => Some(books.resolved_at(party.0, no)),
        _ => None,
    });
    let acting: BTreeSet<Uuid> = with_organisation.collect();
    let mut professional = decided.lines.iter().filter(|line| line.capacity == Capacity::Professional);
    let alone = professional.find(|line| !acting.contains(&books.resolved_at(line.account.0, no)));
    hold(alone.is_none(), || format!("{id} credits {alone:?}, who acts for nobody else"))
}

/// Where people's word counts: it is there, or silence was due, or it is a word itself that gives nobody a minute.
fn by_peers(
    books: &Books,
    row: &decision::Model,
    stored: &StoredDecision,
    pack: &RulePack,
) -> Result<&'static str, String> {
    let of_it = |version: &&activity_version::Model| version.activity_id == row.activity_id;
    let approved = books.versions.iter().filter(of_it).find(|version| version.version == stored.version);
    let approved = approved.ok_or_else(|| format!("{} approves what is not there", row.id))?;
    let decided = stored.decided.as_ref().ok_or_else(|| format!("{} approves nothing", row.id))?;
    if decided.minutes() == 0 && confirmed_by(approved).is_some() {
        return Ok("a word");
    }
    if is_confirmed(books, row, approved, decided) {
        return Ok("confirmed");
    }
    let due = pack.silence_due_at_ms(approved.received_at_ms);
    hold(due.is_some_and(|due_at_ms| due_at_ms <= row.decided_at_ms), || {
        format!(
            "{} is approved at {}, nobody confirmed it, silence is due {due:?}",
            row.activity_id, row.decided_at_ms
        )
    })?;
    Ok("silence approved")
}

/// What a version says that it confirms.
fn confirmed_by(version: &activity_version::Model) -> Option<Uuid> {
    // Few are words for others', and all are looked at.
    if !version.reading.contains("confirms") {
        return None;
    }
    let reading: Reading = serde_json::from_str(&version.reading).ok()?;
    match reading.fields.get("confirms")?.first()? {
        Value::Text(id) => id.parse().ok(),
        _ => None,
    }
}

/// Somebody who did not write it, and is not the only one to gain by it, said so by then in a daybook of their own; and
/// each line has somebody else than whom it credits behind it.
fn is_confirmed(
    books: &Books,
    row: &decision::Model,
    approved: &activity_version::Model,
    decided: &Decided,
) -> bool {
    let no = row.journal_no;
    // By then as last taken up, whatever came later.
    let by_then = books.versions.iter().filter(|version| version.journal_no.is_some_and(|at| at < no));
    let newest: std::collections::BTreeMap<Uuid, &activity_version::Model> =
        by_then.map(|version| (version.activity_id, version)).collect();
    let words = newest.into_values().filter(|version| {
        !books.groups.contains(&version.party_id) && confirmed_by(version) == Some(row.activity_id)
    });
    let confirmers: BTreeSet<Uuid> = words.map(|word| books.resolved_at(word.party_id, no)).collect();
    let written = books
        .versions
        .iter()
        .filter(|version| version.activity_id == row.activity_id && version.version <= approved.version);
    let writers: BTreeSet<Uuid> =
        written.filter_map(|version| books.grants.get(&version.grant_id?)).copied().collect();
    // A grant says only whose it is by now; who became one person since may have been two.
    let wrote = |party: Uuid| {
        writers.iter().any(|writer| books.resolved(party) == *writer && !books.joined_since(*writer, no))
    };
    let credited: Vec<Uuid> =
        decided.lines.iter().map(|line| books.resolved_at(line.account.0, no)).collect();
    let independent =
        |party: &Uuid| !wrote(*party) && (credited.is_empty() || credited.iter().any(|one| one != party));
    let recorders: BTreeSet<Uuid> = writers.iter().copied().chain([approved.party_id]).collect();
    let vouched = |one: &Uuid| confirmers.iter().chain(&recorders).any(|party| party != one);
    confirmers.iter().any(independent) && credited.iter().all(vouched)
}
