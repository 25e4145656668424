//! Patterns of a policy that no resource can ever match: the fault of each, and what to write
//! instead.
//!
//! Only certain faults are reported. A placeholder counts as any text, and where a policy allows an
//! STS outside AWS, its roles may have names of any form.

use super::patterns::NOT_IN_A_PATH;
use super::policy_patterns::{self, BadPattern, Subject};
use refreshable_api::Allow;

/// Placeholder for a part of a text.
#[derive(Clone, Copy)]
enum Piece {
    /// Any run of characters.
    Run,
    /// Any one character.
    One,
    /// A digit.
    Digit,
    /// This character.
    Exactly(char),
}

/// An example that is right.
const ARN: &str = "arn:aws:iam::111122223333:role/team-a/*";

/// The characters of session names and source identities besides letters and digits, as STS takes
/// them.
const NAME: &str = "_+=,.@-";
/// Those of an external id.
const EXTERNAL_ID: &str = "_+=,.@:/\\-";
/// Those of a session tag.
const TAG: &str = "_.:/=+-@";

/// The patterns in `allow` that can match nothing. `elsewhere`: a policy allows an STS outside AWS.
pub fn find(allow: &Allow, elsewhere: bool) -> Vec<BadPattern> {
    let ascii = |pattern: &str, special: &str| {
        foreign(&fill(pattern, "x"), special, |c| c.is_ascii_alphanumeric())
    };
    policy_patterns::bad(allow, |subject, pattern| match subject {
        Subject::Arn => arn(pattern, elsewhere),
        Subject::SessionName => ascii(pattern, NAME),
        Subject::ExternalId => ascii(pattern, EXTERNAL_ID),
        Subject::TagKey => tag_key(pattern),
        Subject::TagValue => tag_text(&fill(pattern, "x")),
        Subject::TokenLabel => token_label(pattern),
        Subject::Url => url(pattern),
    })
}

/// Why a pattern matches no key of a session tag. Placeholders are none in it.
fn tag_key(pattern: &str) -> Option<String> {
    let reserved =
        "session tags whose keys begin with aws: are AWS's own: write the key of a tag of yours";
    if pattern.starts_with("aws:") { Some(reserved.to_owned()) } else { tag_text(pattern) }
}

/// Keys and values of session tags have letters, digits and spaces of every script.
fn tag_text(pattern: &str) -> Option<String> {
    foreign(pattern, TAG, |c| c.is_alphanumeric() || c.is_whitespace())
}

/// Why a pattern matches no label of a PKCS#11 token, which has room for 32 bytes (CK_TOKEN_INFO).
fn token_label(pattern: &str) -> Option<String> {
    let least = fill(pattern, "x").chars().filter(|c| *c != '*').count();
    (least > 32).then(|| {
        "the label of a PKCS#11 token has at most 32 characters: write what the token's label begins with, and a *".to_owned()
    })
}

/// Why a pattern of role ARNs matches none.
fn arn(pattern: &str, elsewhere: bool) -> Option<String> {
    let filled = fill(pattern, "*");
    let parts: Vec<&str> = filled.splitn(6, ':').collect();
    let &[scheme, partition, service, region, account, resource] = parts.as_slice() else {
        return Some(format!(
            "an ARN has six parts with a colon between them, and a * never stands for a colon: write for example {ARN}"
        ));
    };
    if elsewhere {
        return None;
    }
    let digits = [Piece::Digit; 12];
    let role: Vec<Piece> =
        "role/".chars().map(Piece::Exactly).chain([Piece::One, Piece::Run]).collect();
    let why = if !overlaps(&pieces(scheme), &pieces("arn"))
        || !overlaps(&pieces(partition), &pieces("aws*"))
    {
        "an ARN of AWS begins with arn:aws, arn:aws-cn or another of its partitions"
    } else if !overlaps(&pieces(service), &pieces("iam")) {
        "a role is of the service iam"
    } else if !overlaps(&pieces(region), &[]) {
        "a role has no Region: leave the part before the account empty"
    } else if !overlaps(&pieces(account), &digits) {
        "the account of a role is 12 digits"
    } else if !overlaps(&pieces(resource), &role) {
        "the last part of a role's ARN begins with role/"
    } else {
        return None;
    };
    Some(format!("{why}: write for example {ARN}"))
}

/// Why a pattern of URLs matches none.
fn url(pattern: &str) -> Option<String> {
    // A namespace or a name is as good as any other text of letters.
    let filled = fill(pattern, "x");
    let Some((scheme, rest)) = filled.split_once("://") else {
        return Some(format!("a URL has a scheme: write https://{pattern}"));
    };
    if !matches!(scheme, "https" | "http") {
        return Some(
            "the scheme is https or http, in small letters and without wildcards: write https://"
                .to_owned(),
        );
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Some(
            "a host is missing behind the scheme: write for example https://minio.example.com"
                .to_owned(),
        );
    }
    if let Some(odd) = host.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.:[]*?".contains(*c))
    {
        return Some(format!(
            "no host has the character {odd}: write the host with its port alone, for example https://minio.example.com:9000 (names of other scripts in their xn-- form)"
        ));
    }
    if is_half_an_address(host) {
        return Some(
            "an address is allowed only where it is written out: write it without wildcards"
                .to_owned(),
        );
    }
    // The path is compared literally.
    if path.contains(['*', '?']) {
        let end = "a path has no wildcards: end the pattern before it, because what lies below a path is allowed with it";
        return Some(end.to_owned());
    }
    let odd = path.chars().find(|c| !c.is_ascii_graphic() || NOT_IN_A_PATH.contains(*c));
    if let Some(odd) = odd {
        return Some(format!(
            "no path with the character {odd} is allowed: end the pattern before it"
        ));
    }
    let dots = path.split('/').find(|segment| matches!(*segment, "." | ".."))?;
    Some(format!("no path with {dots} is allowed: write the path that it leads to"))
}

/// Whether only an address could match a host that has wildcards.
fn is_half_an_address(host: &str) -> bool {
    if !host.contains(['*', '?']) {
        return false;
    }
    let (name, _port) = host.rsplit_once(':').unwrap_or((host, ""));
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    name.starts_with('[') || (!last.is_empty() && last.chars().all(|c| c.is_ascii_digit()))
}

/// Why a pattern matches no text of these characters.
fn foreign(pattern: &str, special: &str, plain: impl Fn(char) -> bool) -> Option<String> {
    let odd =
        pattern.chars().find(|c| !plain(*c) && !special.contains(*c) && !"*?".contains(*c))?;
    Some(format!("AWS takes no {odd:?} there: take it out, or write ? in its place"))
}

fn fill(pattern: &str, with: &str) -> String {
    pattern.replace("{namespace}", with).replace("{name}", with)
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let piece = |c| match c {
        '*' => Piece::Run,
        '?' => Piece::One,
        c => Piece::Exactly(c),
    };
    pattern.chars().map(piece).collect()
}

/// Whether there is a text that both describe. Linear in the product of the lengths.
fn overlaps(one: &[Piece], other: &[Piece]) -> bool {
    // `reach[j]`: what was taken of `one` so far and the first `j` pieces of `other` describe a
    // text together.
    let skips = |piece: &Piece| matches!(piece, Piece::Run);
    let mut reach: Vec<bool> = (0..=other.len()).map(|j| other[..j].iter().all(skips)).collect();
    for a in one {
        let mut next = vec![skips(a) && reach[0]];
        for (j, b) in other.iter().enumerate() {
            let met = match (a, b) {
                (Piece::Run, _) | (_, Piece::Run) => reach[j + 1] || next[j],
                (Piece::One, _) | (_, Piece::One) | (Piece::Digit, Piece::Digit) => reach[j],
                (Piece::Digit, Piece::Exactly(c)) | (Piece::Exactly(c), Piece::Digit) => {
                    c.is_ascii_digit() && reach[j]
                }
                (Piece::Exactly(a), Piece::Exactly(b)) => a == b && reach[j],
            };
            next.push(met);
        }
        reach = next;
    }
    reach[other.len()]
}

#[cfg(test)]
#[path = "unmatchable_tests.rs"]
mod tests;
