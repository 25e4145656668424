//! The one integration-test binary: each tier is a module over the same harness.

mod cluster;
mod consumers;
mod harness;
mod node;
mod world;
