//! Neighbourhoods to try things in: how far each one's clock was moved ahead, as this replica knows it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::ids::NeighbourhoodId;

/// Milliseconds ahead of the machine's clock, by neighbourhood. What is not in it is real.
#[derive(Debug, Default)]
pub struct Sandboxes {
    ahead: RwLock<Arc<HashMap<NeighbourhoodId, i64>>>,
}

impl Sandboxes {
    /// Nothing for a real neighbourhood.
    #[must_use]
    pub fn ahead_ms(&self, neighbourhood: NeighbourhoodId) -> Option<i64> {
        self.known().get(&neighbourhood).copied()
    }

    /// All of them.
    #[must_use]
    pub fn known(&self) -> Arc<HashMap<NeighbourhoodId, i64>> {
        self.ahead.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the database says. A clock never goes back, so of two that came at once the greater holds.
    pub fn set(&self, mut said: HashMap<NeighbourhoodId, i64>) {
        let mut ahead = self.ahead.write().unwrap_or_else(PoisonError::into_inner);
        for (neighbourhood, ahead_ms) in &mut said {
            *ahead_ms = (*ahead_ms).max(ahead.get(neighbourhood).copied().unwrap_or_default());
        }
        *ahead = Arc::new(said);
    }
}
