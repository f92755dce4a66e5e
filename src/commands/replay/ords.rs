//! One row of the Open Repair Data Standard 0.3: its 14 columns, as an activity and back.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::api::activity_view::ActivityView;
use crate::domain::activity::Kind;
use crate::domain::ids::ActivityId;
use crate::domain::time::parse_day;
use crate::phone::{Entry, Phone, PhoneError, Transport};

/// Hour of the day at which the phones of a repair café write their records down.
const WRITTEN_AT_MS: i64 = 15 * 60 * 60 * 1_000;

/// A repair attempt, each column as the file has it; what is not recorded is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Row {
    pub id: String,
    pub data_provider: String,
    pub country: String,
    pub partner_product_category: String,
    pub product_category: String,
    pub product_category_id: String,
    pub brand: String,
    pub year_of_manufacture: String,
    pub product_age: String,
    pub repair_status: String,
    pub repair_barrier_if_end_of_life: String,
    pub group_identifier: String,
    pub event_date: String,
    pub problem: String,
}

/// Reads a file.
///
/// # Errors
/// Where it is no CSV with these columns, or a day is none.
pub fn read(file: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for row in csv::Reader::from_path(file)?.deserialize() {
        let row: Row = row?;
        anyhow::ensure!(
            parse_day(&row.event_date).is_some(),
            "row {}: {:?} is no day",
            row.id,
            row.event_date
        );
        rows.push(row);
    }
    Ok(rows)
}

impl Row {
    /// What names the row: provider and id.
    pub fn key(&self) -> String {
        format!("{} {}", self.data_provider, self.id)
    }

    fn day_ms(&self) -> i64 {
        let start = parse_day(&self.event_date).and_then(|day| day.and_hms_opt(0, 0, 0));
        start.map_or(0, |start| start.and_utc().timestamp_millis())
    }

    /// The activity's id: the same for the same row, always.
    pub fn activity_id(&self) -> ActivityId {
        let hash = Sha256::digest(self.key().as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        let millis = u64::try_from(self.day_ms()).unwrap_or_default();
        ActivityId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Records it on a phone, on its day, unless it is there: minutes are not known.
    ///
    /// # Errors
    /// What Automerge says.
    pub fn record<T: Transport>(&self, phone: &mut Phone<T>) -> Result<(), PhoneError> {
        if phone.own_book().field(self.activity_id(), "kind").is_some() {
            return Ok(());
        }
        phone.now_ms = self.day_ms() + WRITTEN_AT_MS;
        phone.edit(self.activity_id(), |entry| {
            entry.kind(Kind::Repair).day(&self.event_date);
            self.write_texts(entry);
            self.write_numbers(entry);
        })
    }

    fn write_texts(&self, entry: &mut Entry<'_>) {
        let texts = [
            ("repair.product", &self.partner_product_category),
            ("repair.category", &self.product_category),
            ("repair.brand", &self.brand),
            ("repair.status", &self.repair_status),
            ("repair.barrier", &self.repair_barrier_if_end_of_life),
            ("repair.problem", &self.problem),
            ("source.provider", &self.data_provider),
            ("source.id", &self.id),
            ("source.country", &self.country),
            ("source.group", &self.group_identifier),
        ];
        for (key, text) in texts {
            if !text.is_empty() {
                entry.put(key, text.as_str());
            }
        }
    }

    fn write_numbers(&self, entry: &mut Entry<'_>) {
        if let Ok(id) = self.product_category_id.parse::<i64>() {
            entry.put("repair.category_id", id);
        }
        if let Ok(year) = self.year_of_manufacture.parse::<i64>() {
            entry.put("repair.year", year);
        }
        if let Ok(age) = self.product_age.parse::<f64>() {
            entry.put("repair.age_years", age);
        }
    }

    /// The row that an activity of the API says. Ages have one decimal, as the standard writes them.
    pub fn of(activity: &ActivityView) -> Self {
        let repair = activity.repair.clone().unwrap_or_default();
        let source = activity.source.clone().unwrap_or_default();
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            id: source.id.unwrap_or_default(),
            data_provider: source.provider.unwrap_or_default(),
            country: source.country.unwrap_or_default(),
            partner_product_category: repair.product.unwrap_or_default(),
            product_category: repair.category.unwrap_or_default(),
            product_category_id: number(repair.category_id),
            brand: repair.brand.unwrap_or_default(),
            year_of_manufacture: number(repair.year),
            product_age: repair.age_years.map(|age| format!("{age:.1}")).unwrap_or_default(),
            repair_status: repair.status.unwrap_or_default(),
            repair_barrier_if_end_of_life: repair.barrier.unwrap_or_default(),
            group_identifier: source.group.unwrap_or_default(),
            event_date: activity.day.clone().unwrap_or_default(),
            problem: repair.problem.unwrap_or_default(),
        }
    }
}

/// A UUID that is the same for the same name, always.
pub fn named(purpose: &str, name: &str) -> Uuid {
    let hash = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(name).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
