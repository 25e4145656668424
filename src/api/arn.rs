//! Amazon Resource Names.

/// The parts of an [ARN](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html),
/// `arn:partition:service:region:account-id:resource`. No part is checked; each may be empty.
///
/// ```
/// use refreshable_api::Arn;
///
/// let role = Arn::parse("arn:aws-cn:iam::111122223333:role/team-a/reports").expect("six parts");
/// assert_eq!((role.partition, role.account()), ("aws-cn", Some("111122223333")));
/// assert_eq!((role.resource_type(), role.name()), (Some("role"), "reports"));
/// assert_eq!(Arn::parse("team-a/reports"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...; stores other than AWS use their own.
    pub partition: &'a str,
    /// `iam`, `sts`, ...
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Twelve digits at AWS. Stores leave it empty or write a tenant's name.
    pub account_id: &'a str,
    /// Everything after the fifth colon. It may contain colons.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// The parts of `text`, or `None` where it does not have six parts of which the first is `arn`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        if next()? != "arn" {
            return None;
        }
        let (partition, service, region, account_id, resource) =
            (next()?, next()?, next()?, next()?, next()?);
        Some(Self { partition, service, region, account_id, resource })
    }

    /// The account, where one is named.
    pub fn account(&self) -> Option<&'a str> {
        Some(self.account_id).filter(|account| !account.is_empty())
    }

    /// Whether the partition is one of AWS's.
    pub fn is_aws(&self) -> bool {
        self.partition.starts_with("aws")
    }

    /// Type of the resource, before the first slash: `role`, `user`, `assumed-role`, ...
    pub fn resource_type(&self) -> Option<&'a str> {
        self.resource.split_once('/').map(|(kind, _)| kind)
    }

    /// The last part of the resource: a role's name without its path.
    pub fn name(&self) -> &'a str {
        self.resource.rsplit(['/', ':']).next().unwrap_or_default()
    }
}

impl Arn<'_> {
    /// The account that the ARN `text` names.
    pub fn account_of(text: &str) -> Option<String> {
        Arn::parse(text)?.account().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::Arn;

    #[test]
    fn parts_are_read_and_other_text_is_refused() {
        for (text, parts) in [
            (
                "arn:aws:iam::111122223333:role/x",
                Some(["aws", "iam", "", "111122223333", "role/x"]),
            ),
            (
                "arn:aws:rolesanywhere:eu-west-1:1:profile/a",
                Some(["aws", "rolesanywhere", "eu-west-1", "1", "profile/a"]),
            ),
            ("arn:minio:iam:::role/x", Some(["minio", "iam", "", "", "role/x"])),
            ("arn:aws:logs:r:1:log-group:g:*", Some(["aws", "logs", "r", "1", "log-group:g:*"])),
            ("arn:aws:iam::111122223333", None),
            ("urn:aws:iam::111122223333:role/x", None),
            ("", None),
        ] {
            let found = Arn::parse(text);
            let found = found.map(|a| [a.partition, a.service, a.region, a.account_id, a.resource]);
            assert_eq!(found, parts, "{text}");
        }
    }
}
