//! The cluster tier: a real API server, the real controller, an AWS emulator behind a recording proxy.

mod admission;
mod admission_sources;
mod documentation;
mod faults;
mod injection;
mod interface;
mod lifecycle;
mod manifests;
mod monitoring;
mod ownership;
pub mod peers;
mod process;
mod profiles;
mod reach;
mod restart;
mod runbook;
mod scale;
mod smoke;
mod sources;
pub mod stage;
mod tenancy;
mod threat_model;
