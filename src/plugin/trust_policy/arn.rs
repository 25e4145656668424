//! Names of AWS's identities.

use refreshable_api::Arn;
use std::fmt;
use std::str::FromStr;

/// The ARN of an IAM role or user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
    /// Twelve digits.
    pub account: String,
    /// Role or user.
    pub kind: Kind,
    /// The path with a slash on both sides; only `/` if there is none.
    pub path: String,
    /// The name behind the path.
    pub name: String,
}

/// Kind of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A role.
    Role,
    /// A user.
    User,
}

impl Identity {
    /// Another ARN of the same account.
    pub fn beside(&self, service: &str, region: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, self.account)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Role => "role",
            Kind::User => "user",
        };
        write!(f, "arn:{}:iam::{}:{kind}{}{}", self.partition, self.account, self.path, self.name)
    }
}

impl FromStr for Identity {
    type Err = String;

    /// Reads the ARN of a role or user. A role session's ARN counts as the role's.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not an identity of IAM: write the ARN of a role or user, like arn:aws:iam::111122223333:role/team-a/reports"
            )
        };
        let arn = Arn::parse(text).ok_or_else(wrong)?;
        let Arn { partition, service, region, account_id: account, resource } = arn;
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !arn.is_aws() || !region.is_empty() || !digits {
            return Err(wrong());
        }
        let (kind, rest) = resource.split_once('/').ok_or_else(wrong)?;
        let (kind, rest) = match (service, kind) {
            ("iam", "role") => (Kind::Role, rest),
            ("iam", "user") => (Kind::User, rest),
            // A session's ARN has the role's name without its path, and the session's.
            ("sts", "assumed-role") => (Kind::Role, rest.split_once('/').ok_or_else(wrong)?.0),
            _ => return Err(wrong()),
        };
        let (path, name) = rest
            .rsplit_once('/')
            .map_or_else(|| ("/".to_owned(), rest), |(p, n)| (format!("/{p}/"), n));
        if name.is_empty()
            || !rest.bytes().all(|b| b.is_ascii_graphic())
            || rest.contains(['*', '?'])
        {
            return Err(wrong());
        }
        Ok(Self {
            partition: partition.into(),
            account: account.into(),
            kind,
            path,
            name: name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_and_written() {
        for text in [
            "arn:aws:iam::111122223333:role/reports",
            "arn:aws-cn:iam::111122223333:role/a/b/reports",
            "arn:aws:iam::111122223333:user/somebody",
        ] {
            assert_eq!(text.parse::<Identity>().map(|i| i.to_string()), Ok(text.to_owned()));
        }
        let session =
            "arn:aws:sts::111122223333:assumed-role/hub/team-a.payroll".parse::<Identity>();
        assert_eq!(session.expect("a role").to_string(), "arn:aws:iam::111122223333:role/hub");
        let role: Identity = "arn:aws:iam::111122223333:role/a/b/reports".parse().expect("a role");
        assert_eq!((role.path.as_str(), role.name.as_str()), ("/a/b/", "reports"));
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for text in [
            "",
            "reports",
            "arn:aws:iam::11112222333:role/x",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:group/x",
            "arn:aws:s3:::bucket/x",
            "arn:minio:iam:::role/x",
        ] {
            let error = text.parse::<Identity>().map(drop).expect_err(text);
            assert!(
                error.starts_with(&format!("{text:?} is not an identity of IAM: write the ARN")),
                "{error}"
            );
        }
    }
}
