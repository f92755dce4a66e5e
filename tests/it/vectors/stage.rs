//! A server and phones that are the same each time, for what only a server can say.

use axum::http::Method;
use daybook::domain::ids::{DaybookId, InvitationId, NeighbourhoodId};
use daybook::flows::{invite, neighbourhoods};
use daybook::phone::{InProcess, Phone};
use serde_json::{Value, json};

use crate::examples::server::{PUBLIC_URL, Seeded, Server, start};
use crate::support::TestPhone;

/// The server, with a neighbourhood.
pub struct Stage {
    server: Server,
    neighbourhood: NeighbourhoodId,
}

impl Stage {
    pub async fn start() -> Self {
        let server = start().await;
        let neighbourhood = NeighbourhoodId(server.app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&server.app, neighbourhood, "Balsall Heath", zone).await.expect("made");
        Self { server, neighbourhood }
    }

    /// A resident's phone, enrolled.
    pub async fn phone(&self, name: &str) -> TestPhone {
        let app = self.server.app.clone();
        let random = Seeded::new(name);
        let random = Box::new(move |bytes: &mut [u8]| daybook::app::Random::fill(&random, bytes));
        let transport = InProcess(daybook::api::router(app.clone()));
        let id = InvitationId(app.uuid());
        let invited = invite::Invited { id, coordinator: false, party: None };
        let made = invite::create(&app, self.neighbourhood, None, invited).await.expect("an invitation");
        let clock = Box::new(move || app.now_ms());
        let mut phone = Phone::new(name, transport, PUBLIC_URL, clock, random).expect("a phone");
        phone.enrol(&made.1.text).await.expect("enrolled");
        phone
    }
}

/// A further daybook of a phone's resident.
pub async fn daybook(phone: &mut TestPhone) -> DaybookId {
    let id = DaybookId(phone.uuid());
    let _: Value = phone.post("/v1/daybooks", &json!({ "id": id })).await.expect("a daybook");
    id
}

/// The stored bytes of a daybook.
pub async fn downloaded(phone: &mut TestPhone, id: DaybookId) -> Vec<u8> {
    let path = format!("/v1/daybooks/{id}");
    let response = phone.request(Method::GET, &path, "application/json", Vec::new()).await;
    response.expect("an answer").into_body()
}
