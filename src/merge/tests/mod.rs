//! Tests of the whole path from bytes to readings.

mod batches;
mod compacting;
mod corpus;
mod footprints;
mod forge;
mod histories;
mod intake;
mod mutants;
mod phones;
mod readings;
mod refusals;
