//! Answers of issuers: credentials in JSON, leases of Vault. Whatever comes is read or refused, and
//! credentials that are read are of use now.

use jiff::Timestamp;
use refreshable_rules::issuer::{json, vault};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// Clocks of servers, in seconds that they are ahead: right, off by an hour, by decades.
const CLOCKS: [i64; 5] = [0, 3600, -3600, -NOW, NOW];

/// Holds for every body.
pub fn check(body: &[u8]) {
    let now = Timestamp::from_second(NOW).expect("a time");
    for ahead in CLOCKS {
        let date = Timestamp::from_second(NOW + ahead).ok();
        let read = [json::read("Fuzz", body, date, now), vault::read("Fuzz", body, date, now)];
        for issued in read.into_iter().flatten() {
            let lifetime = issued.lifetime;
            assert!(lifetime.expiration > lifetime.issued_at, "they expired before they were made");
        }
    }
    if let Ok(issued) = json::read("Fuzz", body, None, now) {
        assert!(issued.lifetime.expiration > now, "they expired before they came");
    }
}
