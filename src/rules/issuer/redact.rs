//! Redacts confidential values. Servers may echo what they were sent, so every value that an
//! attempt sent in confidence is removed from every foreign text before it becomes a condition, an
//! event or a log line.

use super::AccessKey;
use super::disguise::{Form, forms};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::{Mutex, MutexGuard};
use secrecy::{ExposeSecret as _, SecretString};
use std::ops::Range;
use std::sync::Arc;

/// Replacement for a secret.
pub const REDACTED: &str = "<redacted>";
/// Longest part of a foreign text that is passed on, in bytes.
const LONGEST_WORDS: usize = 500;
/// Shorter secrets are not redacted: they occur in every text.
const SHORTEST: usize = 4;
/// Shorter forms are redacted only as whole words.
const SHORTEST_INSIDE: usize = 8;
/// A part of this length gives a longer form away: servers cut the values that they repeat.
const PART: usize = 16;
/// Forms longer than this are looked for by fewer of their parts.
const LONG: usize = 256;
/// Distance in bytes between two searched parts of a long form.
const LONG_STRIDE: usize = 64;

/// Values that one attempt sent in confidence, and the search for them. Clones share the values.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    secrets: Vec<SecretString>,
    /// Made when a text is to be searched, and unmade when a secret is added.
    search: Option<Arc<Search>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Keeps `secret` out of every text from now on.
    pub fn protect(&self, secret: &str) {
        let secret = secret.trim();
        let mut kept = self.kept();
        if secret.len() >= SHORTEST && !kept.secrets.iter().any(|s| s.expose_secret() == secret) {
            kept.secrets.push(SecretString::from(secret));
            kept.search = None;
        }
    }

    /// The same for the secret parts of a key.
    pub fn protect_key(&self, key: &AccessKey) {
        self.protect(key.secret.expose_secret());
        if let Some(token) = &key.token {
            self.protect(token.expose_secret());
        }
    }

    /// The same for a header's value: also for what follows its scheme, and for the password of
    /// `Basic`.
    pub fn protect_header(&self, value: &str) {
        self.protect(value);
        let Some((scheme, rest)) = value.trim().split_once(' ') else { return };
        self.protect(rest);
        let decoded =
            STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        if let Some(pair) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
            self.protect(&pair);
            self.protect(pair.split_once(':').map_or("", |(_, password)| password));
        }
    }

    /// The same for the signature in an `Authorization` header that AWS's signing makes.
    pub fn protect_signature(&self, authorization: &str) {
        self.protect(authorization.split_once("Signature=").map_or("", |(_, signature)| signature));
    }

    /// The text without the confidential values, in whatever form.
    pub fn redact(&self, text: &str) -> String {
        if text.len() < SHORTEST {
            return text.to_owned();
        }
        let search = {
            let mut kept = self.kept();
            if kept.secrets.is_empty() {
                return text.to_owned();
            }
            let Kept { secrets, search } = &mut *kept;
            search.get_or_insert_with(|| Arc::new(Search::new(secrets))).clone()
        };
        search.redact(text)
    }

    /// A foreign text as it may be passed on: without control characters, without secrets, and then
    /// cut. Cutting first could hide a secret from the search.
    pub fn words(&self, text: &str) -> String {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        crate::failure::shorten(&self.redact(&plain), LONGEST_WORDS)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock()
    }
}

/// The search for all forms of all secrets.
struct Search {
    forms: Vec<Form>,
    /// Of each pattern: the form that it is a part of, and where it begins there.
    patterns: Vec<(usize, usize)>,
    /// `None` where the patterns are too many for it: then no text is passed on.
    automaton: Option<AhoCorasick>,
}

impl Search {
    fn new(secrets: &[SecretString]) -> Self {
        let forms: Vec<Form> = secrets.iter().flat_map(|s| forms(s.expose_secret())).collect();
        let patterns: Vec<(usize, usize)> = forms
            .iter()
            .enumerate()
            .flat_map(|(at, form)| begins(form).map(move |begin| (at, begin)))
            .collect();
        let parts = patterns.iter().map(|(form, begin)| part(&forms[*form], *begin));
        // It searches a few texts at most: a quicker automaton would take longer to build than to
        // use.
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(parts)
            .ok();
        Self { forms, patterns, automaton }
    }

    fn redact(&self, text: &str) -> String {
        let Some(automaton) = &self.automaton else { return REDACTED.to_owned() };
        let mut found: Vec<Range<usize>> = automaton
            .find_overlapping_iter(text)
            .filter_map(|hit| {
                let (form, begin) = self.patterns[hit.pattern().as_usize()];
                whole(&self.forms[form], begin, text.as_bytes(), hit.range())
            })
            .collect();
        if found.is_empty() {
            return text.to_owned();
        }
        found.sort_by_key(|range| range.start);
        let (mut clean, mut end) = (Vec::with_capacity(text.len()), 0);
        for range in found {
            if range.start > end || (end == 0 && clean.is_empty()) {
                clean.extend_from_slice(&text.as_bytes()[end..range.start]);
                clean.extend_from_slice(REDACTED.as_bytes());
            }
            end = end.max(range.end);
        }
        clean.extend_from_slice(&text.as_bytes()[end..]);
        String::from_utf8_lossy(&clean).into_owned()
    }
}

/// Where the parts begin by which a form is found.
fn begins(form: &Form) -> impl Iterator<Item = usize> + use<> {
    let len = form.text.len();
    let stride = if len > LONG { LONG_STRIDE } else { PART };
    let whole = len < 2 * PART;
    let last = if whole { 0 } else { len - PART };
    (0..=last).step_by(stride).chain((!whole).then_some(last))
}

fn part(form: &Form, begin: usize) -> &[u8] {
    if form.text.len() < 2 * PART { &form.text } else { &form.text[begin..begin + PART] }
}

/// The whole form in `text` around `hit`; `None` where a short form is a part of a longer word.
fn whole(form: &Form, begin: usize, text: &[u8], hit: Range<usize>) -> Option<Range<usize>> {
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
    let before = form.text[..begin].iter().rev().zip(text[..hit.start].iter().rev());
    let mut start = hit.start - before.take_while(|(a, b)| same(**a, **b)).count();
    let after = form.text[begin + hit.len()..].iter().zip(&text[hit.end..]);
    let mut end = hit.end + after.take_while(|(a, b)| same(**a, **b)).count();
    let inside =
        |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    if form.text.len() < SHORTEST_INSIDE && (inside(start.checked_sub(1)) || inside(Some(end))) {
        return None;
    }
    if form.base64 {
        let encoded = |b: &&u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(b);
        // In base64 the neighbours' characters depend on the secret, too: all of them are removed.
        start -= text[..start].iter().rev().take_while(encoded).count();
        end += text[end..].iter().take_while(encoded).count();
    }
    // The space before a part of a secret is not the secret's.
    start += text[start..end].iter().take_while(|b| b.is_ascii_whitespace()).count();
    end -= text[start..end].iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    Some(start..end)
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
