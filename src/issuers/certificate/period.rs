//! When a certificate is valid (RFC 5280, section 4.1.2.5).

use jiff::{SignedDuration, Timestamp};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

/// Clocks may differ by this much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether a certificate may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It may.
    Valid,
    /// Not before that time.
    NotYet(Timestamp),
    /// It ended at that time.
    Expired(Timestamp),
}

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidityPeriod {
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl ValidityPeriod {
    /// Reads it of a certificate in DER, if it is one.
    pub fn read(der: &[u8]) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, certificate)| Self::of(&certificate))
    }

    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let period = certificate.validity();
        Self { not_before: time(period.not_before), not_after: time(period.not_after) }
    }

    /// The time in which both are valid.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }

    /// Whether the certificate may be used at `now`.
    pub fn validity(self, now: Timestamp) -> Validity {
        if now > self.not_after {
            Validity::Expired(self.not_after)
        } else if now.duration_until(self.not_before) > CLOCK_TOLERANCE {
            Validity::NotYet(self.not_before)
        } else {
            Validity::Valid
        }
    }
}

/// A certificate without an end says 99991231235959Z, which is later than [`Timestamp::MAX`].
fn time(of: ASN1Time) -> Timestamp {
    Timestamp::from_second(of.timestamp()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn read(from: i32, until: i32) -> ValidityPeriod {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        ValidityPeriod::read(certificate.der()).expect("a period")
    }

    #[test]
    fn a_certificate_may_be_used_within_its_period_and_a_little_before() {
        let period = ValidityPeriod {
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2026-02-01T00:00:00Z"),
        };
        for (now, validity) in [
            ("2025-12-31T23:00:00Z", Validity::NotYet(period.not_before)),
            ("2025-12-31T23:54:59Z", Validity::NotYet(period.not_before)),
            ("2025-12-31T23:55:00Z", Validity::Valid),
            ("2026-01-15T00:00:00Z", Validity::Valid),
            ("2026-02-01T00:00:00Z", Validity::Valid),
            ("2026-02-01T00:00:01Z", Validity::Expired(period.not_after)),
        ] {
            assert_eq!(period.validity(at(now)), validity, "{now}");
        }
        let [first, last] = [Timestamp::MIN, Timestamp::MAX];
        assert_eq!(period.validity(first), Validity::NotYet(period.not_before));
        assert_eq!(period.validity(last), Validity::Expired(period.not_after));
    }

    #[test]
    fn a_certificate_without_an_end_is_read() {
        let period = read(2026, 9999);
        assert_eq!(period.not_before, at("2026-01-01T00:00:00Z"));
        assert_eq!(period.not_after, Timestamp::MAX);
        assert_eq!(period.validity(Timestamp::MAX), Validity::Valid);
        assert_eq!(ValidityPeriod::read(b"nonsense"), None);
    }

    #[test]
    fn two_are_valid_from_the_later_start_to_the_earlier_end() {
        let (one, other) = (read(2020, 2030), read(2024, 2026));
        assert_eq!(one.and(other), other);
        assert_eq!(other.and(one), other);
        let later = read(2025, 2040).and(one);
        assert_eq!(later.not_before, at("2025-01-01T00:00:00Z"));
        assert_eq!(later.not_after, one.not_after);
    }
}
