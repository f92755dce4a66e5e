//! The phones of a replay, and the coordinator's desk that invites them and reads everything back.

use anyhow::Context as _;

use super::ords::named;
use crate::api::activity_view::ActivityView;
use crate::api::grants::{GrantRequest, GrantView};
use crate::api::invitations::{InvitationRequest, InvitationView};
use crate::api::oauth::ResourceMetadata;
use crate::api::types::{Instant, Page};
use crate::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use crate::domain::ids::{DaybookId, GrantId, InvitationId, PartyId};
use crate::phone::{Book, Http, Phone, PhoneError};

/// How long the token made for an invitation is good for.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;

/// A small generator for orders and choices (splitmix64): the same seed gives the same, everywhere.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }
}

/// The phone of a group: party and daybook come from its name, so that another run is another device of the
/// same resident; device, key and actor are fresh.
///
/// # Errors
/// [`PhoneError`] if no key can be made.
pub fn phone(transport: Http, public_url: &str, group: &str) -> Result<Phone<Http>, PhoneError> {
    let name = if group.is_empty() { "Somebody" } else { group };
    let random = SystemRandom;
    let clock = Box::new(|| SystemClock.now_ms());
    let mut phone =
        Phone::new(name, transport, public_url, clock, Box::new(move |bytes| random.fill(bytes)))?;
    phone.party = PartyId(named("replay party", group));
    phone.own = DaybookId(named("replay daybook", group));
    let book = Book::new(phone.own, phone.random());
    phone.books = [(phone.own, book)].into();
    Ok(phone)
}

/// A coordinator with a personal token.
#[derive(Debug)]
pub struct Desk {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Desk {
    /// At this server, with this token, or one of its own for the invitation of a coordinator.
    ///
    /// # Errors
    /// If the invitation is not good, or no client can be made.
    pub async fn open(url: &str, token: Option<&str>, invitation: Option<&str>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(60)).build()?;
        let mut desk = Self { client, url: url.trim_end_matches('/').to_owned(), token: String::new() };
        desk.token = match (token, invitation) {
            (Some(token), _) => token.to_owned(),
            (None, Some(invitation)) => desk.token_for(invitation).await?,
            (None, None) => anyhow::bail!("give --token or --invitation"),
        };
        Ok(desk)
    }

    async fn token_for(&self, invitation: &str) -> anyhow::Result<String> {
        let mut phone = phone(Http::new(&self.url)?, &self.public_url().await?, "Replay desk")?;
        (phone.party, phone.own) = (PartyId(phone.uuid()), DaybookId(phone.uuid()));
        phone.enrol(invitation).await.context("the invitation is not good")?;
        let request = GrantRequest {
            id: GrantId(phone.uuid()),
            name: "daybook replay".to_owned(),
            scope: "manage reconcile activities:read".parse()?,
            expires_at: Instant(SystemClock.now_ms() + TOKEN_LIFE_MS),
        };
        let grant: GrantView = phone.post("/v1/grants", &request).await?;
        grant.token.context("the server keeps the token to itself")
    }

    /// What the server calls itself: proofs are made for that address.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn public_url(&self) -> anyhow::Result<String> {
        let url = format!("{}/.well-known/oauth-protected-resource", self.url);
        let metadata: ResourceMetadata =
            self.client.get(url).send().await?.error_for_status()?.json().await?;
        Ok(metadata.resource)
    }

    /// An invitation for a new party, or for a further device of one that is there.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn invite(&self, party: PartyId) -> anyhow::Result<String> {
        let there = self.get(&format!("/v1/parties/{party}")).send().await?;
        let known = there.status().is_success();
        anyhow::ensure!(
            known || there.status().as_u16() == 404,
            "the token may not see parties: {}",
            there.status()
        );
        let mut random = [0; 16];
        SystemRandom.fill(&mut random);
        let id = InvitationId(uuid::Builder::from_random_bytes(random).into_uuid());
        let request = InvitationRequest { id, coordinator: false, party_id: known.then_some(party) };
        let made =
            self.client.post(format!("{}/v1/invitations", self.url)).bearer_auth(&self.token).json(&request);
        let invitation: InvitationView = made.send().await?.error_for_status()?.json().await?;
        invitation.token.context("the server keeps the invitation's token to itself")
    }

    /// All repairs of the neighbourhood, page by page.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn repairs(&self) -> anyhow::Result<Vec<ActivityView>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/activities?kind=repair&limit=200{after}");
            let page: Page<ActivityView> = self.get(&path).send().await?.error_for_status()?.json().await?;
            all.extend(page.items);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(all),
            }
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token)
    }
}
