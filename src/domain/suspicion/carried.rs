//! Changes that somebody else brought than before, in a group's daybook: a phone that changed hands, or words
//! put into somebody's mouth. In a resident's own daybook any of their devices may carry any writer.

use std::collections::BTreeSet;

use super::Suspicion;
use super::evidence::{Carried, Carrier, Evidence};
use super::examine::Surroundings;
use super::record::Record;

pub(super) fn rule(record: &Record, around: &Surroundings) -> Option<Suspicion> {
    let other = |delivery: &super::Delivery| {
        let before = delivery.before.filter(|before| *before != delivery.by)?;
        Some(Carrier { by: delivery.by, before })
    };
    let carriers: BTreeSet<Carrier> = around.deliveries.iter().filter_map(other).collect();
    let carriers: Vec<Carrier> = carriers.into_iter().collect();
    (!carriers.is_empty()).then(|| Suspicion::new([record.id], Evidence::Carried(Carried { carriers })))
}
