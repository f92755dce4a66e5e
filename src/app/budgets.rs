//! What may still be pushed through this replica: by each grant, and by each party over all its grants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::sync::Cache;

use super::{BUDGETS_REMEMBERED, TOKENS_REMEMBERED_MAX};
use crate::domain::budget::Bucket;
use crate::domain::ids::{GrantId, PartyId};
use crate::domain::limits::PARTY_GRANTS;

/// Who pays for what a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Payer {
    pub grant: GrantId,
    pub party: PartyId,
}

/// See the module.
pub(super) struct Budgets {
    grants: Cache<GrantId, Arc<Mutex<Bucket>>>,
    /// Weighed in parts of [`PARTY_GRANTS`], so that each is as large as that of a grant.
    parties: Cache<PartyId, Arc<Mutex<Bucket>>>,
}

impl Default for Budgets {
    fn default() -> Self {
        let idle = BUDGETS_REMEMBERED;
        Self {
            grants: Cache::builder().time_to_idle(idle).max_capacity(TOKENS_REMEMBERED_MAX).build(),
            parties: Cache::builder().time_to_idle(idle).max_capacity(TOKENS_REMEMBERED_MAX).build(),
        }
    }
}

impl Budgets {
    /// That of one grant; a full one where nothing is remembered.
    pub fn of_grant(&self, grant: GrantId, now_ms: i64) -> Arc<Mutex<Bucket>> {
        self.grants.get_with(grant, || Arc::new(Mutex::new(Bucket::full(now_ms))))
    }

    fn of_party(&self, party: PartyId, now_ms: i64) -> Arc<Mutex<Bucket>> {
        self.parties.get_with(party, || Arc::new(Mutex::new(Bucket::full(now_ms))))
    }

    /// Takes so many bytes out of both; who asks for nothing never waits, whatever either owes.
    ///
    /// # Errors
    /// The seconds until there are as many, at least 1; nothing was taken then.
    pub fn take(&self, payer: Payer, bytes: u64, now_ms: i64) -> Result<(), u64> {
        if bytes == 0 {
            return Ok(());
        }
        let (party, grant) = (self.of_party(payer.party, now_ms), self.of_grant(payer.grant, now_ms));
        let mut party = lock(&party);
        // Asked of it is only that nothing is owed: so nothing has to be given back where the grant has too little.
        party.owes_nothing(now_ms)?;
        lock(&grant).take(bytes, now_ms)?;
        party.spend(part(bytes), now_ms);
        Ok(())
    }

    /// Takes out of both what is known only afterwards, there or not.
    pub fn spend(&self, payer: Payer, bytes: u64, now_ms: i64) {
        if bytes > 0 {
            lock(&self.of_party(payer.party, now_ms)).spend(part(bytes), now_ms);
            lock(&self.of_grant(payer.grant, now_ms)).spend(bytes, now_ms);
        }
    }
}

fn part(bytes: u64) -> u64 {
    bytes.div_ceil(PARTY_GRANTS)
}

fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::limits::{GRANT_BYTES_BURST, GRANT_BYTES_PER_HOUR};

    fn payer(grant: u128, party: u128) -> Payer {
        Payer { grant: GrantId(Uuid::from_u128(grant)), party: PartyId(Uuid::from_u128(party)) }
    }

    #[test]
    fn however_many_grants_a_party_has_they_push_together_as_much_as_eight() {
        let budgets = Budgets::default();
        for grant in 0..u128::from(PARTY_GRANTS) {
            assert_eq!(budgets.take(payer(grant, 1), GRANT_BYTES_BURST, 0), Ok(()));
        }
        let another = payer(99, 1);
        assert_eq!(budgets.take(another, 1, 0), Ok(()), "at the limit nothing is owed");
        let wait = budgets.take(another, 1, 0).expect_err("one past it");
        assert!((1..=2).contains(&wait), "{wait}");
        assert_eq!(budgets.take(payer(99, 2), 1, 0), Ok(()), "another party does not wait");
        const { assert!(GRANT_BYTES_PER_HOUR > 3_600) };
        assert_eq!(budgets.take(another, 1, 1_000), Ok(()));
    }

    #[test]
    fn who_waits_takes_nothing_from_the_other_grants_of_the_party() {
        let budgets = Budgets::default();
        let (one, other) = (payer(1, 1), payer(2, 1));
        assert_eq!(budgets.take(one, GRANT_BYTES_BURST, 0), Ok(()));
        for _ in 0..100 {
            assert!(budgets.take(one, GRANT_BYTES_BURST, 0).is_err());
        }
        assert_eq!(budgets.take(other, GRANT_BYTES_BURST, 0), Ok(()));
    }

    #[test]
    fn what_is_known_only_afterwards_is_owed_by_grant_and_party() {
        let budgets = Budgets::default();
        budgets.spend(payer(1, 1), GRANT_BYTES_BURST + 1, 0);
        assert!(budgets.take(payer(1, 1), 1, 0).is_err());
        assert_eq!(budgets.take(payer(2, 1), 1, 0), Ok(()));
        budgets.spend(payer(1, 1), PARTY_GRANTS * GRANT_BYTES_BURST, 0);
        assert!(budgets.take(payer(2, 1), 1, 0).is_err(), "it does not help to take another grant");
        for grant in [1, 2] {
            assert_eq!(budgets.take(payer(grant, 1), 0, 0), Ok(()), "who asks for nothing does not wait");
        }
    }
}
