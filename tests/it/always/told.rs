//! The audit trail: whatever was posted for records, exactly one decision that was made says so.

use daybook::domain::ids::DecisionId;
use daybook::flows::decide::moved;

use super::books::Books;
use super::world::World;

/// Decisions asked about at once, as on the longest page.
const PAGE: usize = 200;

impl World<'_> {
    /// What decisions say that they moved is what was posted, in its order. Those about members of a merge are left
    /// out: the one about the canonical record says it for them.
    pub(super) async fn all_told(&self) -> Result<(), String> {
        let app = &self.replicas[0].app;
        let books = Books::read(app, self.neighbourhood).await;
        let made = books.decisions.iter().filter(|(_, stored)| stored.into.is_none());
        let made: Vec<_> = made.map(|(row, _)| (DecisionId(row.id), row.journal_no)).collect();
        let mut told = Vec::new();
        for page in made.chunks(PAGE) {
            let moved = moved(app.db().read(), self.neighbourhood, page).await;
            let mut moved = moved.map_err(|error| error.to_string())?;
            let lines = page.iter().filter_map(|(id, _)| moved.remove(id)).flatten();
            told.extend(lines.map(|line| (line.activity.0, line.account.0, line.minutes, line.day)));
        }
        let rows = books.transfers.iter();
        let posted: Vec<_> = rows
            .filter_map(|row| Some((row.activity_id?, row.account_id, row.minutes, row.day.clone())))
            .collect();
        if told == posted {
            return Ok(());
        }
        let at = told.iter().zip(&posted).position(|(told, posted)| told != posted);
        Err(format!(
            "{} lines are told of {} that were posted, others from {at:?} on",
            told.len(),
            posted.len()
        ))
    }
}
