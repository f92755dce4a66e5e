//! Waking those who wait: whoever works behind the answers, and whoever follows what happens.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::current_request;
use crate::domain::ids::{GrantId, NeighbourhoodId};

/// Who rang first, by the id of the request.
pub type RungBy = Option<Arc<str>>;

/// Rings for somebody who works behind the answers: where there is something to do.
#[derive(Debug)]
pub struct Bell<T> {
    waiting: Mutex<BTreeMap<T, Rung>>,
    notify: Notify,
}

#[derive(Debug)]
struct Rung {
    by: RungBy,
    first: Instant,
    last: Instant,
}

impl<T> Default for Bell<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), notify: Notify::default() }
    }
}

impl<T: Ord> Bell<T> {
    /// Something waits here.
    pub fn ring(&self, place: T) {
        let now = Instant::now();
        let mut waiting = self.lock();
        let rung = waiting.entry(place).or_insert(Rung { by: None, first: now, last: now });
        // The last to ring is the one named: it is what the next look was waited for.
        (rung.by, rung.last) = (current_request(), now);
        drop(waiting);
        self.notify.notify_one();
    }

    /// What was rung for since the last call.
    pub fn take(&self) -> BTreeMap<T, RungBy> {
        std::mem::take(&mut *self.lock()).into_iter().map(|(place, rung)| (place, rung.by)).collect()
    }

    /// Where nobody has rung for so long, or where it was rung first `most` ago; the others stay.
    pub fn take_quiet(&self, now: Instant, quiet: Duration, most: Duration) -> BTreeMap<T, RungBy> {
        let is_quiet = |rung: &Rung| {
            now.saturating_duration_since(rung.last) >= quiet
                || now.saturating_duration_since(rung.first) >= most
        };
        let taken = self.lock().extract_if(.., |_, rung| is_quiet(rung)).collect::<Vec<_>>();
        taken.into_iter().map(|(place, rung)| (place, rung.by)).collect()
    }

    /// Whether somebody rings for a place that was not taken yet.
    #[must_use]
    pub fn rings(&self, place: &T) -> bool {
        self.lock().contains_key(place)
    }

    /// How many neighbourhoods are rung for.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<T, Rung>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next ring.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }
}

/// Who follows what happens, by neighbourhood: woken with the journal's last number.
#[derive(Debug)]
pub struct Followers {
    followed: Mutex<Followed>,
    turns: Semaphore,
}

/// Followers of one replica that read at a time: all are woken at once, and together would take the memory of all.
const READ_TOGETHER: usize = 16;

impl Default for Followers {
    fn default() -> Self {
        Self { followed: Mutex::default(), turns: Semaphore::new(READ_TOGETHER) }
    }
}

#[derive(Debug, Default)]
struct Followed {
    tips: HashMap<NeighbourhoodId, watch::Sender<i64>>,
    streams: HashMap<GrantId, usize>,
    looking: bool,
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one's turn to read; it ends with the permit.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore.
        self.turns.acquire().await.ok()
    }

    /// Somebody more follows a neighbourhood with a grant; nothing where the grant follows `most` times already. With
    /// it, whether nobody looks for what is new yet: who is told so begins to.
    #[must_use]
    pub fn join(
        &self,
        neighbourhood: NeighbourhoodId,
        grant: GrantId,
        most: usize,
    ) -> Option<(watch::Receiver<i64>, bool)> {
        let mut followed = self.lock();
        let streams = followed.streams.entry(grant).or_default();
        if *streams >= most {
            return None;
        }
        *streams += 1;
        let tip = followed.tips.entry(neighbourhood).or_insert_with(|| watch::channel(0).0).subscribe();
        let begin = !std::mem::replace(&mut followed.looking, true);
        Some((tip, begin))
    }

    /// One less.
    pub fn leave(&self, grant: GrantId) {
        let mut followed = self.lock();
        if let Some(streams) = followed.streams.get_mut(&grant) {
            *streams -= 1;
            if *streams == 0 {
                followed.streams.remove(&grant);
            }
        }
    }

    /// The neighbourhoods that are followed; nothing where nobody follows any more: then whoever looks stops.
    #[must_use]
    pub fn followed(&self) -> Option<Vec<NeighbourhoodId>> {
        let mut followed = self.lock();
        followed.tips.retain(|_, tip| tip.receiver_count() > 0);
        followed.looking = !followed.tips.is_empty();
        followed.looking.then(|| followed.tips.keys().copied().collect())
    }

    /// Wakes those who follow a neighbourhood whose journal has moved on.
    pub fn wake(&self, neighbourhood: NeighbourhoodId, journal_no: i64) {
        if let Some(tip) = self.lock().tips.get(&neighbourhood) {
            tip.send_if_modified(|known| std::mem::replace(known, journal_no) != journal_no);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(250);
    const MOST: Duration = Duration::from_secs(1);

    fn rung(place: u8, first_ms_ago: u64, last_ms_ago: u64, now: Instant) -> (u8, Rung) {
        let ago = |ms| now - Duration::from_millis(ms);
        (place, Rung { by: None, first: ago(first_ms_ago), last: ago(last_ms_ago) })
    }

    #[test]
    fn what_is_rung_for_is_taken_once_it_is_quiet_there_or_has_rung_long_enough() {
        let now = Instant::now() + Duration::from_secs(10);
        let places = [rung(1, 250, 250, now), rung(2, 999, 249, now), rung(3, 1_000, 0, now)];
        let bell = Bell { waiting: Mutex::new(places.into()), notify: Notify::new() };
        let taken: Vec<u8> = bell.take_quiet(now, QUIET, MOST).into_keys().collect();
        assert_eq!(taken, [1, 3]);
        assert!(bell.rings(&2) && !bell.rings(&1), "the other stays");
        let taken = bell.take_quiet(now + Duration::from_millis(1), QUIET, MOST);
        assert_eq!(taken.into_keys().collect::<Vec<u8>>(), [2]);
    }

    #[test]
    fn ringing_again_does_not_put_off_for_ever() {
        let bell = Bell::default();
        bell.ring(7_u8);
        let first = Instant::now();
        bell.ring(7);
        assert!(bell.take_quiet(first, QUIET, MOST).is_empty());
        assert_eq!(bell.take_quiet(first + MOST, MOST * 2, MOST).len(), 1);
    }
}
