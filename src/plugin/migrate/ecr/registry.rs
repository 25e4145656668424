//! Host names of Amazon ECR's registries.

use super::shell::is_known;
use refreshable_api::{EcrHost, EcrRegistry};

/// A registry as an image or a login names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A private one.
    Private(EcrRegistry),
    /// Amazon ECR Public.
    Public,
    /// Another service's.
    Other,
    /// One that only running the script tells.
    Unknown,
}

/// Reads a host name, with or without scheme and path.
pub fn read(name: &str) -> Named {
    if !is_known(name) || name.trim().is_empty() {
        return Named::Unknown;
    }
    let bare = name.trim();
    let bare = bare.strip_prefix("https://").or(bare.strip_prefix("http://")).unwrap_or(bare);
    let host = bare.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if ["public.ecr.aws", "ecr-public.aws.com"].contains(&host.as_str()) {
        return Named::Public;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let (kind, region) = match labels.as_slice() {
        [_, "dkr", "ecr", region, _, ..] => (EcrHost::Standard, region),
        [_, "dkr", "ecr-fips", region, _, ..] => (EcrHost::Fips, region),
        [_, "dkr-ecr", region, _, ..] => (EcrHost::DualStack, region),
        [_, "dkr-ecr-fips", region, _, ..] => (EcrHost::DualStackFips, region),
        _ => return Named::Other,
    };
    let hosts = (kind != EcrHost::Standard).then(|| vec![kind]);
    private(labels[0], region, hosts).map_or(Named::Unknown, Named::Private)
}

/// A private registry, if account and Region look like ones.
pub fn private(account: &str, region: &str, hosts: Option<Vec<EcrHost>>) -> Option<EcrRegistry> {
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let region_is_one = region.split('-').count() > 2
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (digits && region_is_one).then(|| EcrRegistry {
        account_id: account.to_owned(),
        region: region.to_owned(),
        hosts,
    })
}

/// Adds a registry to others: of one that is there already, its host names.
pub fn add(all: &mut Vec<EcrRegistry>, new: EcrRegistry) {
    let same = |r: &&mut EcrRegistry| r.account_id == new.account_id && r.region == new.region;
    let Some(known) = all.iter_mut().find(same) else {
        all.push(new);
        return;
    };
    let mut hosts = known.hosts().to_vec();
    hosts.extend(new.hosts().iter().filter(|h| !known.hosts().contains(h)));
    known.hosts = (hosts != [EcrHost::Standard]).then_some(hosts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_told_apart() {
        let of = |region: &str, hosts| {
            Named::Private(private("111122223333", region, hosts).expect("a registry"))
        };
        for (name, expected) in [
            ("111122223333.dkr.ecr.eu-west-1.amazonaws.com", of("eu-west-1", None)),
            ("https://111122223333.dkr.ecr.eu-west-1.amazonaws.com/v2/", of("eu-west-1", None)),
            ("111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", of("cn-north-1", None)),
            (
                "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
                of("us-east-1", Some(vec![EcrHost::Fips])),
            ),
            (
                "111122223333.dkr-ecr.eu-west-1.on.aws",
                of("eu-west-1", Some(vec![EcrHost::DualStack])),
            ),
            ("public.ecr.aws", Named::Public),
            ("https://index.docker.io/v1/", Named::Other),
            ("\u{fffc}.dkr.ecr.eu-west-1.amazonaws.com", Named::Unknown),
            ("ACCOUNT.dkr.ecr.eu-west-1.amazonaws.com", Named::Unknown),
            ("111122223333.dkr.ecr.eu-west-1 us-east-1.amazonaws.com", Named::Unknown),
            ("", Named::Unknown),
        ] {
            assert_eq!(read(name), expected, "{name}");
        }
    }

    #[test]
    fn host_names_of_one_registry_are_put_together() {
        let one = |hosts| private("111122223333", "eu-west-1", hosts).expect("a registry");
        let mut all = Vec::new();
        for hosts in [None, None, Some(vec![EcrHost::DualStack])] {
            add(&mut all, one(hosts));
        }
        assert_eq!(all, [one(Some(vec![EcrHost::Standard, EcrHost::DualStack]))]);
    }
}
