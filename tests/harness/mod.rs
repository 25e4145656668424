//! The bench: everything that the tests start, drive and look into.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`controlplane`] | etcd, the API server and the controller manager, as processes |
//! | [`cluster`] | what a test does with a control plane: clients, namespaces, kubeconfigs |
//! | [`audit`] | what the API server was asked, and by whom |
//! | [`rights`] | what RBAC grants, and what of it was used |
//! | [`issuer`] | AWS, played by ministack: accounts, roles, users |
//! | [`ceph`] | an S3-compatible store with an STS of its own: users, roles |
//! | [`proxy`] | the recording, fault-injecting proxy in front of an issuer |
//! | [`faults`] | what that proxy can be made to do ([`answers`] does some of it) |
//! | [`gate`] | a gate before a server that can be closed to one program alone |
//! | [`controller`] | the controller's own program |
//! | [`memory`] | a search of a program's memory for secrets |
//! | [`usage`] | how much memory and processor time a program uses |
//! | [`prometheus`] | a Prometheus that scrapes it |
//! | [`agent`] | the sidecar's own program |
//! | [`mounted`] | a mounted Secret, as the kubelet changes it |
//! | [`node`] | a Kubernetes node: kubelet and containerd, where the machine can run one |
//! | [`helm`], [`pods`] | the chart, installed, and its Pods as processes |
//! | [`canary`] | every secret handed out, to search all output for |
//! | [`eventually`] | waiting for a condition with a deadline |
//!
//! Below them: [`environment`] (numbers that a run is given), [`process`] (children that never outlive the run), [`scratch`] (its files),
//! [`place`] and [`ports`] (where it listens), [`programs`] (what is built on demand),
//! [`certificates`], [`http`], [`page`] (generated parts of pages) and [`background`] (tasks that
//! outlive one test).
//!
//! Nothing here depends on being compiled for a test: the demo uses it too. What
//! goes wrong in the bench itself panics with what is needed to see why.

// Each program that includes the bench uses its own part of it.
#![allow(dead_code, unreachable_pub)]

pub mod agent;
pub mod answers;
pub mod audit;
pub mod background;
pub mod canary;
pub mod ceph;
pub mod certificates;
pub mod cluster;
pub mod controller;
pub mod controlplane;
pub mod environment;
pub mod eventually;
pub mod faults;
pub mod gate;
pub mod helm;
pub mod http;
pub mod issuer;
pub mod memory;
pub mod mounted;
pub mod node;
pub mod page;
pub mod place;
pub mod pods;
pub mod ports;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod proxy;
pub mod python;
pub mod rights;
pub mod scratch;
pub mod softhsm;
pub mod standin;
pub mod tls;
pub mod usage;

#[allow(unused_imports, reason = "the same")]
pub use self::{
    cluster::Cluster,
    controller::Controller,
    eventually::{eventually, stays},
    issuer::Issuer,
    proxy::Proxy,
};
