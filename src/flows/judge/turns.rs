//! Whose turn it is: neighbourhoods that wait for the clerk, one after the other, so that none waits for all that
//! another has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::app::RungBy;
use crate::domain::ids::NeighbourhoodId;

/// See the module.
#[derive(Debug, Default)]
pub struct Turns {
    order: VecDeque<NeighbourhoodId>,
    waiting: BTreeMap<NeighbourhoodId, RungBy>,
    at_work: BTreeSet<NeighbourhoodId>,
}

impl Turns {
    /// Something waits in a neighbourhood; it keeps its place if it has one.
    pub fn add(&mut self, neighbourhood: NeighbourhoodId, rung_by: RungBy) {
        let known = self.waiting.insert(neighbourhood, rung_by);
        if known.is_none() {
            self.order.push_back(neighbourhood);
        }
    }

    /// The first that nobody is at work in; somebody is then.
    pub fn begin(&mut self) -> Option<(NeighbourhoodId, RungBy)> {
        let at = self.order.iter().position(|waiting| !self.at_work.contains(waiting))?;
        let neighbourhood = self.order.remove(at)?;
        self.at_work.insert(neighbourhood);
        Some((neighbourhood, self.waiting.remove(&neighbourhood).unwrap_or_default()))
    }

    /// Nobody is at work in it any more; where there is more to do, it goes to the end.
    pub fn end(&mut self, neighbourhood: NeighbourhoodId, more: bool) {
        self.at_work.remove(&neighbourhood);
        if more {
            self.add(neighbourhood, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn neighbourhood(no: u128) -> NeighbourhoodId {
        NeighbourhoodId(Uuid::from_u128(no))
    }

    fn begun(turns: &mut Turns) -> Option<u128> {
        turns.begin().map(|(neighbourhood, _)| neighbourhood.0.as_u128())
    }

    #[test]
    fn who_has_more_to_do_waits_for_the_others_first() {
        let mut turns = Turns::default();
        for no in [1, 2, 3, 1] {
            turns.add(neighbourhood(no), None);
        }
        assert_eq!(begun(&mut turns), Some(1));
        turns.end(neighbourhood(1), true);
        assert_eq!([(); 3].map(|()| begun(&mut turns)), [Some(2), Some(3), Some(1)]);
        turns.end(neighbourhood(1), false);
        assert_eq!(begun(&mut turns), None);
    }

    #[test]
    fn nobody_is_at_work_twice_in_one_neighbourhood() {
        let mut turns = Turns::default();
        turns.add(neighbourhood(1), None);
        assert_eq!(begun(&mut turns), Some(1));
        turns.add(neighbourhood(1), Some("later".into()));
        turns.add(neighbourhood(2), None);
        assert_eq!([(); 2].map(|()| begun(&mut turns)), [Some(2), None]);
        turns.end(neighbourhood(1), false);
        let (again, rung_by) = turns.begin().expect("it was rung for meanwhile");
        assert_eq!((again, rung_by.as_deref()), (neighbourhood(1), Some("later")));
    }
}
