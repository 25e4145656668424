//! The plugin's commands about IAM and manifests, held against the API server and AWS's emulator.

mod check;
mod issuer;
mod migrate;
mod new;
mod trust_policy;
