//! The words of the field and the rules over them: pure, without I/O, without a clock.

pub mod activity;
pub mod budget;
pub mod caps;
pub mod card;
pub mod draft;
pub mod event;
pub mod held;
pub mod ids;
pub mod key;
pub mod limits;
pub mod place;
pub mod reading;
mod reading_size;
pub mod reply;
pub mod review;
pub mod role;
pub mod rules;
pub mod share;
pub mod suspicion;
pub mod time;
pub mod version_name;
pub mod wants;
pub mod words;
