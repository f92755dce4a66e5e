//! What another system may count too.

use super::samples::{between, day, found, id, minutes, north, only, pick, with};
use crate::domain::activity::Kind;
use crate::domain::suspicion::{Elsewhere, Evidence, OfficialReport, Record, Source, Surroundings};

fn imported(number: u128, source: &str) -> Record {
    with(pick(number), |imported| {
        imported.source = Some(Source { provider: "RepairMonitor".to_owned(), id: source.to_owned() });
        imported.activity.parties = Vec::new();
        imported.activity.started_at_ms = None;
    })
}

fn how(a: &Record, b: &Record) -> Elsewhere {
    match only(between(a, b)) {
        Evidence::AlsoReported(evidence) => evidence.how,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_id_of_another_system_is_imported_once() {
    assert_eq!(how(&imported(1, "r_7"), &imported(2, "r_7")), Elsewhere::SameSource);
    let other = with(imported(2, "r_7"), |other| {
        other.source = Some(Source { provider: "Restarters".to_owned(), id: "r_7".to_owned() });
    });
    assert_eq!(between(&imported(1, "r_7"), &other), [], "another system's number");
    assert_eq!(between(&imported(1, "r_7"), &imported(2, "r_8")), []);
}

#[test]
fn a_record_made_here_beside_an_imported_one() {
    assert_eq!(how(&imported(1, "p_1"), &pick(2)), Elsewhere::Imported);
    let far = with(pick(2), |far| far.place = north(300.0, 0.0));
    assert_eq!(between(&imported(1, "p_1"), &far), []);
    let repair = |record: Record, product: &str| {
        with(record, |repair| {
            repair.activity.kind = Kind::Repair;
            repair.place = None;
            repair.product = Some(product.to_owned());
        })
    };
    assert_eq!(how(&repair(imported(1, "r_1"), "kettle"), &repair(pick(2), "kettle")), Elsewhere::Imported);
    assert_eq!(between(&repair(imported(1, "r_1"), "kettle"), &repair(pick(2), "toaster")), []);
    let next_day = with(repair(pick(2), "kettle"), |later| {
        later.activity.day = day("2026-11-22");
        later.activity.started_at_ms = None;
    });
    assert_eq!(between(&repair(imported(1, "r_1"), "kettle"), &next_day), []);
}

fn fix(number: u128, request: Option<&str>) -> Record {
    with(pick(number), |fix| {
        fix.activity.kind = Kind::StreetFix;
        fix.activity.parties = vec![minutes(number, 30)];
        fix.service_code = Some("graffiti".to_owned());
        fix.fixes_request = request.map(str::to_owned);
    })
}

#[test]
fn a_request_is_fixed_once_until_it_breaks_again() {
    let on = |number, day_named: &str| {
        with(fix(number, Some("q_3")), |fix| {
            fix.activity.day = day(day_named);
            fix.activity.started_at_ms = None;
        })
    };
    assert_eq!(how(&on(1, "2026-11-07"), &on(2, "2026-11-21")), Elsewhere::SameRequest);
    assert_eq!(between(&on(1, "2026-11-06"), &on(2, "2026-11-21")), []);
    assert_eq!(between(&fix(1, Some("q_3")), &fix(2, Some("q_4"))), []);
    let part = with(fix(2, Some("q_3")), |part| part.activity.part_of = Some(id(1)));
    assert_eq!(between(&fix(1, Some("q_3")), &part), [], "one fixed it with the other");
}

fn report(change: impl FnOnce(&mut OfficialReport)) -> OfficialReport {
    let mut report = OfficialReport {
        provider: "city council".to_owned(),
        id: "q_3".to_owned(),
        service_code: Some("graffiti".to_owned()),
        place: north(50.0, 0.0),
        day: day("2026-11-14"),
        done: false,
    };
    change(&mut report);
    report
}

fn official(record: &Record, reports: Vec<OfficialReport>) -> Vec<Elsewhere> {
    let around = Surroundings { reports, ..Surroundings::default() };
    let found = found(record, &around);
    let also = found.into_iter().filter_map(|suspicion| match suspicion.evidence {
        Evidence::AlsoReported(evidence) => Some(evidence.how),
        _ => None,
    });
    also.collect()
}

#[test]
fn a_fix_that_names_the_open_request_is_how_it_should_be() {
    assert_eq!(official(&fix(1, Some("q_3")), vec![report(|_| {})]), []);
    assert_eq!(official(&fix(1, None), vec![report(|_| {})]), [Elsewhere::OfficialReport]);
    assert_eq!(official(&fix(1, None), vec![report(|far| far.place = north(51.0, 0.0))]), []);
    let other = report(|other| other.service_code = Some("pothole".to_owned()));
    assert_eq!(official(&fix(1, None), vec![other]), []);
    let old = report(|old| old.day = day("2026-11-06"));
    assert_eq!(official(&fix(1, None), vec![old]), []);
    assert_eq!(official(&pick(1), vec![report(|_| {})]), [], "a pick beside a report");
}

#[test]
fn what_the_service_did_itself_goes_first() {
    let done = |id: &str| {
        let id = id.to_owned();
        report(|done| {
            done.id = id;
            done.done = true;
        })
    };
    assert_eq!(official(&fix(1, Some("q_3")), vec![done("q_3")]), [Elsewhere::DoneOfficially]);
    assert_eq!(official(&fix(1, None), vec![report(|_| {}), done("q_9")]), [Elsewhere::DoneOfficially]);
}
