//! The one recovery, for a refusal and for a fork: take the server's document, and write on top of it, under
//! fresh actors, what only this phone has.

use automerge::ChangeHash;

use super::rewrite::rewrite;
use super::{Book, Phone, PhoneError, Report, Transport};
use crate::domain::ids::DaybookId;

impl<T: Transport> Phone<T> {
    /// Replaces the phone's document by the server's with this phone's own work on top. The ids of activities
    /// stay what they are, so nothing is counted twice.
    ///
    /// A copy of this phone may go on counting in the register that it has, so this one takes a fresh one.
    ///
    /// # Errors
    /// [`PhoneError`]; the phone's document stays as it is then.
    pub async fn reload(&mut self, id: DaybookId, report: &mut Report) -> Result<(), PhoneError> {
        let (bytes, cursor) = self.download(id, report).await?;
        let mut fresh = Book::new(id, self.random());
        fresh.apply(&[bytes]).map_err(PhoneError::Answer)?;
        fresh.cursor = Some(cursor);
        fresh.server_heads = fresh.doc.get_heads();
        let old = self.book(id);
        let actor = fresh.doc.get_actor().clone();
        let written = rewrite(old, fresh.doc)?;
        fresh.doc = written.doc.with_actor(actor);
        fresh.held = old.held.clone();
        fresh.held.retain(|hash, _| fresh.doc.get_change_by_hash(&ChangeHash(*hash)).is_some());
        report.aside += written.aside.len().saturating_sub(old.aside.len());
        (fresh.rewritten, fresh.aside) = (written.changes, written.aside);
        fresh.owner = old.owner;
        *old = fresh;
        self.renew_register();
        Ok(())
    }
}
