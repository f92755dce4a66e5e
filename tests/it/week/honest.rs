//! What is as it should be: ordinary records, and those that look like something that a rule doubts.

use daybook::domain::activity::Kind;

use super::generate::{DAY, DAYS, Daybook, Field, Role, Who};
use super::plan::{Draft, MEMBERS, Plan, RESIDENTS, SUPERVISOR, TWO_PHONES, YOUNG};

const PRODUCTS: [&str; 6] = ["kettle", "toaster", "lamp", "radio", "bicycle", "drill"];
const SERVICES: [&str; 4] = ["graffiti", "bench", "gully", "planter"];
const ITEMS: [&str; 4] = ["smoking.butts", "drink.can", "food.wrapper", "other.plastic"];

fn near(story: &'static str, kind: Kind, phone: usize, day: i64) -> Draft {
    Draft::new(story, Role::NearMiss, kind, phone, day)
}

fn ordinary_draft(story: &'static str, kind: Kind, phone: usize, day: i64) -> Draft {
    Draft::new(story, Role::Ordinary, kind, phone, day)
}

fn text(key: &'static str, value: &str) -> Field {
    Field::Text(key, value.to_owned())
}

pub fn near_misses(plan: &mut Plan) {
    neighbours_apart(plan);
    two_events_that_touch(plan);
    two_repairs_of_an_evening(plan);
    equal_counts_elsewhere(plan);
    late_but_plausible(plan);
    at_the_bounds(plan);
    one_pick_each_their_own(plan);
    phones_that_agree(plan);
    one_place_after_sixteen_days(plan);
    taken_back_alone(plan);
    fewer_minutes_after_all(plan);
    under_age_and_looked_after(plan);
    for _ in 0..6 {
        occasion_with_parts(plan);
    }
}

/// 150 metres apart at one time, and one of them counts people without a name.
fn neighbours_apart(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 60, 420);
    let [x, y] = people;
    let (lat, lon) = plan.spot();
    let draft = near("neighbours 150 m apart", Kind::LitterPick, x, day).minutes(&[(x, 60)]).at(start);
    plan.record(&draft.place((lat, lon)).with([Field::Totals(3, 180)]));
    let draft = near("neighbours 150 m apart", Kind::LitterPick, y, day).minutes(&[(y, 60)]).at(start);
    plan.record(&draft.place((lat + 150.0 / 111_195.0, lon)));
}

/// The same two people at the same place: the second begins when the first ends.
fn two_events_that_touch(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 120, 420);
    let [x, y] = people;
    let place = plan.spot();
    for (phone, at) in [(x, start), (y, start + 60)] {
        let draft = near("two events that touch", Kind::LitterPick, phone, day);
        plan.record(&draft.minutes(&[(x, 60), (y, 60)]).at(at).place(place));
    }
}

/// No times, one place, equal minutes: a kettle and a toaster.
fn two_repairs_of_an_evening(plan: &mut Plan) {
    let (x, day) = loop {
        let ([x], day) = (plan.people(), plan.day());
        if plan.whole_day(x, day) {
            break (x, day);
        }
    };
    let place = plan.spot();
    for product in &PRODUCTS[..2] {
        let draft = near("two repairs of an evening", Kind::Repair, x, day).minutes(&[(x, 45)]).place(place);
        plan.record(&draft.with([text("repair.product", product)]));
    }
}

/// One time, four counts alike, and a kilometre between.
fn equal_counts_elsewhere(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 60, 420);
    for phone in people {
        let place = plan.spot();
        let draft = near("equal counts elsewhere", Kind::LitterPick, phone, day).minutes(&[(phone, 60)]);
        let counts = ITEMS.into_iter().zip([40, 12, 7, 3]).map(|(item, count)| Field::Count(item, count));
        plan.record(&draft.at(start).place(place).with(counts));
    }
}

/// Somebody under age, with whoever may look after them.
fn under_age_and_looked_after(plan: &mut Plan) {
    let (day, start) = plan.slot_on_some_day(&[SUPERVISOR, YOUNG], 60, 420);
    let place = plan.spot();
    let draft = near("under age and looked after", Kind::LitterPick, SUPERVISOR, day).at(start).place(place);
    plan.record(&Draft { minutes: vec![(Who::Resident(SUPERVISOR), 60), (Who::Young, 60)], ..draft });
}

/// Written six weeks ago, on a phone that has found no signal since.
fn late_but_plausible(plan: &mut Plan) {
    let [x] = plan.people();
    for days in [40, 42] {
        let draft = near("late but plausible", Kind::Hours, x, 1).minutes(&[(x, 75)]).at(DAY + 14 * 60);
        let record = plan.record(&Draft { ahead: -days * DAY, ..draft });
        plan.truth(record).day -= days;
    }
}

/// As much as is ordinary, and not more: a day of 480 minutes, 30 items a minute, a bag of 25 kg, ten minutes'
/// haste of a clock.
fn at_the_bounds(plan: &mut Plan) {
    let (x, day) = loop {
        let ([x], day) = (plan.people(), plan.day());
        // What it wrote before is not heard any earlier for the signal that it has at once.
        let heard_before = day == 0 || plan.heard(x, day - 1).0 < day;
        if heard_before && plan.whole_day(x, day) {
            break (x, day);
        }
    };
    let at = day * DAY + 11 * 60;
    plan.record(&near("a day of 480 minutes", Kind::Hours, x, day).minutes(&[(x, 200)]).at(at));
    let place = plan.spot();
    let draft = near("30 items a minute", Kind::LitterPick, x, day).minutes(&[(x, 40)]).at(at + 200);
    plan.record(&draft.place(place).with([Field::Count("smoking.butts", 1_200)]));
    let place = plan.spot();
    let draft = near("a bag of 25 kg", Kind::LitterPick, x, day).minutes(&[(x, 40)]).at(at + 240);
    let heavy = [Field::Count("bags", 2), Field::Count("weight_g", 50_000)];
    plan.record(&draft.place(place).with(heavy));
    let draft = near("a clock ten minutes ahead", Kind::Hours, x, day).minutes(&[(x, 200)]).at(at + 280);
    plan.record(&Draft { ahead: 10, ..draft });
    plan.sync(at + 280 + 202, x);
}

/// Two people, each their own minutes and counts: nothing is there twice.
fn one_pick_each_their_own(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 90, 420);
    let place = plan.spot();
    for (phone, bags) in people.into_iter().zip([2, 3]) {
        let draft = near("one pick, each their own", Kind::LitterPick, phone, day).minutes(&[(phone, 90)]);
        plan.record(&draft.at(start).place(place).with([Field::Count("bags", bags)]));
    }
}

/// Two phones of one resident write at once: the same minutes, and each a count of its own.
fn phones_that_agree(plan: &mut Plan) {
    let resident = TWO_PHONES[2];
    let second = RESIDENTS + 2;
    let start = plan.slot(&[resident], 1, 60).expect("nothing is planned yet");
    let draft = near("two phones that agree", Kind::LitterPick, resident, 1).minutes(&[(resident, 60)]);
    let place = plan.spot();
    let record = plan.record(&draft.at(start).place(place));
    let who = Who::Resident(resident);
    for (phone, bags) in [(resident, 1), (second, 2)] {
        let fields = vec![Field::Minutes(who, 55), Field::Count("bags", bags)];
        plan.write(3 * DAY + 12 * 60, phone, record, 0, fields);
    }
    plan.truth(record).minutes.insert(who, 55);
}

/// The place broke again, and the request was opened again.
fn one_place_after_sixteen_days(plan: &mut Plan) {
    let [x] = plan.people();
    let (day, start) = plan.slot_on_some_day(&[x], 30, 420);
    let place = plan.spot();
    let request = || [text("street.service_code", "pothole"), text("street.fixes_request", "req-12")];
    for ahead in [-16 * DAY, 0] {
        let draft = near("one place after sixteen days", Kind::StreetFix, x, day).minutes(&[(x, 30)]);
        let draft = draft.at(start).place(place).with(request());
        let record = plan.record(&Draft { ahead, ..draft });
        plan.truth(record).day += ahead / DAY;
    }
}

/// A record of one's own goes when it is taken back, approved or not.
fn taken_back_alone(plan: &mut Plan) {
    for at_once in [false, true] {
        loop {
            let [x] = plan.people();
            let day = plan.day();
            let heard = plan.heard(x, day).0;
            if heard > 5 {
                continue;
            }
            let Some(start) = plan.slot_within(&[x], day, 40, 420) else { continue };
            let draft = near("taken back alone", Kind::Hours, x, day).minutes(&[(x, 40)]).at(start);
            let record = plan.record(&draft);
            let at = if at_once { day * DAY + 20 * 60 + 50 } else { (heard + 1) * DAY + 12 * 60 };
            plan.write(at, x, record, 0, vec![Field::Withdraw]);
            plan.truth(record).real = false;
            break;
        }
    }
}

/// Less than was approved: no rule has to ask.
fn fewer_minutes_after_all(plan: &mut Plan) {
    loop {
        let [x] = plan.people();
        let day = plan.day();
        let heard = plan.heard(x, day).0;
        if heard > 5 {
            continue;
        }
        let Some(start) = plan.slot_within(&[x], day, 60, 420) else { continue };
        let draft = near("fewer minutes after all", Kind::Hours, x, day).minutes(&[(x, 60)]).at(start);
        let record = plan.record(&draft);
        let less = vec![Field::Minutes(Who::Resident(x), 45), Field::Note("We left early.")];
        plan.write((heard + 1) * DAY + 12 * 60, x, record, 0, less);
        plan.truth(record).minutes.insert(Who::Resident(x), 45);
        return;
    }
}

/// People without a name, of whom some claim their minutes: in the group's daybook or in an organiser's own.
fn occasion_with_parts(plan: &mut Plan) {
    let people: [usize; 4] = plan.people();
    let of_group = plan.dice.percent(50);
    let organiser = if of_group { plan.dice.of(&MEMBERS[1..]) } else { people[0] };
    let all = [organiser, people[1], people[2], people[3]];
    let minutes = plan.between(60, 120);
    let (day, start) = plan.slot_on_some_day(&all, minutes, 420);
    let place = plan.spot();
    let count = plan.between(25, 60) / 5;
    let draft = near("an occasion", Kind::LitterPick, organiser, day).at(start).place(place);
    let mut draft = draft.minutes(&[(organiser, minutes), (people[1], minutes)]);
    if of_group {
        draft.daybook = Daybook::Group;
    }
    let occasion = plan.record(&draft.with([Field::Totals(count, count * minutes)]));
    for part in &people[2..] {
        let draft = near("a part of an occasion", Kind::LitterPick, *part, day).at(start).place(place);
        plan.record(&draft.minutes(&[(*part, minutes)]).with([Field::PartOf(occasion)]));
    }
}

/// Ordinary records until there are so many.
pub fn ordinary(plan: &mut Plan, records: usize) {
    while plan.records.len() < records {
        let resident = plan.dice.below(RESIDENTS);
        let day = i64::try_from(plan.dice.below(7)).expect("a day").min(DAYS - 1);
        match plan.dice.below(100) {
            0..35 => pick(plan, resident, day),
            35..55 => repair(plan, resident, day),
            55..70 => street_fix(plan, resident, day),
            _ => hours(plan, resident, day),
        }
    }
}

/// A resident's phone: the second one, if they have two, every other time.
fn phone(plan: &mut Plan, resident: usize) -> usize {
    match TWO_PHONES.iter().position(|two| *two == resident) {
        Some(nth) if plan.dice.percent(50) => RESIDENTS + nth,
        _ => resident,
    }
}

fn pick(plan: &mut Plan, resident: usize, day: i64) {
    let minutes = plan.between(30, 120);
    let mut people = vec![resident];
    if plan.dice.percent(25) {
        let other = plan.dice.below(RESIDENTS);
        people.extend((other != resident).then_some(other));
    }
    let Some(start) = plan.slot(&people, day, minutes) else { return };
    // Somebody stays a little shorter.
    let given: Vec<(usize, i64)> =
        people.iter().enumerate().map(|(nth, who)| (*who, minutes - 10 * i64::from(nth > 0))).collect();
    let phone = phone(plan, resident);
    let mut draft = ordinary_draft("a pick", Kind::LitterPick, phone, day).minutes(&given).at(start);
    if plan.dice.percent(80) {
        // Where others pick too: forty places in all.
        let place = plan.dice.below(40);
        let (row, column) = (place / 8, place % 8);
        let jitter = plan.dice.below(60) as f64 / 111_195.0;
        draft = draft.place((52.60 + 0.006 * row as f64 + jitter, -1.95 + 0.010 * column as f64));
    }
    for item in ITEMS {
        let count = i64::try_from(plan.dice.below(60)).expect("a count");
        draft.more.extend((count > 0).then_some(Field::Count(item, count)));
    }
    if plan.dice.percent(60) {
        let bags = i64::try_from(1 + plan.dice.below(4)).expect("a few");
        let weight = bags * i64::try_from(1_500 + plan.dice.below(6_000)).expect("grams");
        draft.more.extend([Field::Count("bags", bags), Field::Count("weight_g", weight)]);
    }
    if plan.dice.percent(30) {
        let photo = plan.serial();
        draft.more.push(Field::Photo(photo, start + 5));
    }
    plan.record(&draft);
}

fn repair(plan: &mut Plan, resident: usize, day: i64) {
    let minutes = plan.between(15, 90);
    let Some(start) = plan.slot(&[resident], day, minutes) else { return };
    let product = plan.dice.of(&PRODUCTS);
    let phone = phone(plan, resident);
    let draft = ordinary_draft("a repair", Kind::Repair, phone, day).minutes(&[(resident, minutes)]);
    plan.record(&draft.at(start).with([text("repair.product", product), text("repair.status", "Fixed")]));
}

fn street_fix(plan: &mut Plan, resident: usize, day: i64) {
    let minutes = plan.between(15, 60);
    let Some(start) = plan.slot(&[resident], day, minutes) else { return };
    let (service, place) = (plan.dice.of(&SERVICES), plan.spot());
    let phone = phone(plan, resident);
    let draft = ordinary_draft("a street fix", Kind::StreetFix, phone, day).minutes(&[(resident, minutes)]);
    plan.record(&draft.at(start).place(place).with([text("street.service_code", service)]));
}

/// Some people write only how long, and on which day.
fn hours(plan: &mut Plan, resident: usize, day: i64) {
    let minutes = plan.between(20, 150);
    let phone = phone(plan, resident);
    let draft = ordinary_draft("hours", Kind::Hours, phone, day).minutes(&[(resident, minutes)]);
    if plan.dice.percent(30) {
        if plan.whole_day(resident, day) {
            plan.record(&draft);
        }
    } else if let Some(start) = plan.slot(&[resident], day, minutes) {
        plan.record(&draft.at(start));
    }
}
