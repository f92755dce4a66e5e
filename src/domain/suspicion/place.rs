//! Places on the globe, and how far they are apart.

use serde::{Deserialize, Serialize};

/// The mean radius of the Earth (IUGG), in metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point in WGS84 with the phone's own estimate of its accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// −90 to 90.
    pub lat: f64,
    /// −180 to 180.
    pub lon: f64,
    /// In metres; 0 where the phone says nothing.
    pub accuracy_m: f64,
}

impl Place {
    /// Metres along the surface between two points: the haversine formula, which stays exact for short
    /// distances. It takes the Earth for a sphere: at most 0.6 % off, 60 cm in the distances that matter here.
    #[must_use]
    pub fn distance_m(&self, other: &Self) -> f64 {
        let (lat_a, lat_b) = (self.lat.to_radians(), other.lat.to_radians());
        let half_lat = ((lat_b - lat_a) / 2.0).sin();
        let half_lon = ((other.lon - self.lon).to_radians() / 2.0).sin();
        let chord = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
        2.0 * EARTH_RADIUS_M * chord.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// Whole metres, at least 0; what is beyond an integer is held at its end.
#[must_use]
pub fn whole_m(distance_m: f64) -> i64 {
    // A cast from a float saturates, and makes nothing of what is not a number.
    distance_m.round().max(0.0) as i64
}
