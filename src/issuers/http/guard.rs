//! Allowed addresses of connections.
//!
//! The list is our own because the standard library's `is_global` is not stable, and because clouds
//! serve their metadata from addresses that no registry of special addresses names (most of them in
//! IPv6, Azure's and Alibaba's in IPv4). It is held against the address of each
//! connection, after names were resolved, so that a name that resolves anew gains nothing.

use refreshable_rules::patterns::NetworkScope;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A name led only to addresses that may not be called.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// No name may resolve to it.
    #[error(
        "{0} leads only to addresses that may not be called (loopback, link-local, metadata, multicast or reserved)"
    )]
    Never(String),
    /// A name that a policy writes out might.
    #[error(
        "{0} leads only to private addresses, and only a pattern with a wildcard allows the name: an administrator can write the host out in a CredentialPolicy, or set privateAddresses there"
    )]
    Private(String),
}

/// Resolves a name, once, and returns only those addresses that may be called within `reach`. A
/// caller that connects to exactly these is safe from a name that resolves elsewhere a moment
/// later.
///
/// # Errors
/// [`Forbidden`], or the resolver's error.
pub async fn resolve(
    name: &str,
    reach: NetworkScope,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    Ok(permitted(name, found.map(|a| a.ip()).collect(), reach)?)
}

/// The addresses in `found` that may be called.
fn permitted(
    name: &str,
    found: Vec<IpAddr>,
    reach: NetworkScope,
) -> Result<Vec<IpAddr>, Forbidden> {
    let widest = if reach == NetworkScope::Private { Kind::Private } else { Kind::Public };
    let (allowed, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| kind(*a) <= widest);
    match allowed.is_empty() {
        false => Ok(allowed),
        true if others.iter().any(|a| kind(*a) == Kind::Private) => {
            Err(Forbidden::Private(name.to_owned()))
        }
        true => Err(Forbidden::Never(name.to_owned())),
    }
}

/// [`resolve`], for reqwest. Literal addresses in the URL bypass it; a policy that allows them
/// names them literally.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) NetworkScope);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses = resolve(name.as_str(), reach).await?;
            Ok(Box::new(addresses.into_iter().map(|a| SocketAddr::new(a, 0))) as Addrs)
        })
    }
}

/// Class of an address, from the controller's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Anybody's.
    Public,
    /// Of an enterprise's or a cluster's own network.
    Private,
    /// The machine's own, its link's, a cloud's metadata service, or a reserved address.
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

/// Metadata services outside of the link-local range: Alibaba's, Azure's wire server, Oracle's.
const METADATA: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

fn kind_v4(a: Ipv4Addr) -> Kind {
    let [first, second, third, _] = a.octets();
    let never = a.is_loopback()
        || a.is_link_local()
        || METADATA.contains(&a)
        // "This network", multicast, reserved and broadcast, IETF's own.
        || first == 0
        || first >= 224
        || (first, second, third) == (192, 0, 0);
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (18..20).contains(&second);
    match (never, a.is_private() || shared || benchmark) {
        (true, _) => Kind::Never,
        (false, true) => Kind::Private,
        (false, false) => Kind::Public,
    }
}

/// Metadata services at a unique local address: Oracle's, Scaleway's, Alibaba's, Linode's. All of
/// `fd00:ec2::/32` is EC2's and all of `fd20:ce::/32` is Google's.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042),
    Ipv6Addr::new(0xfd00, 0x0100, 0, 0, 0, 0, 0x0100, 0x0200),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
];

fn kind_v6(a: Ipv6Addr) -> Kind {
    let never = a.is_unspecified()
        || a.is_loopback()
        || a.is_multicast()
        || a.is_unicast_link_local()
        || METADATA_V6.contains(&a);
    if never {
        return Kind::Never;
    }
    if let Some(v4) = embedded(a) {
        return kind_v4(v4);
    }
    match a.segments() {
        [0x0064, 0xff9b, 1, ..] => kind_local_nat64(a),
        // EC2's and Google's metadata services, and tunnels to wherever (Teredo).
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] | [0x2001, 0, ..] => Kind::Never,
        // Unique local, and site-local as it was before.
        [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 => Kind::Private,
        _ => Kind::Public,
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped (RFC 4291), compatible, translated (RFC
/// 2765), through NAT64's well-known prefix (RFC 6052), through 6to4 (RFC 3056).
fn embedded(a: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, high, low, ..] = a.segments();
    let [.., c, d] = a.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match a.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(v4(c, d)),
        [0x0064, 0xff9b, 0, ..] => Some(v4(c, d)),
        [0x2002, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// An address in `64:ff9b:1::/48`, where an operator's NAT64 has a prefix of any length (RFC 8215).
/// Nobody says which, so that it counts as the worst of what each length makes of it. Zeros before
/// or behind the IPv4 address make 0.0.0.0/8 of it at the other lengths, which leads nowhere.
fn kind_local_nat64(a: Ipv6Addr) -> Kind {
    let readings = [48, 56, 64, 96].map(|length| translated(a, length));
    let real = readings.into_iter().filter(|v4| v4.octets()[0] != 0);
    real.map(kind_v4).max().unwrap_or(Kind::Never)
}

/// The IPv4 address in an address whose NAT64 prefix has that many bits (RFC 6052 section 2.2): it
/// follows the prefix, and leaves out the octet of the bits 64 to 71.
fn translated(a: Ipv6Addr, length: usize) -> Ipv4Addr {
    const LEFT_OUT: usize = 8;
    let octets = a.octets();
    let mut behind = (length / 8..octets.len()).filter(|at| *at != LEFT_OUT);
    Ipv4Addr::from([(); 4].map(|()| behind.next().map_or(0, |at| octets[at])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_its_link_and_its_cloud_are_out_of_reach() {
        for (address, expected) in [
            ("192.0.2.1", Kind::Public),
            ("8.8.8.8", Kind::Public),
            ("172.15.0.1", Kind::Public),
            ("172.32.0.1", Kind::Public),
            ("100.63.0.1", Kind::Public),
            ("100.128.0.1", Kind::Public),
            ("10.1.2.3", Kind::Private),
            ("172.16.0.1", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.0.1", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("198.18.0.1", Kind::Private),
            ("127.0.0.1", Kind::Never),
            ("127.8.8.8", Kind::Never),
            ("0.0.0.0", Kind::Never),
            ("0.1.2.3", Kind::Never),
            ("169.254.169.254", Kind::Never),
            ("169.254.170.2", Kind::Never),
            ("100.100.100.200", Kind::Never),
            ("168.63.129.16", Kind::Never),
            ("192.0.0.192", Kind::Never),
            ("224.0.0.1", Kind::Never),
            ("240.0.0.1", Kind::Never),
            ("255.255.255.255", Kind::Never),
            ("2001:db8::1", Kind::Public),
            ("2600:1f13::1", Kind::Public),
            ("fd12::1", Kind::Private),
            ("fc00::1", Kind::Private),
            ("fec0::1", Kind::Private),
            ("::1", Kind::Never),
            ("::", Kind::Never),
            ("fe80::1", Kind::Never),
            ("ff02::1", Kind::Never),
            ("fd00:ec2::254", Kind::Never),
            ("fd00:ec2::23", Kind::Never),
            ("fd20:ce::254", Kind::Never),
            ("fd00:c1::a9fe:a9fe", Kind::Never),
            ("fd00:42::42", Kind::Never),
            ("fd00:100::100:200", Kind::Never),
            ("fd00:a9fe:a9fe::1", Kind::Never),
            ("fd00:42::43", Kind::Private),
            ("2001::1", Kind::Never),
            ("::ffff:192.0.2.1", Kind::Public),
            ("::ffff:10.0.0.1", Kind::Private),
            ("::ffff:127.0.0.1", Kind::Never),
            ("::ffff:169.254.169.254", Kind::Never),
            ("::127.0.0.1", Kind::Never),
            ("::ffff:0:127.0.0.1", Kind::Never),
            ("64:ff9b::192.0.2.1", Kind::Public),
            ("64:ff9b::10.0.0.1", Kind::Private),
            ("64:ff9b::127.0.0.1", Kind::Never),
            ("64:ff9b::169.254.169.254", Kind::Never),
            ("64:ff9b:1::192.0.2.1", Kind::Public),
            ("64:ff9b:1::10.0.0.1", Kind::Private),
            ("64:ff9b:1::169.254.169.254", Kind::Never),
            ("64:ff9b:1::", Kind::Never),
            ("2002:c000:201::1", Kind::Public),
            ("2002:7f00:1::1", Kind::Never),
            ("2002:a9fe:a9fe::1", Kind::Never),
            ("2002:a00:1::1", Kind::Private),
        ] {
            assert_eq!(kind(address.parse().expect("an address")), expected, "{address}");
        }
    }

    /// The examples of RFC 6052 section 2.4.
    #[test]
    fn an_ipv4_address_is_found_behind_a_prefix_of_every_length() {
        for (length, address) in [
            (32, "2001:db8:c000:221::"),
            (40, "2001:db8:1c0:2:21::"),
            (48, "2001:db8:122:c000:2:2100::"),
            (56, "2001:db8:122:3c0:0:221::"),
            (64, "2001:db8:122:344:c0:2:2100::"),
            (96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let found = translated(address.parse().expect("an address"), length);
            assert_eq!(found, Ipv4Addr::new(192, 0, 2, 33), "/{length} {address}");
        }
    }

    #[test]
    fn a_nat64_of_the_operator_leads_home_at_no_length_of_its_prefix() {
        let all = |prefix: &str, v4: [u8; 4]| {
            [48, 56, 64, 96].map(|length| {
                let mut octets = prefix.parse::<Ipv6Addr>().expect("an address").octets();
                let behind = (length / 8..16).filter(|at| *at != 8);
                behind.zip(v4).for_each(|(at, byte)| octets[at] = byte);
                (length, Ipv6Addr::from(octets))
            })
        };
        for (v4, expected) in [
            ([192, 0, 2, 33], Kind::Public),
            ([8, 8, 8, 8], Kind::Public),
            ([10, 1, 2, 3], Kind::Private),
            ([100, 64, 0, 1], Kind::Private),
            ([192, 168, 0, 1], Kind::Private),
            ([127, 0, 0, 1], Kind::Never),
            ([169, 254, 169, 254], Kind::Never),
            ([100, 100, 100, 200], Kind::Never),
            ([168, 63, 129, 16], Kind::Never),
            ([255, 255, 255, 255], Kind::Never),
        ] {
            for (length, address) in all("64:ff9b:1::", v4) {
                assert_eq!(kind(address.into()), expected, "/{length} {address}");
            }
        }
    }

    #[test]
    fn of_many_addresses_only_those_within_reach_are_given() {
        let (public, private, own) = ("192.0.2.1", "10.0.0.1", "127.0.0.1");
        let given = |addresses: &[&str], reach| {
            let found = addresses.iter().map(|a| a.parse().expect("an address")).collect();
            permitted("x.example.com", found, reach)
                .map(|list| list.iter().map(IpAddr::to_string).collect::<Vec<_>>())
        };
        let name = || "x.example.com".to_owned();
        for (found, reach, expected) in [
            (&[public, private, own][..], NetworkScope::Public, Ok(vec![public])),
            (&[public, private, own], NetworkScope::Private, Ok(vec![public, private])),
            (&[private, own], NetworkScope::Public, Err(Forbidden::Private(name()))),
            (&[private, own], NetworkScope::Private, Ok(vec![private])),
            (&[own], NetworkScope::Private, Err(Forbidden::Never(name()))),
            (&[own], NetworkScope::Public, Err(Forbidden::Never(name()))),
            (&[], NetworkScope::Private, Err(Forbidden::Never(name()))),
        ] {
            let expected =
                expected.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(given(found, reach), expected, "{found:?} {reach:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused() {
        for reach in [NetworkScope::Public, NetworkScope::Private] {
            let name: Name = "localhost".parse().expect("a name");
            let result = GuardedResolver(reach).resolve(name).await;
            assert!(result.is_err_and(
                |e| e.downcast_ref() == Some(&Forbidden::Never("localhost".to_owned()))
            ));
        }
    }
}
