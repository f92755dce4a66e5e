//! A phone as a program: records offline, syncs when it may. The demo, `daybook replay` and the tests use
//! it; it knows of the server only what the API says.

mod barred;
pub mod book;
mod download;
pub mod entry;
mod reload;
mod rewrite;
mod session;
mod sync;
pub mod transport;

use std::collections::{BTreeMap, HashMap};

use automerge::AutomergeError;
use uuid::Uuid;

use crate::api::body::Form;
use crate::api::sync::{MetParty, Verdict};
use crate::auth::keys::KeyError;
use crate::auth::phone_key::PhoneKey;
use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, DaybookId, DeviceId, PartyId};

pub use barred::{Barred, Owner};
pub use book::Book;
pub use download::Download;
pub use entry::Entry;
pub use session::Session;
pub use sync::Report;
pub use transport::{Http, InProcess, NoAnswer, Transport};

/// Changes of one request; what a server takes in one transaction.
pub const PUSH_CHANGES_MAX: usize = 256;
/// Bytes of changes of one request.
pub const PUSH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a phone could not do something.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("the phone is offline")]
    Offline,
    #[error("the phone is not enrolled")]
    NotEnrolled,
    /// Nothing was written and nothing is lost: the sync goes on after so many seconds.
    #[error("the server takes no more for {seconds} s")]
    Wait { seconds: u64 },
    #[error("the server answered {status} {code}: {detail}")]
    Refused { status: u16, code: String, detail: String },
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    #[error(transparent)]
    Document(#[from] AutomergeError),
    #[error(transparent)]
    Key(#[from] KeyError),
    /// All else was synced. What is recorded stays on the phone.
    #[error("the server does not take this phone's own daybook: {code}")]
    OwnBarred { code: String },
    #[error("sync does not come to an end")]
    Endless,
}

/// Where a phone's randomness comes from: the machine, or a seed.
pub type RandomSource = Box<dyn FnMut(&mut [u8]) + Send + Sync>;

/// What the phone's clock says: milliseconds since 1970.
pub type ClockSource = Box<dyn Fn() -> i64 + Send + Sync>;

/// A phone.
pub struct Phone<T> {
    pub name: String,
    pub party: PartyId,
    pub device: DeviceId,
    /// The daybook that it records in.
    pub own: DaybookId,
    pub books: BTreeMap<DaybookId, Book>,
    /// This phone's own register for counting.
    pub register: String,
    /// When it writes, by its clock, wrong or right: milliseconds since 1970. Stands still until it is set.
    pub now_ms: i64,
    /// Its clock when it syncs.
    pub clock: ClockSource,
    pub verdicts: HashMap<ActivityId, Verdict>,
    pub form: Form,
    pub session: Session<T>,
    met: Vec<MetParty>,
    verdicts_after: Option<String>,
    random: RandomSource,
    offline: bool,
}

impl<T: Transport> Phone<T> {
    /// A phone at its first start: it makes its key and ids and can record from now on.
    ///
    /// # Errors
    /// [`PhoneError::Key`] if no key can be made.
    pub fn new(
        name: &str,
        transport: T,
        public_url: &str,
        clock: ClockSource,
        mut random: RandomSource,
    ) -> Result<Self, PhoneError> {
        let now_ms = clock();
        let key = PhoneKey::generate(&mut |bytes| random(bytes))?;
        let party = PartyId(uuid(&mut random, now_ms));
        let own = DaybookId(uuid(&mut random, now_ms));
        let device = DeviceId(uuid(&mut random, now_ms));
        let register = register(&mut random);
        let mut actor = [0; 16];
        random(&mut actor);
        let begun = Book { owner: Owner::Person, ..Book::new(own, actor) };
        Ok(Self {
            name: name.to_owned(),
            party,
            device,
            own,
            books: BTreeMap::from([(own, begun)]),
            register,
            now_ms,
            clock,
            verdicts: HashMap::new(),
            form: Form::Json,
            session: Session::new(transport, public_url, key),
            met: Vec::new(),
            verdicts_after: None,
            random,
            offline: false,
        })
    }

    /// A fresh id, made on the phone.
    pub fn uuid(&mut self) -> Uuid {
        uuid(&mut self.random, self.now_ms)
    }

    /// Fresh random bytes.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    /// No signal.
    pub fn go_offline(&mut self) {
        self.offline = true;
    }

    /// Signal again.
    pub fn go_online(&mut self) {
        self.offline = false;
    }

    /// Somebody whom the phone meets: gets an id here, and a name that the next sync brings along.
    pub fn meet(&mut self, name: &str) -> PartyId {
        let id = PartyId(self.uuid());
        self.met.push(MetParty { id, name: name.to_owned() });
        id
    }

    /// Records an activity of its own, offline or not: one change.
    ///
    /// # Errors
    /// [`PhoneError::Document`].
    pub fn record(
        &mut self,
        kind: Kind,
        day: &str,
        write: impl FnOnce(&mut Entry<'_>),
    ) -> Result<ActivityId, PhoneError> {
        let id = ActivityId(self.uuid());
        self.edit(id, |entry| {
            entry.kind(kind).day(day);
            write(entry);
        })?;
        Ok(id)
    }

    /// Writes in an activity of its own daybook: one change.
    ///
    /// # Errors
    /// [`PhoneError::Document`].
    pub fn edit(&mut self, id: ActivityId, write: impl FnOnce(&mut Entry<'_>)) -> Result<(), PhoneError> {
        self.edit_in(self.own, id, write)
    }

    /// Writes in an activity of one of its daybooks: one change.
    ///
    /// # Errors
    /// [`PhoneError::Document`].
    pub fn edit_in(
        &mut self,
        book: DaybookId,
        id: ActivityId,
        write: impl FnOnce(&mut Entry<'_>),
    ) -> Result<(), PhoneError> {
        let (now_ms, register) = (self.now_ms, self.register.clone());
        let book = self.book(book);
        let map = book.activity(id)?;
        let mut entry = Entry { doc: &mut book.doc, map, register: &register, result: Ok(()) };
        write(&mut entry);
        entry.result?;
        book.commit(now_ms);
        Ok(())
    }

    /// One of its daybooks; an empty one is begun if it is not on the phone yet.
    pub fn book(&mut self, id: DaybookId) -> &mut Book {
        let mut actor = [0; 16];
        (self.random)(&mut actor);
        self.books.entry(id).or_insert_with(|| Book::new(id, actor))
    }

    /// Counts on in a register that nobody else has.
    fn renew_register(&mut self) {
        self.register = register(&mut self.random);
    }

    /// Its own daybook.
    pub fn own_book(&mut self) -> &mut Book {
        self.book(self.own)
    }

    /// The app starts again: every daybook is written under a fresh actor from now on, and counting goes on in a
    /// fresh register. The storage may be an old copy, or be copied: nobody else counts in this one.
    pub fn restart(&mut self) {
        self.renew_register();
        for book in self.books.values_mut() {
            let mut actor = [0; 16];
            (self.random)(&mut actor);
            book.restart(actor);
        }
    }
}

fn register(random: &mut RandomSource) -> String {
    let mut bytes = [0; 4];
    random(&mut bytes);
    hex::encode(bytes)
}

fn uuid(random: &mut RandomSource, now_ms: i64) -> Uuid {
    let mut bytes = [0; 10];
    random(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or_default(), &bytes).into_uuid()
}
