//! A Kubernetes node: containerd and the kubelet as processes, in a namespace of its own
//! ([`enter`]).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`enter`] | runs tests of this program again inside such a namespace, where the machine can |
//! | [`containerd`] | the container runtime |
//! | [`kubelet`] | the kubelet, and the scheduler that gives it Pods |
//! | [`registry`] | a private image registry |
//! | [`images`] | what Pods run: the project's programs, a shell, Python with boto3 |

pub mod containerd;
pub mod enter;
pub mod images;
pub mod kubelet;
pub mod registry;

use super::{Cluster, background};
use containerd::Containerd;
use images::Image;
use kubelet::{Kubelet, Scheduler};
use std::time::Duration;

/// A node. It ends when dropped; its containers end with the namespace.
pub struct Node {
    // The order is that of dropping.
    kubelet: Kubelet,
    scheduler: Scheduler,
    containerd: Containerd,
}

impl Node {
    /// Starts a node of this cluster and waits until it takes Pods. Its kubelet looks at each Pod
    /// every `sync`, and up to half as long again; a minute is Kubernetes' default.
    pub async fn start(cluster: &Cluster, sync: Duration) -> Self {
        let (containerd, shell, scheduler) = tokio::join!(
            Containerd::start(),
            background::blocking(images::shell),
            Scheduler::start(cluster)
        );
        containerd.import(&shell).await;
        let kubelet = Kubelet::start(cluster, sync).await;
        Self { kubelet, scheduler, containerd }
    }

    /// Makes an image known to the node, so that nothing is pulled.
    pub async fn import(&self, image: &Image) {
        self.containerd.import(image).await;
    }

    /// Has containerd ask the registry at `url` for images of `host`.
    pub fn mirror(&self, host: &str, url: &str) {
        self.containerd.mirror(host, url);
    }

    /// All that kubelet, containerd and scheduler have written.
    pub fn logs(&self) -> String {
        [self.kubelet.process.log(), self.containerd.process.log(), self.scheduler.process.log()]
            .join("\n")
    }

    /// The ends of the logs, for error messages.
    pub fn log_tails(&self) -> String {
        [self.kubelet.process.log_tail(30), self.containerd.process.log_tail(15)].join("\n")
    }
}
