//! The forms in which servers, proxies and parsers repeat a value.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;

/// One form of a secret. Letters count in either case: `%2f` is `%2F`, and servers change the case
/// of header values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    /// Its bytes.
    pub(super) text: Vec<u8>,
    /// It is base64, whose first and last characters also depend on the neighbouring text.
    pub(super) base64: bool,
}

/// Secrets with fewer bytes have no base64 that could be told from other words where it begins
/// within a longer text.
const SHORTEST_INSIDE: usize = 8;

/// Every form of `secret`.
pub(super) fn forms(secret: &str) -> BTreeSet<Form> {
    let mut all = BTreeSet::new();
    // Messages are freed of line breaks before they are searched.
    let stripped: String = secret.chars().filter(|c| !c.is_control()).collect();
    for text in BTreeSet::from([secret, stripped.as_str()]) {
        let json = serde_json::Value::from(text).to_string();
        let json = &json[1..json.len() - 1];
        let written = [
            text.to_owned(),
            json.to_owned(),
            json.replace('/', "\\/"),
            // As Go writes JSON.
            json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;"),
            // RFC 3986, JavaScript's encodeURIComponent and encodeURI, and forms.
            percent(text, "-_.~"),
            percent(text, "-_.!~*'()"),
            percent(text, "-_.!~*'();,/?:@&=+$#"),
            percent(text, "-_.* ").replace(' ', "+"),
        ];
        all.extend(written.into_iter().map(|text| Form { text: text.into_bytes(), base64: false }));
        all.extend(base64(text.as_bytes()).map(|text| Form { text, base64: true }));
    }
    all.retain(|form| !form.text.is_empty());
    all
}

/// Percent-encoding that leaves ASCII letters, digits and the characters of `plain` as they are.
fn percent(text: &str, plain: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || plain.contains(character) {
            encoded.push(character);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

/// Base64 of a text that holds the secret, as `user:pass` holds a password: a secret begins at any
/// of three places in a group of three bytes. The characters that its neighbours change are left
/// out.
fn base64(secret: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let shifts = if secret.len() < SHORTEST_INSIDE { 0..1 } else { 0..3 };
    shifts.flat_map(move |shift: usize| {
        let shifted = [&[0; 3][..shift], secret].concat();
        let first = (shift * 8).div_ceil(6);
        // A short one is searched for as a whole, with its last character.
        let last = if secret.len() < SHORTEST_INSIDE { usize::MAX } else { shifted.len() * 8 / 6 };
        [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)]
            .map(|text| text.as_bytes()[first..last.min(text.len())].to_vec())
    })
}
