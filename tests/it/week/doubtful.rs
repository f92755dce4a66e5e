//! What somebody has to look at: each as it happens in life, with what really happened.

use std::collections::BTreeMap;

use daybook::domain::activity::Kind;

use super::generate::{DAY, Daybook, Field, Role, Who};
use super::plan::{CARRY_DAY, Draft, MEMBERS, Plan, RESIDENTS, SUPERVISOR, TWO_PHONES, YOUNG};

/// Minutes of a person and a day where a scenario needs more than ordinary records take.
const ANY: i64 = DAY;
const EVENING: i64 = 20 * 60 + 45;

pub fn all(plan: &mut Plan) {
    carried(plan);
    for (at, resident) in TWO_PHONES[..2].iter().enumerate() {
        two_phones_disagree(plan, *resident, at == 0);
    }
    wrong_clock(plan, "a clock a month ahead", 30 * DAY, 3);
    wrong_clock(plan, "a clock that went back to January", -300 * DAY, 2);
    too_long_a_day(plan);
    implausible(plan);
    for _ in 0..2 {
        one_pick_on_two_phones(plan);
        overlap(plan);
    }
    one_pick_with_people_without_names(plan);
    reused_photo(plan);
    over_claimed(plan);
    imported_twice(plan);
    one_request_fixed_twice(plan);
    stranger(plan, "Fay", &[2, 1]);
    stranger(plan, "Gil", &[2]);
    edited(plan, true);
    edited(plan, false);
    taken_back_with_others(plan);
    under_age_alone(plan);
}

fn doubtful(story: &'static str, kind: Kind, phone: usize, day: i64) -> Draft {
    Draft::new(story, Role::Doubtful, kind, phone, day)
}

fn ordinary(story: &'static str, kind: Kind, phone: usize, day: i64) -> Draft {
    Draft::new(story, Role::Ordinary, kind, phone, day)
}

/// What residents gave.
fn gave(people: &[(usize, i64)]) -> BTreeMap<Who, i64> {
    people.iter().map(|(resident, minutes)| (Who::Resident(*resident), *minutes)).collect()
}

/// The first of two records counts for both; before anybody looks it says only what it says.
fn counts_for(plan: &mut Plan, first: usize, second: usize, event: BTreeMap<Who, i64>) {
    let told = std::mem::replace(&mut plan.truth(first).minutes, event);
    plan.truth(first).at_first = Some(told);
    let member = plan.truth(second);
    (member.event, member.at_first) = (first, Some(BTreeMap::new()));
}

/// Both name one person; the second says ten minutes too much, and who else was there.
fn one_pick_on_two_phones(plan: &mut Plan) {
    let people: [usize; 3] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 105, 420);
    let [x, y, z] = plan.by_signal(people, day);
    let (lat, lon) = plan.spot();
    let first = ordinary("one pick, first phone", Kind::LitterPick, x, day).minutes(&[(x, 90), (y, 90)]);
    let bags = plan.between(5, 10) / 5;
    let first = plan.record(&first.at(start).place((lat, lon)).with([Field::Count("bags", bags)]));
    let second = doubtful("one pick, second phone", Kind::LitterPick, y, day).minutes(&[(y, 100), (z, 100)]);
    let second = second.at(start + 5).place((lat + 0.0003, lon)).with([Field::Count("bags", bags)]);
    let second = plan.record(&second);
    counts_for(plan, first, second, gave(&[(x, 90), (y, 90), (z, 90)]));
}

/// Annex B, 2: seven people, of whom one writes it down again.
fn one_pick_with_people_without_names(plan: &mut Plan) {
    let people: [usize; 4] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 100, 420);
    let [x, y, z, w] = plan.by_signal(people, day);
    let place = plan.spot();
    let first = ordinary("seven people, first phone", Kind::LitterPick, x, day);
    let first = first.minutes(&[(x, 90), (y, 90), (z, 90)]).at(start).place(place);
    let first = plan.record(&first.with([Field::Totals(7, 630)]));
    let second = doubtful("seven people, second phone", Kind::LitterPick, w, day).minutes(&[(w, 100)]);
    let second = plan.record(&second.at(start).place(place).with([Field::Totals(7, 700)]));
    plan.truth(second).total = Some(630);
    counts_for(plan, first, second, gave(&[(x, 90), (y, 90), (z, 90), (w, 90)]));
}

/// Somebody left one thing for another, and both count the half hour between.
fn overlap(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 90, 420);
    let [x, y] = people;
    let pick_is_first = plan.heard(x, day) < plan.heard(y, day);
    let role = |first: bool| if first { Role::Ordinary } else { Role::Doubtful };
    let place = plan.spot();
    let pick = Draft::new("a pick until the half hour", role(pick_is_first), Kind::LitterPick, x, day);
    let pick = plan.record(&pick.minutes(&[(x, 60), (y, 60)]).at(start).place(place));
    let hours = Draft::new("hours from the half hour on", role(!pick_is_first), Kind::Hours, y, day);
    let hours = plan.record(&hours.minutes(&[(y, 60)]).at(start + 30));
    // Whoever was heard first was right.
    let shorter = if pick_is_first { hours } else { pick };
    plan.truth(shorter).minutes.insert(Who::Resident(y), 30);
}

/// A finger that slipped, a weight in kilograms, a count that nobody can have made.
fn implausible(plan: &mut Plan) {
    let [x] = plan.people();
    let (day, start) = plan.slot_on_some_day(&[x], 600, ANY);
    let slip = doubtful("600 minutes for 60", Kind::LitterPick, x, day).minutes(&[(x, 600)]).at(start);
    let slip = plan.record(&slip);
    plan.truth(slip).minutes = gave(&[(x, 60)]);
    let [y] = plan.people();
    let (day, start) = plan.slot_on_some_day(&[y], 50, 420);
    let place = plan.spot();
    let kilograms = doubtful("kilograms for grams", Kind::LitterPick, y, day).minutes(&[(y, 50)]).at(start);
    let kilograms = kilograms.place(place).with([Field::Count("bags", 2), Field::Count("weight_g", 9)]);
    plan.record(&kilograms);
    let [z] = plan.people();
    let (day, start) = plan.slot_on_some_day(&[z], 40, 420);
    let place = plan.spot();
    let butts = doubtful("4,000 butts in 40 minutes", Kind::LitterPick, z, day).minutes(&[(z, 40)]).at(start);
    plan.record(&butts.place(place).with([Field::Count("smoking.butts", 4_000)]));
}

/// Everything that a phone writes while its clock is off.
fn wrong_clock(plan: &mut Plan, story: &'static str, ahead: i64, records: i64) {
    let (x, day) = loop {
        let ([x], day) = (plan.people(), plan.day());
        if plan.whole_day(x, day) {
            break (x, day);
        }
    };
    for nth in 0..records {
        let minutes = plan.between(20, 60);
        let started = day * DAY + 11 * 60 + nth * 120;
        let draft = doubtful(story, Kind::Hours, x, day).minutes(&[(x, minutes)]).at(started);
        plan.record(&Draft { ahead, ..draft });
    }
}

/// Two long jobs on one day; of the second one half was the day after.
fn too_long_a_day(plan: &mut Plan) {
    let (x, day) = loop {
        let ([x], day) = (plan.people(), plan.day());
        if plan.whole_day(x, day) {
            break (x, day);
        }
    };
    let morning = ordinary("a long day's morning", Kind::Hours, x, day).minutes(&[(x, 300)]);
    plan.record(&morning.at(day * DAY + 8 * 60 + 150));
    let evening = doubtful("a long day's evening", Kind::Hours, x, day).minutes(&[(x, 240)]);
    let evening = plan.record(&evening.at(day * DAY + 8 * 60 + 450));
    if plan.dice.percent(50) {
        plan.truth(evening).minutes = gave(&[(x, 120)]);
    }
}

/// A photo of another day makes a pick that never was.
fn reused_photo(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 60, 420);
    let [x, y] = plan.by_signal(people, day);
    let photo = plan.serial();
    let place = plan.spot();
    let first = ordinary("a pick with a photo", Kind::LitterPick, x, day).minutes(&[(x, 60)]);
    plan.record(&first.at(start).place(place).with([Field::Photo(photo, start + 10)]));
    let place = plan.spot();
    let second = doubtful("a pick with somebody else's photo", Kind::LitterPick, y, day).minutes(&[(y, 60)]);
    let second = plan.record(&second.at(start).place(place).with([Field::Photo(photo, start + 10)]));
    plan.truth(second).real = false;
}

/// One member's phone takes along what another's has written in the group's daybook.
fn carried(plan: &mut Plan) {
    let [writer, carrier, _] = MEMBERS;
    let start = plan.slot(&[writer], 0, 45).expect("nothing is planned yet");
    let mut draft = ordinary("the group's own", Kind::Hours, writer, 0).minutes(&[(writer, 45)]).at(start);
    draft.daybook = Daybook::Group;
    plan.record(&draft);
    // By then its own phone has been heard.
    let day = CARRY_DAY;
    let start = plan.slot(&[writer], day, 50).expect("nothing is planned yet");
    let mut draft = doubtful("brought by another member", Kind::Hours, writer, day);
    draft = draft.minutes(&[(writer, 50)]).at(start);
    draft.daybook = Daybook::Group;
    plan.record(&draft);
    plan.carry(day * DAY + EVENING, writer, carrier);
}

/// The part that comes last takes what is not there.
fn over_claimed(plan: &mut Plan) {
    let people: [usize; 3] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 200, 420);
    let [x, y, z] = plan.by_signal(people, day);
    let place = plan.spot();
    let occasion = ordinary("an occasion of four", Kind::LitterPick, x, day).minutes(&[(x, 90)]);
    let occasion = plan.record(&occasion.at(start).place(place).with([Field::Totals(4, 360)]));
    let part = ordinary("a part that fits", Kind::LitterPick, y, day).minutes(&[(y, 90)]);
    plan.record(&part.at(start).place(place).with([Field::PartOf(occasion)]));
    let part = doubtful("a part that takes too much", Kind::LitterPick, z, day).minutes(&[(z, 200)]);
    let part = plan.record(&part.at(start).place(place).with([Field::PartOf(occasion)]));
    plan.truth(part).minutes = gave(&[(z, 90)]);
}

/// One repair by two, brought in from another system by each.
fn imported_twice(plan: &mut Plan) {
    let people: [usize; 2] = plan.people();
    let (day, start) = plan.slot_on_some_day(&people, 60, 420);
    let [x, y] = plan.by_signal(people, day);
    let text = |key, value: &str| Field::Text(key, value.to_owned());
    let source = [
        text("repair.product", "sewing machine"),
        text("source.provider", "restarters"),
        text("source.id", "77"),
    ];
    let first = ordinary("imported, first phone", Kind::Repair, x, day).minutes(&[(x, 60)]);
    let first = plan.record(&first.at(start).with(source.clone()));
    let second = doubtful("imported, second phone", Kind::Repair, y, day).minutes(&[(y, 45)]);
    let second = plan.record(&second.at(start).with(source));
    counts_for(plan, first, second, gave(&[(x, 60), (y, 45)]));
}

/// The first repair did not hold: both were done.
fn one_request_fixed_twice(plan: &mut Plan) {
    let [x, y]: [usize; 2] = plan.people();
    let (day_x, start_x) = plan.slot_on_some_day(&[x], 40, 420);
    let (day_y, start_y) = plan.slot_on_some_day(&[y], 40, 420);
    let place = plan.spot();
    let more = ["street.service_code", "street.fixes_request"].into_iter().zip(["pothole", "req-501"]);
    let more: Vec<Field> = more.map(|(key, value)| Field::Text(key, value.to_owned())).collect();
    let x_is_first = plan.heard(x, day_x) < plan.heard(y, day_y);
    for (who, day, start, first) in [(x, day_x, start_x, x_is_first), (y, day_y, start_y, !x_is_first)] {
        let role = if first { Role::Ordinary } else { Role::Doubtful };
        let draft = Draft::new("one request, fixed twice", role, Kind::StreetFix, who, day);
        plan.record(&draft.minutes(&[(who, 40)]).at(start).place(place).with(more.clone()));
    }
}

/// Two phones of one resident say something else about one record.
fn two_phones_disagree(plan: &mut Plan, resident: usize, minutes: bool) {
    let second = RESIDENTS + TWO_PHONES.iter().position(|two| *two == resident).expect("has two phones");
    let start = plan.slot(&[resident], 1, 60).expect("nothing is planned yet");
    let draft = doubtful("two phones disagree", Kind::Hours, resident, 1).minutes(&[(resident, 60)]);
    let record = plan.record(&draft.at(start));
    // By then both have it, and neither has signal that day.
    let at = 3 * DAY + 12 * 60;
    let said = |minutes: i64, programme: &str| match programme {
        "" => Field::Minutes(Who::Resident(resident), minutes),
        programme => Field::Text("programme", programme.to_owned()),
    };
    let [one, other] = if minutes { ["", ""] } else { ["parks", "canals"] };
    plan.write(at, resident, record, 0, vec![said(70, one)]);
    plan.write(at + 30, second, record, 0, vec![said(80, other)]);
    if minutes {
        plan.truth(record).minutes = gave(&[(resident, 80)]);
        plan.truth(record).at_first = Some(gave(&[(resident, 60)]));
    }
}

/// Somebody whom nobody knows yet, in records of one phone or of several.
fn stranger(plan: &mut Plan, name: &'static str, records: &[usize]) {
    let stranger = plan.strangers.len();
    plan.strangers.push(name);
    for count in records {
        let [x] = plan.people();
        for _ in 0..*count {
            let minutes = plan.between(30, 90);
            // A stranger is at one place at a time, too.
            let (day, start) = plan.slot_on_some_day(&[x, RESIDENTS + stranger], minutes, 420);
            let place = plan.spot();
            let draft = doubtful("with a stranger", Kind::LitterPick, x, day).minutes(&[(x, minutes)]);
            let mut draft = draft.at(start).place(place);
            draft.minutes.push((Who::Stranger(stranger), minutes));
            plan.record(&draft);
        }
    }
}

/// More minutes than were approved: it went on, or it is a slip.
fn edited(plan: &mut Plan, went_on: bool) {
    loop {
        let [x] = plan.people();
        let day = plan.day();
        let heard = plan.heard(x, day).0;
        if heard > 5 {
            continue;
        }
        let Some(start) = plan.slot_within(&[x], day, 90, 420) else { continue };
        let draft = doubtful("edited after approval", Kind::Hours, x, day).minutes(&[(x, 60)]);
        let record = plan.record(&draft.at(start));
        let more = vec![Field::Minutes(Who::Resident(x), 90)];
        plan.write((heard + 1) * DAY + 12 * 60, x, record, 0, more);
        plan.truth(record).at_first = Some(gave(&[(x, 60)]));
        if went_on {
            plan.truth(record).minutes = gave(&[(x, 90)]);
        }
        return;
    }
}

/// Somebody under age, with nobody who may look after them.
fn under_age_alone(plan: &mut Plan) {
    let x = loop {
        let [x] = plan.people();
        if x != SUPERVISOR {
            break x;
        }
    };
    let (day, start) = plan.slot_on_some_day(&[x, YOUNG], 60, 420);
    let place = plan.spot();
    let draft =
        doubtful("under age, alone", Kind::LitterPick, x, day).minutes(&[(x, 60)]).at(start).place(place);
    plan.record(&Draft { minutes: vec![(Who::Resident(x), 60), (Who::Young, 60)], ..draft });
}

/// Somebody else is named: a person looks before their minutes go.
fn taken_back_with_others(plan: &mut Plan) {
    loop {
        let [x, y] = plan.people();
        let day = plan.day();
        let heard = plan.heard(x, day).0;
        if heard > 5 {
            continue;
        }
        let Some(start) = plan.slot_within(&[x, y], day, 45, 420) else { continue };
        let draft = doubtful("taken back, with others", Kind::Hours, x, day);
        let record = plan.record(&draft.minutes(&[(x, 45), (y, 45)]).at(start));
        plan.write((heard + 1) * DAY + 12 * 60, x, record, 0, vec![Field::Withdraw]);
        let truth = plan.truth(record);
        truth.at_first = Some(truth.minutes.clone());
        truth.real = false;
        return;
    }
}
