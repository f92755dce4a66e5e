//! What is written once, whoever sends it again at the same moment: looked for behind the lock of the daybook's row.

use sea_orm::{ConnectionTrait, DbErr};

use super::super::{FlowError, hubs};
use crate::domain::ids::{ActivityId, PartyId};
use crate::store;
use crate::store::changes::Of;

/// What must not be there yet.
#[derive(Debug, Clone)]
pub enum Once {
    /// The activity.
    Recorded(ActivityId),
    /// The activity, which a member of a hub writes for somebody else: as long as they are one.
    RecordedFor { id: ActivityId, member: PartyId, now_ms: i64 },
    /// A change by an actor that begins with these bytes.
    Named(Vec<u8>),
}

impl Once {
    /// That it is not there, and that whoever writes it still may.
    ///
    /// # Errors
    /// [`FlowError::IdReused`] if it is there, [`FlowError::NoHub`] where its writer is a member of no hub any more.
    pub(super) async fn check(&self, db: &impl ConnectionTrait, of: Of) -> Result<(), FlowError> {
        if let Self::RecordedFor { member, now_ms, .. } = self
            && hubs::of_member(db, of.neighbourhood, *member, *now_ms).await?.is_empty()
        {
            return Err(FlowError::NoHub);
        }
        if self.is_there(db, of).await? { Err(FlowError::IdReused) } else { Ok(()) }
    }

    async fn is_there(&self, db: &impl ConnectionTrait, of: Of) -> Result<bool, DbErr> {
        Ok(match self {
            Self::Recorded(id) | Self::RecordedFor { id, .. } => {
                store::activities::find(db, of.neighbourhood, *id).await?.is_some()
            }
            Self::Named(name) => !store::changes::actors_from(db, of, name).await?.is_empty(),
        })
    }
}
