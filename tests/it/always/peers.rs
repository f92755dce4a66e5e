//! Where people's word approves: words for others' records, written offline in one's own daybook, and time that passes
//! until silence does.

use daybook::domain::ids::{ActivityId, DaybookId, PartyId};

use super::steps::DAY_MS;
use super::world::World;

/// Minutes that are recorded to be confirmed: few, so that the day has room for them.
const PLAIN_MINUTES: [i64; 3] = [10, 20, 30];

impl World<'_> {
    /// Somebody writes in their own daybook that they confirm a record: mostly one that another has just made,
    /// sometimes one that they wrote themselves.
    pub(super) async fn vouch(&mut self) -> Result<(), String> {
        let mut by = self.dice.below(self.phones.len());
        let of = match self.dice.below(10) {
            0..5 => self.plain_record(by).await?,
            5..8 => {
                by = self.dice.of(&self.writers(self.group_book));
                self.for_another(by).await?
            }
            _ if self.activities.is_empty() => return Ok(()),
            _ => self.activities[self.dice.below(self.activities.len())].1,
        };
        let (me, book) = (self.phones[by].phone.party, self.phones[by].phone.own);
        let (kind, day) = (self.kind(), self.day());
        let minutes = self.dice.of(&[None, Some(0), Some(0), Some(10)]);
        let word = self.write_new(by, book, |entry| {
            entry.kind(kind).day(&day).put("confirms", of.to_string());
            minutes.into_iter().for_each(|minutes| _ = entry.minutes(me, minutes));
        });
        self.told(format!("vouch phone {by}: {word} of {of}"));
        if self.dice.percent(60) {
            self.sync_phone(by).await?;
            self.clerk().await?;
        }
        Ok(())
    }

    /// Somebody else records a few minutes of their own, and the server hears of it.
    async fn plain_record(&mut self, by: usize) -> Result<ActivityId, String> {
        let index = self.another(by);
        let (whose, book) = (self.phones[index].phone.party, self.phones[index].phone.own);
        self.short(index, book, whose).await
    }

    /// Somebody records minutes of another in the group's daybook: what they say of it is nobody else's word.
    async fn for_another(&mut self, by: usize) -> Result<ActivityId, String> {
        let other = self.another(by);
        let whose = self.phones[other].phone.party;
        self.short(by, self.group_book, whose).await
    }

    /// A phone of somebody else; the first two are one resident's.
    fn another(&mut self, than: usize) -> usize {
        let others = (0..self.phones.len()).filter(|index| (*index).max(1) != than.max(1));
        self.dice.of(&others.collect::<Vec<usize>>())
    }

    async fn short(&mut self, index: usize, book: DaybookId, whose: PartyId) -> Result<ActivityId, String> {
        let (kind, day, minutes) = (self.kind(), self.day(), self.dice.of(&PLAIN_MINUTES));
        let id = self.write_new(index, book, |entry| _ = entry.kind(kind).day(&day).minutes(whose, minutes));
        self.told(format!("record phone {index}: {id}"));
        self.phones[index].phone.go_online();
        self.sync_phone(index).await?;
        self.clerk().await?;
        Ok(id)
    }

    /// Time passes: minutes, or a day or two, so that what nobody objected to is due.
    pub(super) async fn let_time_pass(&mut self) -> Result<(), String> {
        let minutes = i64::try_from(self.dice.below(200_000)).expect("few");
        let ms = if self.dice.percent(50) { minutes } else { DAY_MS + minutes * 400 };
        self.replicas[0].pass(ms);
        self.told(format!("pass {ms} ms"));
        self.clerk().await
    }
}
