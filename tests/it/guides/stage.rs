//! What each guide finds when it begins: a small neighbourhood, and what its readers hold.

use std::collections::BTreeMap;

use daybook::api::pages::Request;
use daybook::app::{Random as _, SystemRandom};
use daybook::auth::phone_key::PhoneKey;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::phone::Entry;
use serde_json::json;

use crate::support::app::{PUBLIC_URL, START_MS};
use crate::support::desk::rules;
use crate::support::{Backend, TestApp, TestPhone};

use super::compare::Known;

const RESIDENT: &str = "sync activities:read activities:write places:exact ledger:read";
const COORDINATOR: &str = "sync activities:read activities:write places:exact ledger:read reconcile manage";

/// The people of the guides, by the last digits of their ids.
const ASHA: &str = "a501";
const BO: &str = "b502";
const BILAL: &str = "c503";

/// A server, what the reader knows, and the reader's key.
pub struct Stage {
    pub app: TestApp,
    pub known: Known,
    key: PhoneKey,
}

impl Stage {
    /// What may be put into a request: what was kept, and a proof for it.
    pub fn known_for(&self, request: &Request) -> Known {
        let mut known = self.known.clone();
        let url = format!("{PUBLIC_URL}{}", request.path);
        let text = |name: &str| self.known.get(name).map(String::as_str);
        let token = request.headers.iter().any(|(name, _)| name == "Authorization");
        let token = text("access_token").filter(|_| token);
        let jti = self.app.app.uuid().to_string();
        let proof = self.key.proof(&request.method, &url, text("nonce"), token, START_MS / 1_000, &jti);
        known.insert("proof".to_owned(), proof.expect("a proof"));
        known
    }

    async fn empty() -> Self {
        let app = TestApp::start(Backend::Sqlite).await;
        // What is looked at by lot would be another record each time.
        let mut rules_by = app.coordinator("Dee").await;
        rules(&mut rules_by, json!({ "audit_percent": 0 })).await;
        let key = PhoneKey::generate(&mut |bytes| SystemRandom.fill(bytes)).expect("a key");
        Self { app, known: BTreeMap::new(), key }
    }

    fn know(&mut self, name: &str, value: impl ToString) {
        self.known.insert(name.to_owned(), value.to_string());
    }

    /// Asha has a token and an id for something new.
    pub async fn of_a_resident() -> Self {
        let mut stage = Self::empty().await;
        let mut asha = stage.enrolled("Asha", ASHA, false).await;
        let token = stage.app.personal_token(&mut asha, RESIDENT).await;
        stage.know("daybook_token", token);
        stage.know("party_id", asha.party);
        let id = stage.app.app.uuid();
        stage.know("activity_id", id);
        stage
    }

    /// Asha has an invitation and nothing else.
    pub async fn of_a_phone() -> Self {
        let mut stage = Self::empty().await;
        let invitation = stage.app.invitation(false).await;
        stage.know("invitation", invitation);
        stage
    }

    /// Bilal coordinates. Asha and Bo wrote down the same litter pick; Asha also hours with somebody new, and some
    /// with Bo.
    pub async fn of_a_coordinator() -> Self {
        let mut stage = Self::empty().await;
        let mut bilal = stage.enrolled("Bilal", BILAL, true).await;
        let mut asha = stage.enrolled("Asha", ASHA, false).await;
        let mut bo = stage.enrolled("Bo", BO, false).await;
        for (name, phone, scope) in [
            ("daybook_token", &mut bilal, COORDINATOR),
            ("asha_token", &mut asha, RESIDENT),
            ("bo_token", &mut bo, RESIDENT),
        ] {
            let token = stage.app.personal_token(phone, scope).await;
            stage.know(name, token);
        }
        let (a, b) = (asha.party, bo.party);
        let pick = |entry: &mut Entry<'_>| {
            entry.kind(Kind::LitterPick).day("2026-11-20").started_at(START_MS - 86_400_000);
            entry.place(52.4563, -1.8893, 8.0);
        };
        let write = |phone: &mut TestPhone, id: &str, entry: &dyn Fn(&mut Entry<'_>)| {
            phone.edit(self::id(id), |a| entry(a)).expect("recorded");
        };
        write(&mut asha, "1001", &|entry| {
            pick(entry);
            entry.minutes(a, 90).minutes(b, 60).count("bags", 3);
        });
        write(&mut bo, "1002", &|entry| {
            pick(entry);
            entry.minutes(b, 90).count("bags", 2);
        });
        // People stand in the order of their ids.
        asha.now_ms += 1;
        let carol = asha.meet("Carol");
        stage.know("carol", carol);
        write(&mut asha, "1003", &|entry| {
            entry.kind(Kind::Hours).day("2026-11-19").minutes(a, 60).minutes(carol, 60);
        });
        write(&mut asha, "1004", &|entry| {
            entry.kind(Kind::Hours).day("2026-11-18").minutes(a, 30).minutes(b, 30);
        });
        for phone in [&mut asha, &mut bo] {
            phone.sync().await.expect("synced");
            stage.app.judge().await;
            stage.app.pass(60_000);
        }
        stage
    }

    /// A phone with ids that the guides can name.
    async fn enrolled(&self, name: &str, digits: &str, coordinator: bool) -> TestPhone {
        let mut phone = self.app.new_phone(name);
        phone.books.clear();
        phone.party = PartyId(uuid(&format!("01a1fd8c-6900-7a51-8d2f-0c9e1b77{digits}")));
        phone.own = format!("01a1fd8c-6900-7b3d-9692-d9a1ea78{digits}").parse().expect("an id");
        phone.now_ms = START_MS;
        let invitation = self.app.invitation(coordinator).await;
        phone.enrol(&invitation).await.expect("enrolled");
        phone
    }
}

/// The activities that the guides name.
fn id(digits: &str) -> ActivityId {
    ActivityId(uuid(&format!("01a1fd8c-6900-7e20-b8c4-51f09d3a{digits}")))
}

fn uuid(text: &str) -> uuid::Uuid {
    text.parse().expect("a UUID")
}
