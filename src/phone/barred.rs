//! A daybook in which this person may not write: a group's that they have left, or one whose id is somebody else's.
//! It stays on the phone as it is, and it holds up no other. Of a group that they left not long ago the server holds
//! what they push, for a coordinator to decide; else nothing of it is pushed. It is asked for with every sync, so that
//! its changes go out once the person is in the group again.

use super::sync::{Next, Noted, note};
use super::{Phone, PhoneError, Report, Transport};
use crate::api::daybooks::{DaybookRequest, DaybookView};
use crate::api::me::Me;
use crate::api::sync::DaybookAnswer;
use crate::domain::held::LEFT_GROUP;
use crate::domain::ids::{DaybookId, PartyId};

/// Whose a daybook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The phone has not learnt it yet.
    Unknown,
    /// The phone's person.
    Person,
    Group(PartyId),
}

/// A daybook in which this person may not write, for the app to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    pub id: DaybookId,
    pub owner: Owner,
    /// Changes that the server lacks: only this phone has them.
    pub unsent: usize,
    /// Changes that the server holds.
    pub held: usize,
    /// The server's word for why.
    pub code: String,
}

impl<T: Transport> Phone<T> {
    /// The daybooks in which this person may not write, as of the last sync.
    pub fn barred(&mut self) -> Vec<Barred> {
        let barred = self.books.values_mut().filter_map(|book| {
            let code = book.barred.clone()?;
            let unsent = book.unsent().len() + book.refused.len();
            Some(Barred { id: book.id, owner: book.owner, unsent, held: book.held.len(), code })
        });
        barred.collect()
    }

    /// Takes the answer for a daybook of a group that this person has left: what they push there is held.
    pub(super) fn left(&mut self, answer: &DaybookAnswer, server_ms: i64, report: &mut Report) -> Next {
        let book = self.book(answer.id);
        (book.barred, book.holds, book.more) = (Some(LEFT_GROUP.to_owned()), true, false);
        // What may have expired is sent again.
        book.held.retain(|_, expires_at_ms| *expires_at_ms > server_ms);
        let Noted { deferred, settled } = note(book, &answer.outcomes, report);
        let left = deferred || !book.unsent().is_empty();
        if !report.barred.contains(&answer.id) {
            report.barred.push(answer.id);
        }
        if deferred && !settled { Next::Stalled } else { Next::again_if(left) }
    }

    /// Asks for a daybook that was not found. A server that was restored may have lost it, so whoever may have it
    /// makes it again and pushes everything; a group's for the group, never as the person's own. Says whether it
    /// is there.
    pub(super) async fn ask_for(&mut self, id: DaybookId, report: &mut Report) -> Result<bool, PhoneError> {
        let owner = self.book(id).owner;
        let party_id = if let Owner::Group(group) = owner { Some(group) } else { None };
        match self.post::<DaybookView>("/v1/daybooks", &DaybookRequest { id, party_id }).await {
            Ok(_) => {
                self.book(id).forget_server();
                Ok(true)
            }
            Err(PhoneError::Refused { code, .. }) if matches!(code.as_str(), "not_found" | "id_reused") => {
                let book = self.book(id);
                (book.barred, book.holds) = (Some(code), false);
                report.barred.push(id);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Learns whose the daybooks are that others began, while the server tells: who has left a group is not told.
    pub(super) async fn learn_owners(&mut self) -> Result<(), PhoneError> {
        let own = self.own;
        let mut others = self.books.values().filter(|book| book.id != own && book.barred.is_none());
        if !others.any(|book| book.owner == Owner::Unknown && book.cursor.is_some()) {
            return Ok(());
        }
        let me: Me = self.get("/v1/me").await?;
        for daybook in me.daybooks {
            if let Some(book) = self.books.get_mut(&daybook.id) {
                let persons = daybook.party_id == me.party_id;
                book.owner = if persons { Owner::Person } else { Owner::Group(daybook.party_id) };
            }
        }
        Ok(())
    }

    /// What a sync ends with. Where the phone's own daybook is barred, nothing that is recorded here arrives, which
    /// must not pass for a good end.
    pub(super) fn ended(&self, report: Report) -> Result<Report, PhoneError> {
        match self.books.get(&self.own).and_then(|own| own.barred.clone()) {
            Some(code) => Err(PhoneError::OwnBarred { code }),
            None => Ok(report),
        }
    }
}
