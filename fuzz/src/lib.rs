//! The part of Daybook that bytes from outside go through, without the server around it: a minute to build.

#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/merge/mod.rs"]
pub mod merge;
