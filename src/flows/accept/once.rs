//! What is written once, whoever sends it again at the same moment: looked for behind the lock of the daybook's row.

use sea_orm::{ConnectionTrait, DbErr};

use crate::domain::ids::ActivityId;
use crate::store;
use crate::store::changes::Of;

/// What must not be there yet.
#[derive(Debug, Clone)]
pub enum Once {
    /// The activity.
    Recorded(ActivityId),
    /// A change by an actor that begins with these bytes.
    Named(Vec<u8>),
}

impl Once {
    /// Whether it is there.
    ///
    /// # Errors
    /// `DbErr`.
    pub(super) async fn is_there(&self, db: &impl ConnectionTrait, of: Of) -> Result<bool, DbErr> {
        Ok(match self {
            Self::Recorded(id) => store::activities::find(db, of.neighbourhood, *id).await?.is_some(),
            Self::Named(name) => !store::changes::actors_from(db, of, name).await?.is_empty(),
        })
    }
}
