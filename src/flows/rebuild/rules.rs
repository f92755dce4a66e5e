//! The rules again: those that a neighbourhood begins with, and those that the journal says were put.

use std::collections::BTreeMap;

use super::super::FlowError;
use super::entry::RulesPut;
use super::tables::{Mending, Wrong};
use super::{Rebuilt, backend};
use crate::domain::ids::NeighbourhoodId;
use crate::domain::rules::RulePack;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{journal, neighbourhood, rule_pack};

/// Versions of the rules, by number.
#[derive(Debug)]
pub struct Rules {
    /// As the journal has them, with the number of their entry.
    packs: BTreeMap<i64, (RulePack, Option<i64>, rule_pack::Model)>,
    there: Vec<rule_pack::Model>,
}

impl Rules {
    /// Those that a neighbourhood begins with, and the rows that are stored.
    pub async fn read(txn: &Transaction, tenant: &neighbourhood::Model) -> Result<Self, FlowError> {
        let neighbourhood = NeighbourhoodId(tenant.neighbourhood_id);
        let column = rule_pack::Column::NeighbourhoodId;
        let there = store::whole::rows::<rule_pack::Entity>(txn, column, neighbourhood).await?;
        let mut rules = Self { packs: BTreeMap::new(), there };
        rules.enter(tenant.neighbourhood_id, RulePack::first(), None, (None, tenant.created_at_ms))?;
        Ok(rules)
    }

    /// One row of the journal about rules that were put.
    pub fn play(&mut self, row: &journal::Model, put: RulesPut) -> Result<(), FlowError> {
        self.enter(row.neighbourhood_id, put.pack, Some(row.no), (put.put_by, row.at_ms))
    }

    fn enter(
        &mut self,
        neighbourhood_id: uuid::Uuid,
        pack: RulePack,
        no: Option<i64>,
        (created_by, created_at_ms): (Option<uuid::Uuid>, i64),
    ) -> Result<(), FlowError> {
        let there = self.there.iter().find(|row| row.version == pack.version);
        // Fields that came later are not in what was stored before, and read as their defaults.
        let says_the_same = |row: &&rule_pack::Model| RulePack::read(&row.body).is_ok_and(|it| it == pack);
        let body = match there.filter(says_the_same) {
            Some(row) => row.body.clone(),
            None => serde_json::to_string(&pack)?,
        };
        let version = pack.version;
        let row = rule_pack::Model { neighbourhood_id, version, body, created_by, created_at_ms };
        self.packs.insert(version, (pack, no, row));
        Ok(())
    }

    /// A version of the rules, as far as the journal was followed.
    pub fn version(&self, version: i64) -> Option<&RulePack> {
        self.packs.get(&version).map(|(pack, ..)| pack)
    }

    /// Compares with what is stored.
    pub fn compare(self, txn: &Transaction, rebuilt: &mut Rebuilt, mending: &mut Mending) {
        let numbers: BTreeMap<i64, Option<i64>> =
            self.packs.iter().map(|(version, (_, no, _))| (*version, *no)).collect();
        let named = |row: &rule_pack::Model| {
            (numbers.get(&row.version).copied().flatten(), format!("version {} of the rules", row.version))
        };
        let again = self.packs.into_values().map(|(.., row)| row);
        Wrong::<rule_pack::Entity>::beside(again, self.there, |row| row.version, named, &mut rebuilt.rules)
            .replace(backend(txn), mending);
    }
}
