//! The cluster tier: a real API server, the real controller, an AWS emulator behind a recording proxy.

mod admission;
mod lifecycle;
mod smoke;
mod stage;
