//! Which addresses may be connected to.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A name led only to addresses that may not be called.
#[derive(Debug, thiserror::Error)]
#[error("{0} leads only to addresses that may not be called (loopback, link-local, multicast or unspecified)")]
pub struct Forbidden(String);

/// Resolves names, and gives only those addresses that may be called: the connection then goes to
/// exactly the address that was checked. Addresses that stand in the URL itself do not come by here;
/// a policy that allows them names them literally.
#[derive(Debug)]
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|a| may_call(a.ip())).collect();
            if allowed.is_empty() {
                return Err(Forbidden(name.as_str().to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether a name may lead to this address. Private ranges may: that is where an enterprise's own
/// servers are.
fn may_call(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => may_call_v4(v4),
        IpAddr::V6(v6) => may_call_v6(v6),
    }
}

fn may_call_v4(a: Ipv4Addr) -> bool {
    !(a.is_loopback() || a.is_link_local() || a.is_multicast() || a.is_broadcast() || a.octets()[0] == 0)
}

fn may_call_v6(a: Ipv6Addr) -> bool {
    // An IPv4 address in IPv6's clothes is judged as what it is.
    if let Some(v4) = a.to_ipv4_mapped() {
        return may_call_v4(v4);
    }
    let ec2_metadata = a.segments()[..3] == [0xfd00, 0x0ec2, 0];
    !(a.is_loopback() || a.is_unspecified() || a.is_multicast() || a.is_unicast_link_local() || ec2_metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_and_its_link_are_out_of_reach() {
        for (address, allowed) in [
            ("192.0.2.1", true),
            ("10.1.2.3", true),
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("0.0.0.0", false),
            ("169.254.169.254", false),
            ("169.254.170.2", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("fd12::1", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("fd00:ec2::23", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
        ] {
            assert_eq!(may_call(address.parse().expect("an address")), allowed, "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        let name: Name = "localhost".parse().expect("a name");
        let result = GuardedResolver.resolve(name).await;
        assert!(result.is_err_and(|e| e.is::<Forbidden>()));
    }
}
