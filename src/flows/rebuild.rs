//! Makes derived rows again.
