//! A program that keeps a copy of a neighbourhood's activities and knows nothing but the API.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::support::TestApp;

/// The copy, and where it goes on.
pub struct Mirror {
    token: String,
    /// The lists that it copies.
    lists: &'static [&'static str],
    pub copy: BTreeMap<String, Value>,
    pub after: Option<String>,
    /// How many events it has heard of.
    pub heard: usize,
}

/// What everybody reads alike: lists leave out who wrote which value.
fn plain(mut activity: Value) -> Value {
    activity.as_object_mut().expect("an activity").remove("conflicts");
    activity
}

impl Mirror {
    pub fn new(token: String, lists: &'static [&'static str]) -> Self {
        Self { token, lists, copy: BTreeMap::new(), after: None, heard: 0 }
    }

    pub async fn get(&self, server: &TestApp, path: &str) -> (StatusCode, Value) {
        let bearer = format!("Bearer {}", self.token);
        server.request(Method::GET, path, &[("authorization", &bearer)], "").await
    }

    /// All that the lists hold, and where to follow from.
    async fn listed(&self, server: &TestApp) -> (BTreeMap<String, Value>, String) {
        let (mut all, mut follow) = (BTreeMap::new(), None);
        for list in self.lists {
            let mut path = (*list).to_owned();
            loop {
                let (status, page) = self.get(server, &path).await;
                assert_eq!(status, 200, "{page}");
                for item in page["items"].as_array().expect("items") {
                    all.insert(item["id"].as_str().expect("an id").to_owned(), plain(item.clone()));
                }
                if let Some(after) = page["events_after"].as_str() {
                    // Of several lists the earliest: what is heard twice does no harm.
                    follow.get_or_insert_with(|| after.to_owned());
                }
                let Some(next) = page["next"].as_str() else { break };
                let query = if list.contains('?') { '&' } else { '?' };
                path = format!("{list}{query}limit=7&after={next}");
            }
        }
        (all, follow.expect("where to follow from"))
    }

    /// Lists once, then follows: one page of events. Whether there is more.
    pub async fn step(&mut self, server: &TestApp, limit: usize) -> bool {
        let Some(after) = self.after.clone() else {
            let (copy, after) = self.listed(server).await;
            (self.copy, self.after) = (copy, Some(after));
            return true;
        };
        let (status, page) = self.get(server, &format!("/v1/events?limit={limit}&after={after}")).await;
        assert_eq!(status, 200, "{page}");
        for event in page["items"].as_array().expect("items") {
            self.heard += 1;
            self.take(server, event).await;
        }
        self.after = page["events_after"].as_str().map(str::to_owned);
        page["next"].is_string()
    }

    async fn take(&mut self, server: &TestApp, event: &Value) {
        if !event["type"].as_str().is_some_and(|kind| kind.starts_with("activity.")) {
            return;
        }
        let id = event["subject"].as_str().expect("a subject");
        let known = self.copy.get(id).and_then(|there| there["revision"].as_i64()).unwrap_or(-1);
        let gone = event["reason"] == "not_visible";
        if gone {
            self.copy.remove(id);
        } else if event["revision"].as_i64().expect("a revision") > known {
            let (status, now) = self.get(server, &format!("/v1/activities/{id}")).await;
            match status.as_u16() {
                200 => drop(self.copy.insert(id.to_owned(), plain(now))),
                404 => drop(self.copy.remove(id)),
                _ => panic!("{now}"),
            }
        }
    }

    /// Follows to the end, and compares with what the lists hold.
    pub async fn is_the_same(&mut self, server: &TestApp) {
        while self.step(server, 200).await {}
        let (listed, _) = self.listed(server).await;
        for (id, there) in &listed {
            assert_eq!(self.copy.get(id), Some(there), "{id} in the copy and on the server");
        }
        assert_eq!(self.copy.len(), listed.len());
    }
}
