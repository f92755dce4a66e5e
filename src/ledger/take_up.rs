//! Taking up: what a new version does to a judgement, and what the rules decide about it.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::apply;
use super::clean::Doubt;
use super::decision::{By, DecisionStep, Step, StoredDecision};
use super::judgement::{Covered, Judgement, MarkKind};
use super::lines::{Asset, Decided};
use crate::domain::ids::{AccountId, DecisionId, PartyId};
use crate::domain::key::{Class, Key};
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::rules::{Mode, RulePack};

/// The newest waiting version of an activity, with all that judging it needs.
#[derive(Debug, Clone)]
pub struct NewVersion {
    pub version: i64,
    /// What an approval of it would freeze, settlements applied; nothing for an unreadable one.
    pub decided: Option<Decided>,
    /// This version says so.
    pub withdrawn: bool,
    /// A version that was taken up together with this one, and is older, says so.
    pub withdrawn_meanwhile: bool,
    /// Against the reading of version `covered.base`, both with what is settled ([`super::effective`], there with
    /// `covered.reads`); [`Changed::Ledger`] if nothing is covered, or if either cannot be read.
    pub changed: Changed,
    /// From [`super::doubts`]; none is *clean*.
    pub doubts: Vec<Doubt>,
    /// The resolved party whose daybook it is: a resident or a group.
    pub owner: PartyId,
    /// All other ids that stand for the owner: lines keep the one that they froze.
    pub owner_aliases: BTreeSet<PartyId>,
    /// Other activities are part of this one.
    pub has_parts: bool,
    /// The id for a decision, if there is one: [`super::rule_decision_id`] of `decision_seq + 1`.
    pub decision: DecisionId,
    pub rule: RuleFacts,
    /// Fields that read as settled ([`super::settled_fields`]).
    pub reads: BTreeMap<String, Value>,
}

/// What a rule's decision depends on besides the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleFacts {
    /// From [`super::is_confirmed`]; asked for by packs of mode `peer` only.
    pub confirmed: bool,
    /// When the server received the version, and the time now.
    pub received_at_ms: i64,
    pub now_ms: i64,
    /// Drawn at random; what comes of it is stored with the decision.
    pub audit_draw: u64,
}

impl Default for RuleFacts {
    /// Nobody has confirmed it, no time passes, and chance shows it to nobody.
    fn default() -> Self {
        Self { confirmed: false, received_at_ms: 0, now_ms: 0, audit_draw: u64::MAX }
    }
}

/// What the rules say about a version.
#[derive(Debug, PartialEq)]
enum Ruling {
    Approve(Box<StoredDecision>),
    /// Nobody has confirmed it; silence approves then.
    Silence(i64),
    Nothing,
}

/// The heaviest class of field in which two readings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Nothing, or inert fields only.
    Inert,
    /// Tallies; no item by more than this many.
    Tallies { most: i64 },
    /// Report fields other than tallies.
    Report,
    /// A field that the ledger works on.
    Ledger,
}

/// On what occasion a version is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakingUp {
    /// The clerk's ordinary round: rules decide.
    Round,
    /// Ahead of a person's decision: no rule decides, so that the person is not overtaken. What is clean
    /// is for the next round ([`became_clean`]).
    BeforeDecision,
    /// Rebuilding: every decision, withdrawals too, comes from the store through [`apply`].
    Rebuild,
}

impl Changed {
    /// How far a reading has moved from the one that was decided on.
    #[must_use]
    pub fn between(base: &Reading, now: &Reading) -> Self {
        if base.unreadable.is_some() || now.unreadable.is_some() {
            return Self::Ledger;
        }
        let plain =
            |reading: &Reading, key: &str| matches!(reading.fields.get(key), None | Some(Field::One(_)));
        let mut heaviest = Self::Inert;
        for key in now.changed_fields(Some(base)) {
            let parsed = Key::parse(&key);
            let counts = matches!(parsed, Key::Tally { .. }) && plain(base, &key) && plain(now, &key);
            match parsed.class() {
                Class::Ledger => return Self::Ledger,
                // A count that phones disagree about may be further off than its first value shows.
                Class::Report if !counts => heaviest = Self::Report,
                Class::Report if heaviest == Self::Inert => {
                    heaviest = Self::Tallies { most: moved(base, now) }
                }
                Class::Report | Class::Inert => {}
            }
        }
        heaviest
    }

    /// Small enough for an approval to go along.
    fn within(self, pack: &RulePack) -> bool {
        match self {
            Self::Inert => true,
            Self::Tallies { most } => most <= pack.report_items_threshold,
            Self::Report | Self::Ledger => false,
        }
    }
}

/// By how much the count of the item that moved most has moved.
fn moved(base: &Reading, now: &Reading) -> i64 {
    let (base, now) = (counts(base), counts(now));
    let count = |of: &BTreeMap<(String, bool), i64>, item| of.get(item).copied().unwrap_or(0);
    let items = base.keys().chain(now.keys());
    items.map(|item| count(&now, item).saturating_sub(count(&base, item)).saturating_abs()).max().unwrap_or(0)
}

fn counts(reading: &Reading) -> BTreeMap<(String, bool), i64> {
    let mut counts = BTreeMap::new();
    for (key, field) in &reading.fields {
        if let (Key::Tally { item, seen, .. }, Some(Value::Integer(count))) = (Key::parse(key), field.first())
        {
            let sum: &mut i64 = counts.entry((item.to_owned(), seen)).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    counts
}

/// Takes up the newest waiting version. A version that was taken up before changes nothing.
#[must_use]
pub fn take_up(before: &Judgement, new: &NewVersion, how: TakingUp, pack: &RulePack) -> Step {
    if new.version <= before.judged_version {
        return Step::nothing(before);
    }
    let seen = see(before, new, pack);
    let ruling = match how {
        TakingUp::Rebuild => Ruling::Nothing,
        _ if withdraws(before, new) => Ruling::Approve(Box::new(by_daybook(&seen, new, pack))),
        TakingUp::BeforeDecision => Ruling::Nothing,
        TakingUp::Round => by_rule(&seen, new, pack),
    };
    let canonical = before.merged_into.filter(|_| new.changed != Changed::Inert || turned(before, new));
    Step { canonical, ..ruled(before, seen, ruling) }
}

/// Looks again at the version taken up last, once what stood in its way is settled, or when silence is due. `new`
/// describes that version; its `changed` and `withdrawn_meanwhile` do not matter.
#[must_use]
pub fn became_clean(before: &Judgement, new: &NewVersion, pack: &RulePack) -> Step {
    if new.version != before.judged_version {
        return Step::nothing(before);
    }
    ruled(before, before.clone(), by_rule(before, new, pack))
}

fn ruled(before: &Judgement, seen: Judgement, ruling: Ruling) -> Step {
    match ruling {
        Ruling::Approve(decision) => Step::new(before, apply(&seen, &decision), Some(*decision)),
        Ruling::Silence(due_at_ms) => Step { due_at_ms: Some(due_at_ms), ..Step::new(before, seen, None) },
        Ruling::Nothing => Step::new(before, seen, None),
    }
}

/// It was withdrawn, or came back.
fn turned(before: &Judgement, new: &NewVersion) -> bool {
    new.withdrawn != before.withdrawn || (new.withdrawn_meanwhile && !new.withdrawn)
}

/// The judgement with the version taken up and nothing decided.
fn see(before: &Judgement, new: &NewVersion, pack: &RulePack) -> Judgement {
    let mut seen = before.clone();
    seen.judged_version = new.version;
    seen.withdrawn = new.withdrawn;
    seen.withdrawn_ever |= new.withdrawn || new.withdrawn_meanwhile;
    seen.revision = before.revision.saturating_add(1);
    seen.first = None;
    let turned = turned(before, new);
    follow_apart(&mut seen, before, new, turned);
    let unheard = before.in_force().is_some() && before.unheard.stops();
    if let Some(covered) = &mut seen.covered {
        covered.broken |= turned && before.merged_into.is_none();
        // A rejection goes along with less than an approval: whatever reports show deserves another look.
        let small = if before.in_force().is_some() {
            new.changed.within(pack)
        } else {
            new.changed == Changed::Inert
        };
        if small && !covered.broken && !unheard {
            covered.version = new.version;
        } else if before.merged_into.is_some() {
            // The canonical one goes to a person for it; the next edit is compared with what that person sees.
            let version = new.version;
            *covered = Covered { version, base: version, broken: false, reads: new.reads.clone() };
        }
    }
    let covers = seen.covered.as_ref().is_some_and(|covered| covered.version == new.version);
    if let Some(mark) = seen.mark.as_mut().filter(|mark| mark.version == before.judged_version) {
        let goes_along = match mark.kind {
            MarkKind::Rejected => covers,
            // Whatever comes back is the answer.
            MarkKind::NeedsChanges => false,
            MarkKind::Withdrawn => new.withdrawn,
        };
        if goes_along {
            mark.version = new.version;
        }
    }
    seen
}

/// While merged, the state that unmerging brings back follows inert edits; any other leaves it behind, for a person.
fn follow_apart(seen: &mut Judgement, before: &Judgement, new: &NewVersion, turned: bool) {
    let Some(apart) = seen.apart.as_mut().filter(|_| new.changed == Changed::Inert && !turned) else {
        return;
    };
    if let Some(covered) = apart.covered.as_mut().filter(|covered| covered.version == before.judged_version)
        && !covered.broken
        && !apart.unheard.stops()
    {
        covered.version = new.version;
    }
    if let Some(mark) = apart.mark.as_mut().filter(|mark| mark.version == before.judged_version)
        && mark.kind == MarkKind::Rejected
    {
        mark.version = new.version;
    }
}

/// The party takes its own record back, and nobody else depends on it.
fn withdraws(before: &Judgement, new: &NewVersion) -> bool {
    let mut decided = new.decided.iter().chain(&before.own);
    let is_owner = |party| party == new.owner || new.owner_aliases.contains(&party);
    new.withdrawn
        && !before.withdrawn
        && !new.has_parts
        && before.cluster.is_none()
        && before.merged_into.is_none()
        && !decided.any(|decided| decided.names_others_than(is_owner))
}

fn by_daybook(seen: &Judgement, new: &NewVersion, pack: &RulePack) -> StoredDecision {
    StoredDecision::next(seen, new.decision, DecisionStep::Withdraw, By::Daybook, pack)
}

/// The rule's approval, if the rules may give one.
fn by_rule(seen: &Judgement, new: &NewVersion, pack: &RulePack) -> Ruling {
    let Some(decided) = &new.decided else { return Ruling::Nothing };
    let open = seen.covered.as_ref().is_none_or(|covered| covered.version != seen.judged_version);
    let may = open
        && new.doubts.is_empty()
        && !seen.person_decided
        && !seen.withdrawn_ever
        && seen.cluster.is_none()
        && seen.merged_into.is_none()
        && seen.own.as_ref().is_none_or(|own| raises_nothing(own, decided));
    if !may {
        return Ruling::Nothing;
    }
    match approves(pack, &new.rule) {
        Approves::Never => return Ruling::Nothing,
        Approves::At(due_at_ms) => return Ruling::Silence(due_at_ms),
        Approves::Now => {}
    }
    Ruling::Approve(Box::new(StoredDecision {
        decided: Some(decided.clone()),
        reads: new.reads.clone(),
        audit: pack.is_audited(new.rule.audit_draw),
        ..StoredDecision::next(seen, new.decision, DecisionStep::Approve, By::Rule, pack)
    }))
}

/// When the rules approve what is clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approves {
    Now,
    /// By silence, in milliseconds since 1970.
    At(i64),
    Never,
}

/// When these rules approve something that is clean.
#[must_use]
pub fn approves(pack: &RulePack, rule: &RuleFacts) -> Approves {
    match (pack.mode, pack.silence_due_at_ms(rule.received_at_ms)) {
        (Mode::Coordinator, _) => Approves::Never,
        (Mode::Peer, None) if !rule.confirmed => Approves::Never,
        (Mode::Peer, Some(due)) if !rule.confirmed && rule.now_ms < due => Approves::At(due),
        (Mode::Auto | Mode::Peer, _) => Approves::Now,
    }
}

/// No account gets more than before, the holding account included.
#[must_use]
pub fn raises_nothing(own: &Decided, new: &Decided) -> bool {
    let not_more =
        |account: AccountId, asset: Asset| new.minutes_of(account, asset) <= own.minutes_of(account, asset);
    new.unnamed() <= own.unnamed() && new.lines.iter().all(|line| not_more(line.account, line.asset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(fields: &[(&str, Field)]) -> Reading {
        let fields = fields.iter().map(|(key, field)| ((*key).to_owned(), field.clone())).collect();
        Reading { fields, ..Reading::default() }
    }

    fn count(count: i64) -> Field {
        Field::One(Value::Integer(count))
    }

    #[test]
    fn a_difference_is_as_heavy_as_its_heaviest_field() {
        let note = ("note", Field::One(Value::Text("wet".to_owned())));
        let grade = ("grade.after", Field::One(Value::Text("A".to_owned())));
        let minutes = ("person_minutes", count(9));
        let cans = ("tally/drink.can#k3", count(4));
        let nothing = reading(&[]);
        let to = |fields: &[(&str, Field)]| Changed::between(&nothing, &reading(fields));
        assert_eq!(to(std::slice::from_ref(&note)), Changed::Inert);
        assert_eq!(to(&[note.clone(), cans.clone()]), Changed::Tallies { most: 4 });
        assert_eq!(to(&[cans.clone(), grade.clone()]), Changed::Report);
        assert_eq!(to(&[minutes, cans, grade, note]), Changed::Ledger);
        let unreadable =
            Reading { unreadable: Some(crate::domain::reading::Unreadable::NotAMap), ..reading(&[]) };
        assert_eq!(Changed::between(&nothing, &unreadable), Changed::Ledger);
        let deleted = Reading { deleted: true, ..reading(&[]) };
        assert_eq!(Changed::between(&nothing, &deleted), Changed::Ledger);
    }

    #[test]
    fn a_tally_is_measured_as_the_sum_of_its_registers() {
        let base = reading(&[("tally/drink.can#a", count(10)), ("tally/drink.can#b", count(5))]);
        let now = reading(&[("tally/drink.can#a", count(4)), ("tally/drink.can#b", count(12))]);
        assert_eq!(Changed::between(&base, &now), Changed::Tallies { most: 1 });
        let seen = reading(&[("tally/drink.can:seen#a", count(10)), ("tally/drink.can#b", count(5))]);
        assert_eq!(
            Changed::between(&base, &seen),
            Changed::Tallies { most: 10 },
            "only seen is another item"
        );
    }

    #[test]
    fn a_count_that_phones_disagree_about_is_never_small() {
        let base = reading(&[("tally/bags#a", count(3))]);
        let several = Field::Several(vec![Value::Integer(3), Value::Integer(300)]);
        assert_eq!(Changed::between(&base, &reading(&[("tally/bags#a", several)])), Changed::Report);
    }
}
