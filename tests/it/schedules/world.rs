//! One resident's programs on one daybook, and what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use automerge::{ROOT, ReadDoc as _};
use axum::Router;
use axum::http::{Request, Response};
use daybook::domain::ids::{ActivityId, DaybookId, InvitationId, NeighbourhoodId, PartyId};
use daybook::flows::{invite, neighbourhoods};
use daybook::phone::{Book, InProcess, NoAnswer, Phone, Transport};

use super::backup::Backup;
use crate::always::dice::Dice;
use crate::always::radio::{Air, Fate};
use crate::support::TestApp;
use crate::support::app::PUBLIC_URL;

/// Programs of the resident.
const PROGRAMS: usize = 3;

/// A phone's way to whatever process of the server runs now.
#[derive(Clone)]
pub struct Line {
    server: Arc<Mutex<Router>>,
    air: Arc<Air>,
}

impl Transport for Line {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let fate = self.air.fate();
        if fate == Some(Fate::RequestLost) {
            return Err(NoAnswer("the request was lost".to_owned()));
        }
        let server = self.server.lock().expect("not poisoned").clone();
        let answer = InProcess(server).send(request).await?;
        if fate == Some(Fate::AnswerLost) {
            return Err(NoAnswer("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

/// What a phone's storage holds.
#[derive(Clone)]
pub struct Copy {
    pub book: Book,
    pub register: String,
}

/// A program with the phone that it runs on.
pub struct Program {
    pub phone: Phone<Line>,
    pub air: Arc<Air>,
    pub copy: Option<Copy>,
}

impl Program {
    pub fn stored(&mut self) -> Copy {
        Copy { book: self.phone.own_book().clone(), register: self.phone.register.clone() }
    }

    /// Goes on with what this storage holds, as it is.
    pub fn start_from(&mut self, stored: Copy) {
        self.phone.books.insert(stored.book.id, stored.book);
        self.phone.register = stored.register;
    }

    pub fn has(&mut self, id: ActivityId) -> bool {
        self.phone.own_book().doc.get(ROOT, id.to_string()).expect("reads").is_some()
    }
}

/// Something that was written, named by a number that is written nowhere else.
#[derive(Debug)]
pub struct Deed {
    pub activity: ActivityId,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    Recorded,
    /// The number was put under this key, in place of these.
    Put(&'static str, BTreeSet<i64>),
    /// So many bags were counted; the number stands beside.
    Counted(i64),
    /// The number was added to the note.
    Noted,
}

/// The resident and the server.
pub struct World<'a> {
    app: &'a TestApp,
    replica: Option<TestApp>,
    server: Arc<Mutex<Router>>,
    pub neighbourhood: NeighbourhoodId,
    pub party: PartyId,
    pub own: DaybookId,
    pub dice: Dice,
    pub programs: Vec<Program>,
    pub backup: Option<Backup>,
    /// By their numbers.
    pub deeds: BTreeMap<i64, Deed>,
    pub activities: Vec<ActivityId>,
    /// What happened, for whoever has to find out why.
    pub story: Vec<String>,
    /// How often what happened.
    pub reached: BTreeMap<&'static str, u64>,
}

impl<'a> World<'a> {
    pub async fn new(app: &'a TestApp, seed: u64) -> Self {
        let neighbourhood = NeighbourhoodId(app.app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&app.app, neighbourhood, &format!("Schedule {seed}"), zone)
            .await
            .expect("made");
        let mut world = Self {
            app,
            replica: None,
            server: Arc::new(Mutex::new(app.router.clone())),
            neighbourhood,
            party: PartyId(app.app.uuid()),
            own: DaybookId(app.app.uuid()),
            dice: Dice::new(seed),
            programs: Vec::new(),
            backup: None,
            deeds: BTreeMap::new(),
            activities: Vec::new(),
            story: Vec::new(),
            reached: BTreeMap::new(),
        };
        for at in 0..PROGRAMS {
            world.enrol(at).await;
        }
        world
    }

    pub fn app(&self) -> &TestApp {
        self.replica.as_ref().unwrap_or(self.app)
    }

    async fn enrol(&mut self, at: usize) {
        let air = Arc::new(Air::default());
        let line = Line { server: self.server.clone(), air: air.clone() };
        let random = Mutex::new(Dice::new(self.dice.next()));
        let fill = move |bytes: &mut [u8]| random.lock().expect("not poisoned").fill(bytes);
        let name = format!("Asha's program {at}");
        let clock = self.app.phone_clock();
        let mut phone = Phone::new(&name, line, PUBLIC_URL, clock, Box::new(fill)).expect("a phone");
        let party = (at > 0).then_some(self.party);
        let invited = invite::Invited { id: InvitationId(self.app.app.uuid()), coordinator: false, party };
        let made =
            invite::create(&self.app.app, self.neighbourhood, None, invited).await.expect("an invitation");
        phone.enrol(&made.1.text).await.expect("enrolled");
        if at == 0 {
            (self.party, self.own) = (phone.party, phone.own);
        } else {
            phone.books.clear();
            phone.own = self.own;
            phone.book(self.own);
        }
        self.programs.push(Program { phone, air, copy: None });
    }

    pub fn told(&mut self, what: &'static str, more: String) {
        *self.reached.entry(what).or_insert(0) += 1;
        self.story.push(format!("{what} {more}"));
    }

    /// Rows of the neighbourhood as they are now.
    pub async fn back_up(&mut self) {
        self.backup = Some(Backup::take(self.app.app.db(), self.neighbourhood).await);
    }

    /// The server goes back to its backup, and starts anew.
    pub async fn restore_server(&mut self) {
        let Some(backup) = &self.backup else { return };
        backup.restore(self.app.app.db()).await;
        let replica = self.app.another_replica().await;
        *self.server.lock().expect("not poisoned") = replica.router.clone();
        self.replica = Some(replica);
        self.told("server restored", String::new());
    }

    pub async fn leave(&mut self) {
        if let Some(backup) = self.backup.take() {
            backup.drop(self.app.app.db()).await;
        }
    }
}
