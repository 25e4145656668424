//! AWS's partitions: which one a Region is in, and the domains of its endpoints.

/// Domains of a partition, from AWS's own table of
/// [partitions](https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in ARNs.
    pub name: &'static str,
    /// Domain of its endpoints.
    pub domain: &'static str,
    /// Domain of its endpoints for IPv4 and IPv6.
    pub dual_stack: &'static str,
}

const fn partition(
    name: &'static str,
    domain: &'static str,
    dual_stack: &'static str,
) -> Partition {
    Partition { name, domain, dual_stack }
}

/// The first, of all Regions with no other prefix.
const AWS: Partition = partition("aws", "amazonaws.com", "api.aws");

/// The others, by the prefix of their Regions.
const OTHERS: [(&str, Partition); 7] = [
    ("cn-", partition("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn")),
    ("us-gov-", partition("aws-us-gov", "amazonaws.com", "api.aws")),
    ("us-isob-", partition("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud")),
    ("us-isof-", partition("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov")),
    ("us-iso-", partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov")),
    ("eu-isoe-", partition("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk")),
    ("eusc-", partition("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu")),
];

/// The partition of a Region.
pub fn of_region(region: &str) -> Partition {
    OTHERS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or(AWS, |(_, partition)| *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_the_partition_of_its_prefix() {
        for (region, name, domain) in [
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ] {
            let found = of_region(region);
            assert_eq!((found.name, found.domain), (name, domain), "{region}");
        }
    }
}
