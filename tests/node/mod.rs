//! The node tier: a real kubelet and containerd, on which the controller runs as a Pod from its
//! chart.
//!
//! Each test here goes into a namespace of its own and runs the tests of one module there, all
//! against one node.

mod ground;
mod image;
mod minute;
mod pods;
mod propagation;

use crate::harness::node::enter;

#[tokio::test]
async fn pods_on_a_node() {
    enter::run("node::pods").await;
}

#[tokio::test]
async fn propagation_of_a_change() {
    enter::run("node::propagation").await;
}

#[tokio::test]
#[ignore = "measures the kubelet's own minute: make bench-node"]
async fn bench_of_propagation() {
    enter::run("node::minute").await;
}
