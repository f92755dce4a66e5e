//! Five weeks in a neighbourhood: who did what, told through phones that sync over HTTP.

use anyhow::Context as _;
use chrono::{Days, NaiveDate};

use super::super::replay::Seeded;
use super::invitation;
use crate::api::decisions::{DecisionRequest, DecisionsAnswer, DecisionsRequest, StepName};
use crate::app::{App, Random as _, SystemRandom};
use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, DecisionId, NeighbourhoodId, PartyId};
use crate::domain::time::civil_day;
use crate::flows::judge;
use crate::phone::{Entry, Http, Phone};

/// Who coordinates; a resident too.
pub const COORDINATOR: &str = "Maryam";
/// Whose token is printed.
pub const RESIDENT: &str = "Asha";
const OTHERS: [&str; 10] =
    ["Ben", "Carol", "Dev", "Esther", "Farah", "Gwen", "Hamza", "Imani", "Joe", "Khadija"];
const WEEKS: u64 = 5;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Places around Moseley Road and Calthorpe Park.
const PLACES: [(&str, f64, f64); 6] = [
    ("Calthorpe Park gates", 52.4586, -1.8967),
    ("the alley behind Ladypool Road", 52.4561, -1.8815),
    ("Moseley Road bus stops", 52.4570, -1.8840),
    ("Balsall Heath Park", 52.4528, -1.8881),
    ("Edward Road", 52.4549, -1.8905),
    ("the canal steps", 52.4609, -1.8922),
];
const LITTER: [&str; 6] =
    ["smoking.butts", "softdrinks.can", "food.wrapper", "alcohol.bottle", "coffee.cup", "other.plastic_bag"];
const PRODUCTS: [(&str, i64, &str); 5] = [
    ("Kettle", 14, "Does not heat"),
    ("Toaster", 31, "Lever does not stay down"),
    ("Lamp", 15, "Flickers"),
    ("Vacuum", 34, "Belt worn"),
    ("Portable radio", 23, "No sound"),
];

/// The two people whom the demo prints.
pub struct Told {
    pub coordinator: PartyId,
    pub resident: PartyId,
}

struct Stage<'a> {
    app: &'a App,
    neighbourhood: NeighbourhoodId,
    today: NaiveDate,
    random: Seeded,
}

/// Plays everything and lets the clerk finish.
pub async fn play(app: &App, neighbourhood: NeighbourhoodId) -> anyhow::Result<Told> {
    let today = civil_day(app.now_ms(), chrono_tz::Europe::London).context("today")?;
    let mut stage = Stage { app, neighbourhood, today, random: Seeded::new(2009) };
    let mut maryam = stage.phone(COORDINATOR, true).await?;
    let mut asha = stage.phone(RESIDENT, false).await?;
    let mut phones = Vec::new();
    for name in OTHERS {
        phones.push(stage.phone(name, false).await?);
    }
    let (coordinator, resident) = (maryam.party, asha.party);
    for phone in phones.iter_mut().chain([&mut maryam, &mut asha]) {
        stage.weeks(phone)?;
    }
    stage.gathering(&mut asha, coordinator)?;
    stage.same_pick_twice(&mut phones)?;
    stage.long_day(&mut phones)?;
    // Joe's phone was offline all the time; everybody else syncs first, in no particular order.
    let joe = OTHERS.iter().position(|name| *name == "Joe").unwrap_or_default();
    let mut order: Vec<usize> = (0..phones.len()).filter(|at| *at != joe).collect();
    while !order.is_empty() {
        let next = order.swap_remove(stage.random.below(order.len()));
        phones[next].sync().await?;
    }
    asha.sync().await?;
    maryam.sync().await?;
    stage.two_phones_disagree(&mut asha).await?;
    phones[joe].sync().await?;
    judge::until_quiet(app, neighbourhood).await?;
    stage.decide(&mut maryam).await?;
    for phone in phones.iter_mut().chain([&mut maryam, &mut asha]) {
        phone.sync().await?;
    }
    Ok(Told { coordinator, resident })
}

impl Stage<'_> {
    async fn phone(&self, name: &str, coordinator: bool) -> anyhow::Result<Phone<Http>> {
        let mut phone = self.blank_phone(name)?;
        phone.enrol(&invitation(self.app, self.neighbourhood, coordinator).await?).await?;
        Ok(phone)
    }

    fn blank_phone(&self, name: &str) -> anyhow::Result<Phone<Http>> {
        let transport = Http::new(self.app.public_url())?;
        let random = SystemRandom;
        let source = Box::new(move |bytes: &mut [u8]| random.fill(bytes));
        let app = self.app.clone();
        Ok(Phone::new(name, transport, self.app.public_url(), Box::new(move || app.now_ms()), source)?)
    }

    /// A day so many days ago, with the phone's clock on it.
    fn ago(&self, phone: &mut Phone<Http>, days: u64) -> String {
        phone.now_ms = self.app.now_ms() - i64::try_from(days).unwrap_or(0) * DAY_MS;
        self.today.checked_sub_days(Days::new(days)).unwrap_or(self.today).to_string()
    }

    /// One to two records a week, on the phone alone.
    fn weeks(&mut self, phone: &mut Phone<Http>) -> anyhow::Result<()> {
        for week in 0..WEEKS {
            for _ in 0..1 + self.random.below(2) {
                let days = week * 7 + u64::try_from(self.random.below(7)).unwrap_or(0);
                let day = self.ago(phone, days);
                self.one(phone, &day)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, phone: &mut Phone<Http>, day: &str) -> anyhow::Result<()> {
        let me = phone.party;
        let minutes = 15 * i64::try_from(1 + self.random.below(8)).unwrap_or(1);
        let (place, lat, lon) = PLACES[self.random.below(PLACES.len())];
        let at = move |entry: &mut Entry<'_>| {
            entry.minutes(me, minutes).place(lat, lon, 12.0).put("minutes_source", "recalled");
        };
        match self.random.below(4) {
            0 => {
                let (item, count) = (LITTER[self.random.below(LITTER.len())], 5 + self.random.below(60));
                phone.record(Kind::LitterPick, day, |entry| {
                    at(entry);
                    entry.count(item, i64::try_from(count).unwrap_or(0)).count("bags", 1 + minutes / 60);
                    entry.put("grade.before", "C").put("grade.after", "A").note(&format!("Around {place}"));
                })?;
            }
            1 => {
                let (product, category, problem) = PRODUCTS[self.random.below(PRODUCTS.len())];
                let fixed = self.random.below(3) > 0;
                phone.record(Kind::Repair, day, |entry| {
                    entry
                        .minutes(me, minutes)
                        .put("repair.product", product)
                        .put("repair.category_id", category);
                    entry
                        .put("repair.problem", problem)
                        .put("repair.status", if fixed { "Fixed" } else { "Repairable" });
                })?;
            }
            2 => {
                phone.record(Kind::StreetFix, day, |entry| {
                    at(entry);
                    entry.put("street.service_code", "overgrown").note(&format!("Cut back at {place}"));
                })?;
            }
            _ => {
                phone.record(Kind::Hours, day, |entry| {
                    entry.minutes(me, minutes).put("phase", "planning").note("Planning the spring clean");
                })?;
            }
        }
        Ok(())
    }

    /// Nine people pick litter together; three are named, one of them met that day and not known yet.
    fn gathering(&mut self, asha: &mut Phone<Http>, coordinator: PartyId) -> anyhow::Result<()> {
        let day = self.ago(asha, 9);
        let (me, met) = (asha.party, asha.meet("Lotte"));
        asha.record(Kind::LitterPick, &day, |entry| {
            entry.minutes(me, 90).minutes(coordinator, 90).minutes(met, 90).totals(9, 810);
            entry.count("bags", 14).place(52.4586, -1.8967, 10.0).note("Saturday pick in Calthorpe Park");
        })?;
        Ok(())
    }

    /// Ben and Carol picked together and both wrote it down, each naming the other.
    fn same_pick_twice(&mut self, phones: &mut [Phone<Http>]) -> anyhow::Result<()> {
        let parties = [phones[0].party, phones[1].party];
        for (at, minutes) in [(0, 90), (1, 100)] {
            let day = self.ago(&mut phones[at], 2);
            let start = phones[at].now_ms;
            phones[at].record(Kind::LitterPick, &day, |entry| {
                entry.started_at(start).minutes(parties[0], minutes).minutes(parties[1], minutes);
                entry.count("bags", 3).place(52.4561, -1.8815, 9.0).note("The alley, together");
            })?;
        }
        Ok(())
    }

    /// Ten hours in one day: a person looks at it.
    fn long_day(&mut self, phones: &mut [Phone<Http>]) -> anyhow::Result<()> {
        let day = self.ago(&mut phones[2], 4);
        let me = phones[2].party;
        phones[2].record(Kind::Hours, &day, |entry| {
            entry.minutes(me, 600).note("Setting up the repair café, all day");
        })?;
        Ok(())
    }

    /// Asha's phone and tablet are offline and correct the same record differently.
    async fn two_phones_disagree(&mut self, asha: &mut Phone<Http>) -> anyhow::Result<()> {
        let day = self.ago(asha, 1);
        let me = asha.party;
        let id = asha.record(Kind::StreetFix, &day, |entry| {
            entry.minutes(me, 40).put("street.service_code", "fly-posting").place(52.4570, -1.8840, 8.0);
        })?;
        asha.sync().await?;
        let body = serde_json::json!({ "id": self.app.uuid(), "party_id": me });
        let invited: crate::api::invitations::InvitationView = asha.post("/v1/invitations", &body).await?;
        let mut tablet = self.blank_phone("Asha's tablet")?;
        tablet.enrol(invited.token.as_deref().context("an invitation")?).await?;
        tablet.book(asha.own);
        tablet.sync().await?;
        asha.edit(id, |entry| {
            entry.minutes(me, 50);
        })?;
        tablet.edit_in(asha.own, id, |entry| {
            entry.minutes(me, 60);
        })?;
        asha.sync().await?;
        tablet.sync().await?;
        asha.sync().await?;
        Ok(())
    }

    /// The coordinator approves the long day after asking, and sends one back.
    async fn decide(&mut self, maryam: &mut Phone<Http>) -> anyhow::Result<()> {
        let page: serde_json::Value = maryam.get("/v1/activities?review=received&limit=200").await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let long = items.iter().find(|item| item["parties"][0]["minutes"] == 600);
        let twice = items.iter().find(|item| item["note"] == "The alley, together");
        let mut decisions = Vec::new();
        for (item, step, reason) in [
            (long, StepName::Approve, "Confirmed with the café: it was a long day. Thank you!"),
            (
                twice,
                StepName::AskForChanges,
                "It looks as if this pick is written down twice. Which of the two is right?",
            ),
        ] {
            let Some(item) = item else { continue };
            decisions.push(DecisionRequest {
                id: DecisionId(self.app.uuid()),
                activity_id: item["id"].as_str().unwrap_or_default().parse::<ActivityId>()?,
                version: item["version"].as_str().unwrap_or_default().to_owned(),
                decision_seq: item["decision_seq"].as_i64().unwrap_or_default(),
                step,
                reason: Some(reason.to_owned()),
                corrections: None,
                reclassification: None,
                settles: Vec::new(),
                members: Vec::new(),
                decision_id: None,
            });
        }
        let answer: DecisionsAnswer =
            maryam.post("/v1/decisions", &DecisionsRequest { items: decisions, token: None }).await?;
        for item in answer.items.iter().filter(|item| item.status != 201) {
            tracing::warn!(
                code = item.code.as_deref().unwrap_or_default(),
                "a decision of the demo was refused"
            );
        }
        Ok(())
    }
}
