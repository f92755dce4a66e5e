//! The judgement half against an in-memory neighbourhood, the worked examples, and bugs planted on purpose.

mod always;
mod cases;
mod deciding;
mod documents;
mod generate;
mod lines;
mod merging;
mod model;
mod planted;
mod planted_cluster;
mod random;
pub(super) mod samples;
mod shadow;
mod steps;
mod unheard;
mod vectors;
