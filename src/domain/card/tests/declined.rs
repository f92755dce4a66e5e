//! What is suggested for records of which somebody says that they were not part of them.

use super::super::{MinutesChosen, Proposal};
use super::{asha_and_ben, only, open, party};

#[test]
fn a_merge_gives_nothing_to_whoever_declined_one_of_its_records() {
    for at in [0, 1] {
        let mut entries = asha_and_ben();
        entries.iter_mut().for_each(|entry| entry.record.activity.person_minutes = None);
        entries[at].declined = [party(2)].into();
        let card = only(&entries, &open(&entries));
        let Proposal::Merge { minutes, .. } = &card.suggested[0].proposal else { panic!("{card:?}") };
        let given = |one: &MinutesChosen| (one.party, one.minutes);
        assert_eq!(minutes.iter().map(given).collect::<Vec<_>>(), [(party(1), 90), (party(2), 0)]);
        assert_eq!(card.suggested[0].minutes_after, Some(90));
    }
}
