//! Stories of a record that names other people with every edit: those whom it names hear of it, and of those whom it named
//! once as many are remembered as may be.

use std::collections::BTreeSet;

use automerge::transaction::Transactable as _;
use automerge::{ROOT, ReadDoc as _};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::limits::{NAMED_EVER_MAX, PARTIES_MAX};
use daybook::store::entity::named_party;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::support::desk::rebuilt_is_live;
use crate::support::{TestApp, TestPhone, both};

const DAY: &str = "2026-11-20";

/// Names these people in a record, and nobody whom it named before.
async fn name_only(asha: &mut TestPhone, id: ActivityId, before: &[PartyId], named: &[PartyId]) {
    let doc = &mut asha.own_book().doc;
    let map = doc.get(ROOT, id.to_string()).expect("read").expect("there").1;
    for party in before {
        doc.delete(&map, format!("party/{party}")).expect("taken out");
    }
    asha.edit(id, |a| named.iter().for_each(|party| _ = a.minutes(*party, 1))).expect("edited");
    assert!(asha.sync().await.expect("synced").accepted > 0);
}

/// Whom a record concerns still, and whom it did once.
async fn hearers(app: &TestApp, id: ActivityId) -> (BTreeSet<PartyId>, BTreeSet<PartyId>) {
    let found = named_party::Entity::find().filter(named_party::Column::ActivityId.eq(id.0));
    let rows = found.all(app.app.db().read()).await.expect("read");
    let (still, once): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.still);
    let parties = |rows: Vec<named_party::Model>| rows.into_iter().map(|row| PartyId(row.party_id)).collect();
    (parties(still), parties(once))
}

both! {
    async fn a_record_remembers_no_more_people_than_it_may_and_whom_it_names_all_hear_of_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = asha.record(Kind::Hours, DAY, |_| {}).expect("recorded");
        asha.sync().await.expect("synced");
        let rounds: Vec<Vec<PartyId>> = (0..=NAMED_EVER_MAX / PARTIES_MAX)
            .map(|_| (0..PARTIES_MAX).map(|_| PartyId(asha.uuid())).collect())
            .collect();
        let mut before: &[PartyId] = &[];
        for (round, named) in rounds.iter().enumerate() {
            name_only(&mut asha, id, before, named).await;
            app.judge().await;
            app.pass(1_000);
            let (still, once) = hearers(&app, id).await;
            assert_eq!(still, named.iter().copied().collect(), "all whom it names now");
            assert_eq!(still.len() + once.len(), ((round + 1) * PARTIES_MAX).min(NAMED_EVER_MAX), "round {round}");
            before = named;
        }
        let (_, once) = hearers(&app, id).await;
        assert!(rounds[0].iter().all(|party| !once.contains(party)), "those of longest ago are forgotten");
        assert!(rounds[1].iter().all(|party| once.contains(party)), "and nobody else");
        // Whom it named long ago may be named again.
        name_only(&mut asha, id, before, &rounds[0]).await;
        app.judge().await;
        let (still, once) = hearers(&app, id).await;
        assert_eq!(still, rounds[0].iter().copied().collect());
        assert_eq!(still.len() + once.len(), NAMED_EVER_MAX);
        rebuilt_is_live(&app).await;
    }
}
