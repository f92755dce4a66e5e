//! Tests of the whole path from bytes to readings.

mod batches;
mod compacting;
mod corpus;
mod dice;
mod figures;
mod footprints;
mod forge;
mod histories;
mod hostile;
mod intake;
mod mutants;
mod mutate;
mod phones;
mod predecessors;
mod readings;
mod refusals;
mod seeds;
mod writing;
