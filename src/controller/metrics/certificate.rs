//! When the certificate of the secure port is valid.

use super::put;
use jiff::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use refreshable_issuers::certificate::ValidityPeriod;
use std::fmt;

/// Writes it of a certificate.
pub(crate) fn encode(
    period: ValidityPeriod,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let gauge = |time: Timestamp| ConstGauge::new(time.as_second());
    let seconds = Some(&Unit::Seconds);
    let help = "When the certificate for /metrics begins to be valid, in Unix time";
    let start = gauge(period.not_before);
    put(encoder, "metrics_certificate_not_before_timestamp", help, seconds, &start)?;
    let help = "When the certificate for /metrics expires, in Unix time";
    let end = gauge(period.not_after);
    put(encoder, "metrics_certificate_expiration_timestamp", help, seconds, &end)
}
