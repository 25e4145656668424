//! Where the bench runs: on the machine, or in a namespace of its own with a Kubernetes node
//! (`tests/node/enter`).

use std::net::{IpAddr, Ipv4Addr};

/// The node's address, inside such a namespace.
pub fn node() -> Option<Ipv4Addr> {
    let address = std::env::var("NODE_ADDRESS").ok()?;
    Some(address.parse().unwrap_or_else(|error| panic!("NODE_ADDRESS={address}: {error}")))
}

/// Where all servers of the bench listen: on loopback, unless there are Pods, which have a loopback
/// of their own.
pub fn address() -> IpAddr {
    node().unwrap_or(Ipv4Addr::LOCALHOST).into()
}
