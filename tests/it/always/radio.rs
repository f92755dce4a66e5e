//! What lies between a phone and the replicas: requests get lost, answers get lost, either replica answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{Request, Response};
use daybook::phone::{InProcess, NoAnswer, Transport};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    RequestLost,
    AnswerLost,
}

/// The air around one phone.
#[derive(Debug, Default)]
pub struct Air {
    /// After how many more requests what happens to one.
    next: Mutex<Option<(usize, Fate)>>,
    replica: AtomicUsize,
    /// Bodies of syncs that arrived.
    arrived: Mutex<Vec<Vec<u8>>>,
}

impl Air {
    /// Lets something happen to the request after `after` more.
    pub fn disturb(&self, after: usize, fate: Fate) {
        *self.next.lock().expect("not poisoned") = Some((after, fate));
    }

    /// Nothing more happens.
    pub fn calm(&self) {
        *self.next.lock().expect("not poisoned") = None;
    }

    /// The phone reaches another replica from now on.
    pub fn roam(&self) {
        self.replica.fetch_add(1, Ordering::SeqCst);
    }

    /// The phone reaches this replica from now on.
    pub fn reach(&self, replica: usize) {
        self.replica.store(replica, Ordering::SeqCst);
    }

    /// Bodies of syncs that arrived since the last call.
    pub fn arrived(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.arrived.lock().expect("not poisoned"))
    }

    /// What happens to the request that is sent now.
    pub fn fate(&self) -> Option<Fate> {
        let mut next = self.next.lock().expect("not poisoned");
        match *next {
            Some((0, fate)) => {
                *next = None;
                Some(fate)
            }
            Some((after, fate)) => {
                *next = Some((after - 1, fate));
                None
            }
            None => None,
        }
    }
}

/// A phone's way to the replicas.
#[derive(Debug, Clone)]
pub struct Radio {
    pub replicas: [Router; 2],
    pub air: Arc<Air>,
}

impl Transport for Radio {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let fate = self.air.fate();
        if fate == Some(Fate::RequestLost) {
            return Err(NoAnswer("the request was lost".to_owned()));
        }
        if request.uri().path() == "/v1/sync" {
            self.air.arrived.lock().expect("not poisoned").push(request.body().clone());
        }
        let replica = self.air.replica.load(Ordering::SeqCst) % self.replicas.len();
        let answer = InProcess(self.replicas[replica].clone()).send(request).await?;
        if fate == Some(Fate::AnswerLost) {
            return Err(NoAnswer("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}
