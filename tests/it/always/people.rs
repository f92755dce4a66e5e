//! What coordinators do about people and accounts in between: two parties made one, accounts closed, people put into
//! organisations and groups, and out of them.

use axum::http::Method;
use daybook::domain::ids::PartyId;
use daybook::phone::PhoneError;
use serde_json::{Value, json};

use super::world::{DESKS, World};

/// Refusals that a person may meet: an id that no sync has brought yet, one that stands for another already, one's own.
const REFUSALS: [&str; 5] = ["not_found", "alias_elsewhere", "is_alias", "same_party", "own_credit"];
/// Phones of the group's members who may leave it and come back, each with what else is theirs.
const FRIENDS: [(usize, &[usize]); 2] = [(0, &[0, 1]), (2, &[2])];

impl World<'_> {
    /// One request about people or accounts: the status, or the code that it is refused with.
    async fn manage(
        &mut self,
        desk: usize,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Result<Result<u16, String>, String> {
        let phone = &mut self.phones[desk].phone;
        phone.go_online();
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        match phone.request(method.clone(), path, "application/json", body).await {
            Ok(answer) => Ok(Ok(answer.status().as_u16())),
            Err(PhoneError::Refused { code, .. }) if REFUSALS.contains(&code.as_str()) => Ok(Err(code)),
            Err(error) => Err(format!("{method} {path}: {error}")),
        }
    }

    /// The same, and sent again where it was done: that changes nothing.
    async fn manage_twice(
        &mut self,
        desk: usize,
        (method, path): (Method, &str),
        body: &Value,
    ) -> Result<Result<u16, String>, String> {
        let done = self.manage(desk, (method.clone(), path), Some(body)).await?;
        self.check().await?;
        if done == Ok(201) {
            let before = self.digest().await;
            let again = self.manage(desk, (method, path), Some(body)).await?;
            let after = self.digest().await;
            if again != Ok(200) || before != after {
                return Err(format!("{path} again: {again:?}\n{before}\n{after}"));
            }
        }
        Ok(done)
    }

    /// Two parties turn out to be one person: mostly somebody whom phones met, or the hub entered, sometimes somebody
    /// with a phone of their own.
    pub(super) async fn join(&mut self) -> Result<(), String> {
        let with_phone = self.out.is_none() && self.dice.percent(12);
        let (asha, bo) = (self.phones[FRIENDS[0].0].phone.party, self.phones[FRIENDS[1].0].phone.party);
        let alias = if with_phone { bo } else { self.dice.of(&self.without_phone) };
        let party = if with_phone { asha } else { self.people[self.dice.below(self.people.len())] };
        let desk = self.dice.of(&DESKS);
        let path = format!("/v1/parties/{party}/aliases/{alias}");
        let body = json!({ "reason": "You were entered twice." });
        let joined = self.manage_twice(desk, (Method::PUT, &path), &body).await?;
        self.forget_access();
        self.story.push(format!("{alias} is {party}: {joined:?}"));
        if joined == Ok(201) {
            self.reached.insert("alias".to_owned());
            self.unknown.retain(|unknown| *unknown != alias);
            // Whoever of the two leaves the group now would leave it empty.
            self.one_friend |= alias == bo;
        }
        Ok(())
    }

    /// An account is given up; what it holds goes to the neighbourhood's.
    pub(super) async fn close_account(&mut self) -> Result<(), String> {
        let accounts: Vec<PartyId> = self.people.iter().copied().chain([self.group]).collect();
        let (account, desk) = (self.dice.of(&accounts), self.dice.of(&DESKS));
        let path = format!("/v1/accounts/{account}/closing");
        let body = json!({ "id": self.phones[desk].phone.uuid(), "reason": "You moved away." });
        let closed = self.manage_twice(desk, (Method::POST, &path), &body).await?;
        self.story.push(format!("account {account} closed: {closed:?}"));
        if closed == Ok(201) {
            self.reached.insert("closing".to_owned());
        }
        Ok(())
    }

    /// Somebody begins to work for an organisation, or stops; somebody leaves the group, or is back.
    pub(super) async fn change_places(&mut self) -> Result<(), String> {
        if self.dice.percent(50) {
            return self.act_for().await;
        }
        match self.out {
            Some(_) => self.come_back().await,
            None if self.one_friend => Ok(()),
            None => self.leave().await,
        }
    }

    async fn act_for(&mut self) -> Result<(), String> {
        let who = self.people[self.dice.below(self.people.len())];
        let path = format!("/v1/parties/{}/members/{who}", self.organisation);
        let desk = self.dice.of(&DESKS);
        let put = self.dice.percent(65);
        let capacity = self.dice.of(&["professional", "professional", "lay"]);
        let body = json!({ "capacity": capacity, "from_day": self.day() });
        let done = if put {
            self.manage(desk, (Method::PUT, &path), Some(&body)).await?
        } else {
            self.manage(desk, (Method::DELETE, &path), None).await?
        };
        self.forget_access();
        self.told(format!("{} {who}: {done:?}", if put { "hired" } else { "dismissed" }));
        self.check().await
    }

    /// Somebody leaves the group, whose phones have sent all: what they wrote stays.
    async fn leave(&mut self) -> Result<(), String> {
        let (who, phones) = FRIENDS[self.dice.below(FRIENDS.len())];
        for index in phones {
            let handset = &mut self.phones[*index];
            handset.air.calm();
            handset.phone.go_online();
            let synced = handset.phone.sync().await.map_err(|error| format!("phone {index}: {error}"))?;
            if synced.refused > 0 || !synced.stalled.is_empty() {
                return Err(format!("phone {index} leaves the group: {synced:?}"));
            }
            // An older copy might hold what was never sent.
            handset.copy = Some(handset.phone.books.clone());
            handset.writes.retain(|book| *book != self.group_book);
            self.pushed.extend(handset.air.arrived().into_iter().map(|body| (*index, body)));
        }
        let path = format!("/v1/parties/{}/members/{}", self.group, self.phones[who].phone.party);
        let left = self.manage(DESKS[0], (Method::DELETE, &path), None).await?;
        self.forget_access();
        if left != Ok(204) {
            return Err(format!("{path}: {left:?}"));
        }
        self.out = Some(who);
        self.told(format!("left phone {who}"));
        self.check().await
    }

    /// Whoever left the group is in it again.
    pub(super) async fn come_back(&mut self) -> Result<(), String> {
        let Some(who) = self.out.take() else { return Ok(()) };
        let path = format!("/v1/parties/{}/members/{}", self.group, self.phones[who].phone.party);
        let body = json!({ "capacity": self.dice.of(&["professional", "lay"]), "from_day": self.day() });
        let back = self.manage(DESKS[0], (Method::PUT, &path), Some(&body)).await?;
        self.forget_access();
        if back != Ok(204) {
            return Err(format!("{path}: {back:?}"));
        }
        let phones = FRIENDS.iter().filter(|(friend, _)| *friend == who).flat_map(|(_, phones)| *phones);
        for index in phones {
            self.phones[*index].writes.push(self.group_book);
        }
        self.told(format!("joined phone {who}"));
        self.check().await
    }

    /// Whether a phone is of somebody who has left the group.
    pub(super) fn is_out(&self, index: usize) -> bool {
        let out = FRIENDS.iter().find(|(who, _)| Some(*who) == self.out);
        out.is_some_and(|(_, phones)| phones.contains(&index))
    }

    /// Who may do what is remembered for seconds, which do not pass here.
    fn forget_access(&self) {
        self.replicas.iter().for_each(|replica| replica.app.forget_access());
    }
}
