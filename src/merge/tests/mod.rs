//! Tests of the whole path from bytes to readings.

mod batches;
mod compacting;
mod footprints;
mod forge;
mod histories;
mod mutants;
mod phones;
mod readings;
mod refusals;
