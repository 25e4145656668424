//! Every secret that the bench handed out, and the search for them in what programs say.

use std::collections::BTreeSet;
use std::sync::Mutex;

use aho_corasick::AhoCorasick;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};

/// Shorter strings occur by chance.
const SHORTEST: usize = 12;

static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers a secret that was handed out.
pub fn register(secret: &str) {
    if secret.len() >= SHORTEST {
        SECRETS.lock().unwrap_or_else(|broken| broken.into_inner()).insert(secret.into());
    }
}

/// How many secrets are remembered: a search for none of them proves nothing.
pub fn count() -> usize {
    SECRETS.lock().unwrap_or_else(|broken| broken.into_inner()).len()
}

/// # Panics
///
/// Where a secret stands in the text: as it is, in base64 of either alphabet, percent-encoded in
/// letters of either size, or escaped for JSON.
pub fn assert_clean(text: &str, name: &str) {
    let found = leaks(text);
    assert!(found.is_empty(), "{} secrets in {name}:\n{}", found.len(), found.join("\n"));
}

/// A search for these secrets in each of their disguises, and for each pattern whose it is.
pub fn search_for(secrets: &[String]) -> (Vec<usize>, AhoCorasick) {
    let patterns = secrets.iter().enumerate().flat_map(|(index, secret)| {
        disguises(secret).into_iter().map(move |disguise| (index, disguise))
    });
    let (owners, disguises): (Vec<usize>, Vec<String>) = patterns.unzip();
    (owners, AhoCorasick::new(disguises).expect("a search for the secrets"))
}

/// Says where secrets stand in a text, without repeating them.
pub fn leaks(text: &str) -> Vec<String> {
    let secrets: Vec<String> =
        SECRETS.lock().unwrap_or_else(|broken| broken.into_inner()).iter().cloned().collect();
    let (owners, search) = search_for(&secrets);
    let mut found: Vec<String> = search
        .find_iter(text)
        .map(|hit| {
            let secret = &secrets[owners[hit.pattern().as_usize()]];
            let line = text[..hit.start()].matches('\n').count() + 1;
            let start: String = secret.chars().take(4).collect();
            format!(
                "line {line}: the secret of {} characters that starts with {start}",
                secret.len()
            )
        })
        .collect();
    found.dedup();
    found
}

/// How a secret may look in output.
pub fn disguises(secret: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([secret.to_owned()]);
    // A secret inside a longer encoded text starts at any of three places in a group of
    // three bytes. What neighbours change is left out: its first and last characters.
    for shift in 0..3 {
        let shifted = [&vec![0; shift], secret.as_bytes()].concat();
        let first = (shift * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        for encoded in
            [BASE64_STANDARD_NO_PAD.encode(&shifted), BASE64_URL_SAFE_NO_PAD.encode(&shifted)]
        {
            all.insert(encoded[first..last].to_owned());
        }
    }
    let percent = percent_encoded(secret, |byte| format!("%{byte:02X}"));
    all.extend([percent, percent_encoded(secret, |byte| format!("%{byte:02x}"))]);
    let json = serde_json::Value::from(secret).to_string();
    all.extend([json[1..json.len() - 1].to_owned(), json[1..json.len() - 1].replace('/', "\\/")]);
    all
}

fn percent_encoded(text: &str, escaped: impl Fn(u8) -> String) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&escaped(byte));
        }
        encoded
    })
}
