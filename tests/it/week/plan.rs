//! The planner of a week: whose time is taken, where there is room, which phone has signal on which evening.

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::activity::Kind;

use super::generate::{DAY, DAYS, Daybook, Field, Handset, Record, Role, Step, Truth, Week, Who, Write};
use crate::always::dice::Dice;

/// Residents of the neighbourhood.
pub const RESIDENTS: usize = 25;
/// Residents with a second phone, which come after everybody's first ones.
pub const TWO_PHONES: [usize; 3] = [0, 1, 2];
/// Residents who keep the group's daybook.
pub const MEMBERS: [usize; 3] = [3, 4, 5];
/// The resident who may look after the one who is under age: one of those with a phone and no more.
pub const SUPERVISOR: usize = RESIDENTS - 1;
/// Whose time is taken where the one under age is there: nobody with a phone, and no stranger.
pub const YOUNG: usize = 1_000;
/// The evening on which one member's phone takes along what another has written.
pub const CARRY_DAY: i64 = 4;
/// The server's clock starts at ten in the morning.
const FIRST_MINUTE: i64 = 10 * 60 + 30;
const MORNING: i64 = 8 * 60;
const NIGHT: i64 = 20 * 60 + 30;
/// When phones find signal.
const EVENING: i64 = 21 * 60;
/// Minutes of a person and a day that ordinary records stay within.
const DAY_MINUTES_MAX: i64 = 420;

/// A record before it is written.
#[derive(Debug, Clone)]
pub struct Draft {
    pub story: &'static str,
    pub role: Role,
    pub kind: Kind,
    pub phone: usize,
    pub daybook: Daybook,
    pub day: i64,
    pub started: Option<i64>,
    pub minutes: Vec<(Who, i64)>,
    pub place: Option<(f64, f64)>,
    pub more: Vec<Field>,
    /// How far the phone's clock is ahead.
    pub ahead: i64,
}

impl Draft {
    /// A record in a resident's own daybook.
    pub fn new(story: &'static str, role: Role, kind: Kind, phone: usize, day: i64) -> Self {
        Self {
            story,
            role,
            kind,
            phone,
            daybook: Daybook::Own,
            day,
            started: None,
            minutes: Vec::new(),
            place: None,
            more: Vec::new(),
            ahead: 0,
        }
    }

    pub fn minutes(mut self, people: &[(usize, i64)]) -> Self {
        self.minutes.extend(people.iter().map(|(resident, minutes)| (Who::Resident(*resident), *minutes)));
        self
    }

    pub fn at(mut self, started: i64) -> Self {
        self.started = Some(started);
        self
    }

    pub fn place(mut self, place: (f64, f64)) -> Self {
        self.place = Some(place);
        self
    }

    pub fn with(mut self, more: impl IntoIterator<Item = Field>) -> Self {
        self.more.extend(more);
        self
    }

    fn fields(&self) -> Vec<Field> {
        // A phone whose clock is off names another day, and starts at another time.
        let mut fields = vec![Field::Kind(self.kind), Field::Day(self.day + self.ahead.div_euclid(DAY))];
        fields.extend(self.started.map(|at| Field::Started(at + self.ahead)));
        fields.extend(self.minutes.iter().map(|(who, minutes)| Field::Minutes(*who, *minutes)));
        fields.extend(self.place.map(|(lat, lon)| Field::Place(lat, lon, 8.0)));
        fields.extend(self.more.clone());
        fields
    }
}

/// See the module.
#[derive(Debug)]
pub struct Plan {
    pub dice: Dice,
    pub records: Vec<Record>,
    pub strangers: Vec<&'static str>,
    phones: Vec<Handset>,
    steps: Vec<(i64, Step)>,
    /// By day: phones in the order in which they sync, and whether the clerk works after one.
    evenings: Vec<Vec<(usize, bool)>>,
    busy: BTreeMap<(usize, i64), Vec<(i64, i64)>>,
    given: BTreeMap<(usize, i64), i64>,
    spots: i64,
    serial: u64,
}

impl Plan {
    /// Nothing is planned, but who has signal when.
    pub fn new(seed: u64) -> Self {
        let first = (0..RESIDENTS).map(|resident| Handset { resident, first: true });
        let second = TWO_PHONES.into_iter().map(|resident| Handset { resident, first: false });
        let mut plan = Self {
            dice: Dice::new(seed),
            records: Vec::new(),
            strangers: Vec::new(),
            phones: first.chain(second).collect(),
            steps: Vec::new(),
            evenings: Vec::new(),
            busy: BTreeMap::new(),
            given: BTreeMap::new(),
            spots: 0,
            serial: 0,
        };
        for day in 0..DAYS {
            let evening = plan.evening(day);
            plan.evenings.push(evening);
        }
        plan
    }

    /// Who finds signal on an evening: some, in any order; everybody on the last.
    fn evening(&mut self, day: i64) -> Vec<(usize, bool)> {
        let mut left: Vec<usize> = (0..self.phones.len()).collect();
        let mut evening = Vec::new();
        while !left.is_empty() {
            let at = self.dice.below(left.len());
            let phone = left.swap_remove(at);
            let member = MEMBERS.iter().position(|resident| *resident == phone);
            let has_signal = match (member, self.phones[phone].first) {
                // The first member writes, and the second one's phone finds signal.
                (Some(0), _) if day == CARRY_DAY => false,
                (Some(0), _) if day == 1 => true,
                (Some(1), _) if day == CARRY_DAY => true,
                // What two phones of one resident disagree about needs evenings between.
                _ if TWO_PHONES.contains(&phone) => [1, 4, 6].contains(&day),
                (_, false) => [2, 4, 6].contains(&day),
                _ => day == DAYS - 1 || self.dice.percent(65),
            };
            if has_signal {
                evening.push((phone, self.dice.percent(40)));
            }
        }
        evening
    }

    /// When the server hears what a phone writes on a day: the evening, and the place in it.
    pub fn heard(&self, phone: usize, day: i64) -> (i64, usize) {
        let evenings = (day..DAYS).filter_map(|evening| {
            let at = usize::try_from(evening).expect("a day");
            let place = self.evenings[at].iter().position(|(one, _)| *one == phone)?;
            Some((evening, place))
        });
        evenings.min().expect("everybody has signal in the end")
    }

    /// Some residents with one phone and no part in the group, all different.
    pub fn people<const N: usize>(&mut self) -> [usize; N] {
        let mut chosen = BTreeSet::new();
        let lowest = TWO_PHONES.len() + MEMBERS.len();
        std::array::from_fn(|_| {
            loop {
                let resident = lowest + self.dice.below(RESIDENTS - lowest);
                if chosen.insert(resident) {
                    return resident;
                }
            }
        })
    }

    /// The residents in the order in which the server hears what they write on a day.
    pub fn by_signal<const N: usize>(&self, mut people: [usize; N], day: i64) -> [usize; N] {
        people.sort_by_key(|resident| self.heard(*resident, day));
        people
    }

    /// A day before the last.
    pub fn day(&mut self) -> i64 {
        i64::try_from(self.dice.below(6)).expect("a day")
    }

    /// From so many to so many, in steps of five.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        let steps = usize::try_from((most - least) / 5 + 1).expect("a few");
        least + 5 * i64::try_from(self.dice.below(steps)).expect("a few")
    }

    /// A time on a day at which all these people are free for so long; it is theirs from then on.
    pub fn slot(&mut self, people: &[usize], day: i64, minutes: i64) -> Option<i64> {
        self.slot_within(people, day, minutes, DAY_MINUTES_MAX)
    }

    /// The same, with as many minutes of a person and a day.
    pub fn slot_within(&mut self, people: &[usize], day: i64, minutes: i64, most: i64) -> Option<i64> {
        let given = |resident: &usize| self.given.get(&(*resident, day)).copied().unwrap_or(0);
        let from = if day == 0 { FIRST_MINUTE } else { MORNING };
        if people.iter().any(|resident| given(resident) + minutes > most) || NIGHT - minutes < from {
            return None;
        }
        for _ in 0..60 {
            let start = day * DAY + self.between(from, NIGHT - minutes);
            if people.iter().all(|resident| self.is_free(*resident, day, start, minutes)) {
                people.iter().for_each(|resident| self.take(*resident, day, start, minutes));
                return Some(start);
            }
        }
        None
    }

    /// As [`Plan::slot`], on any of the days on which all of them are free.
    pub fn slot_on_some_day(&mut self, people: &[usize], minutes: i64, most: i64) -> (i64, i64) {
        loop {
            let day = self.day();
            if let Some(start) = self.slot_within(people, day, minutes, most) {
                return (day, start);
            }
        }
    }

    pub fn is_free(&self, resident: usize, day: i64, start: i64, minutes: i64) -> bool {
        let taken = self.busy.get(&(resident, day)).into_iter().flatten();
        taken.into_iter().all(|(from, until)| start + minutes <= *from || *until <= start)
    }

    /// Nothing else is recorded of this person on that day.
    pub fn whole_day(&mut self, resident: usize, day: i64) -> bool {
        let free = !self.busy.contains_key(&(resident, day));
        if free {
            self.busy.insert((resident, day), vec![(day * DAY, (day + 1) * DAY)]);
        }
        free
    }

    pub fn take(&mut self, resident: usize, day: i64, start: i64, minutes: i64) {
        self.busy.entry((resident, day)).or_default().push((start, start + minutes));
        *self.given.entry((resident, day)).or_insert(0) += minutes;
    }

    /// A place of its own, far from all others.
    pub fn spot(&mut self) -> (f64, f64) {
        self.spots += 1;
        let (row, column) = (self.spots / 20, self.spots % 20);
        (52.40 + 0.006 * row as f64, -1.95 + 0.010 * column as f64)
    }

    /// A number that is given once.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Writes a record that tells the truth, as far as nobody changes that.
    pub fn record(&mut self, draft: &Draft) -> usize {
        let record = self.records.len();
        let mut total = None;
        let mut part_of = None;
        for field in &draft.more {
            match field {
                Field::Totals(_, minutes) => total = Some(*minutes),
                Field::PartOf(occasion) => part_of = Some(*occasion),
                _ => {}
            }
        }
        let truth = Truth {
            real: true,
            event: record,
            minutes: draft.minutes.iter().copied().collect(),
            at_first: None,
            total,
            day: draft.day,
        };
        let (story, role, daybook) = (draft.story, draft.role, draft.daybook);
        self.records.push(Record { story, role, daybook, part_of, truth });
        let longest = draft.minutes.iter().map(|(_, minutes)| *minutes).max().unwrap_or(0);
        let at = draft.started.map_or(draft.day * DAY + NIGHT, |start| start + longest + 2);
        self.write(at.min(draft.day * DAY + NIGHT + 5), draft.phone, record, draft.ahead, draft.fields());
        record
    }

    /// Writes in a record, at a time of the week.
    pub fn write(&mut self, at: i64, phone: usize, record: usize, ahead: i64, fields: Vec<Field>) {
        self.steps.push((at, Step::Write(Write { phone, record, ahead, fields })));
    }

    pub fn carry(&mut self, at: i64, from: usize, to: usize) {
        self.steps.push((at, Step::Carry { from, to }));
    }

    /// Signal on the way.
    pub fn sync(&mut self, at: i64, phone: usize) {
        self.steps.push((at, Step::Sync(phone)));
    }

    pub fn truth(&mut self, record: usize) -> &mut Truth {
        &mut self.records[record].truth
    }

    /// Puts what happens in order.
    pub fn into_week(mut self, seed: u64) -> Week {
        for (day, evening) in (0..).zip(&self.evenings) {
            let mut at = day * DAY + EVENING;
            for (phone, judge) in evening {
                self.steps.push((at, Step::Sync(*phone)));
                if *judge {
                    self.steps.push((at, Step::Judge));
                }
                at += 1;
            }
            self.steps.push((at, Step::Judge));
        }
        self.steps.sort_by_key(|(at, _)| *at);
        Week {
            seed,
            phones: self.phones,
            members: MEMBERS.to_vec(),
            strangers: self.strangers,
            records: self.records,
            steps: self.steps,
        }
    }
}
