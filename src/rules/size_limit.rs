//! How many bytes the resources of one namespace may take, all together.
//!
//! An administrator sets it for a namespace by an annotation of the Namespace object, which its
//! tenants cannot write. Counted is each resource as JSON, as the API server returns it, with its
//! status and its managed fields.
//!
//! Neither kube nor k8s-openapi reads a quantity, and no library does it better: `kube_quantity` reads
//! the number as a float and `Mi` without one as zero, `k8s_quantity_parser` is of k8s-openapi 0.14.

use refreshable_api::{RefreshableCredential, names};
use std::collections::BTreeMap;
use std::fmt;

/// The units of a limit, of those that a quantity of Kubernetes may have.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

/// Most digits of the number before the unit.
pub const DIGITS: usize = 6;

/// Bytes that the resources of one namespace may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    number: u64,
    unit: &'static str,
    bytes: u64,
}

impl SizeLimit {
    /// Reads a limit as the annotation has it.
    ///
    /// # Errors
    /// Advice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let unit = UNITS.iter().find(|(unit, _)| *unit == suffix);
        let number = number.parse().ok().filter(|_| digits <= DIGITS && !text.starts_with('0'));
        match (number, unit) {
            (Some(number), Some((unit, factor))) => {
                Ok(Self { number, unit, bytes: number * factor })
            }
            _ => Err(format!(
                "{text:?} is not a size: write a whole number of at most {DIGITS} digits with a unit \
                 (k, M, G, T, Ki, Mi, Gi, Ti) or without, for example \"10Mi\""
            )),
        }
    }

    /// The limit that a Namespace's annotations set, if they set one.
    ///
    /// # Errors
    /// Advice.
    pub fn of_namespace(annotations: &BTreeMap<String, String>) -> Option<Result<Self, String>> {
        annotations.get(names::TOTAL_SIZE_ANNOTATION).map(|text| Self::parse(text))
    }

    /// How resources of `bytes` together exceed the limit, if they do.
    pub fn exceeded_by(self, bytes: u64) -> Option<Oversize> {
        (bytes > self.bytes).then_some(Oversize { bytes, limit: self })
    }
}

impl fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.unit)
    }
}

/// The resources of a namespace take more than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversize {
    bytes: u64,
    limit: SizeLimit,
}

impl Oversize {
    /// Message of a resource that is not issued for it. In whole KiB: the message is a part of what
    /// is counted, and must not differ for every byte of that.
    pub fn message(self) -> String {
        format!(
            "waits: the resources of the namespace take {}Ki together, more than {} ({}). Delete some or make them \
             smaller, or ask the administrator for a higher limit. Published credentials are renewed all the same",
            self.bytes.div_ceil(1 << 10),
            self.limit,
            names::TOTAL_SIZE_ANNOTATION
        )
    }
}

/// Whether `object` has published nothing yet, as far as its status tells. A Secret under an earlier
/// name counts: it is to be followed by one under the new name.
pub fn is_new(object: &RefreshableCredential) -> bool {
    object.status.as_ref().is_none_or(|status| status.secret.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_whole_number_with_a_unit_of_kubernetes() {
        for (text, bytes) in [
            ("1", 1),
            ("500k", 500_000),
            ("10Mi", 10 << 20),
            ("2G", 2_000_000_000),
            ("999999Ti", 999_999 << 40),
        ] {
            let limit = SizeLimit::parse(text).expect(text);
            assert_eq!((limit.bytes, limit.to_string().as_str()), (bytes, text));
        }
        for text in [
            "",
            "0",
            "0Mi",
            "01Mi",
            "-1Mi",
            "1.5Mi",
            "10MB",
            "10 Mi",
            "Mi",
            "1e6",
            "1000000",
            "\u{661}Mi",
        ] {
            let advice = SizeLimit::parse(text).expect_err(text);
            assert!(advice.contains("for example \"10Mi\""), "{advice}");
        }
    }

    #[test]
    fn it_stands_at_the_namespace() {
        let of = |text: Option<&str>| {
            let annotations =
                text.map(|t| (names::TOTAL_SIZE_ANNOTATION.to_owned(), t.to_owned())).into_iter();
            SizeLimit::of_namespace(&annotations.collect())
        };
        assert_eq!(of(None), None);
        assert_eq!(of(Some("5Ki")).expect("one").expect("a limit").to_string(), "5Ki");
        assert!(of(Some("x")).expect("one").is_err());
    }

    #[test]
    fn a_sum_exceeds_it_from_the_next_byte_on_and_the_message_says_both() {
        let limit = SizeLimit::parse("10Ki").expect("a limit");
        assert_eq!(limit.exceeded_by(10 << 10), None);
        let said = limit.exceeded_by((10 << 10) + 1).expect("exceeded").message();
        assert!(
            said.contains("take 11Ki together, more than 10Ki (refreshable.dev/total-size)"),
            "{said}"
        );
    }
}
