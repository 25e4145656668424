//! Which Region's STS is called where the specification names none.

use refreshable_api::Arn;
use refreshable_rules::partition;

/// Partition and Region of a source's credentials, as far as the source names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home<'a> {
    /// It does not say: where the controller is.
    Unknown,
    /// In this Region.
    Region(&'a str),
    /// In the partition of this ARN.
    PartitionOf(&'a str),
}

impl Home<'_> {
    /// The Region to use instead of the controller's `own`.
    pub(super) fn region(self, own: Option<&str>) -> Option<String> {
        match self {
            Self::Unknown => own.map(str::to_owned),
            Self::Region(region) => Some(region.to_owned()),
            Self::PartitionOf(arn) => Some(choose(None, own, Some(arn))),
        }
    }
}

/// The first Region of a partition.
fn first_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

/// The Region to call: the specified one; else the controller's own if it is in the role's
/// partition; else the partition's first.
pub fn choose(asked: Option<&str>, own: Option<&str>, role_arn: Option<&str>) -> String {
    if let Some(region) = asked {
        return region.to_owned();
    }
    let partition = role_arn.and_then(Arn::parse).filter(Arn::is_aws).map(|arn| arn.partition);
    match (own, partition) {
        (Some(own), Some(partition)) if partition::of_region(own).name == partition => {
            own.to_owned()
        }
        (Some(own), None) => own.to_owned(),
        (_, partition) => first_region(partition.unwrap_or("aws")).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_fits_the_role_s_partition() {
        let aws = Some("arn:aws:iam::111122223333:role/a");
        let china = Some("arn:aws-cn:iam::111122223333:role/a");
        let gov = Some("arn:aws-us-gov:iam::111122223333:role/a");
        let other = Some("arn:minio:iam:::role/a");
        for (asked, own, arn, region) in [
            (Some("ap-south-1"), Some("eu-west-1"), aws, "ap-south-1"),
            (None, Some("eu-west-1"), aws, "eu-west-1"),
            (None, None, aws, "us-east-1"),
            (None, Some("eu-west-1"), china, "cn-north-1"),
            (None, Some("cn-northwest-1"), china, "cn-northwest-1"),
            (None, Some("cn-northwest-1"), aws, "us-east-1"),
            (None, Some("us-gov-east-1"), gov, "us-gov-east-1"),
            (None, Some("eu-west-1"), gov, "us-gov-west-1"),
            (None, Some("eu-west-1"), other, "eu-west-1"),
            (None, None, None, "us-east-1"),
        ] {
            assert_eq!(choose(asked, own, arn), region, "{asked:?} {own:?} {arn:?}");
        }
    }
}
