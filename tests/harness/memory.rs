//! The memory of a process, searched as whoever may read it would.

use super::canary::search_for;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Bytes read at once. Secrets are shorter than [`OVERLAP`], so that one on the border of two
/// pieces is found.
const PIECE: usize = 1 << 20;
const OVERLAP: usize = 16 << 10;
/// Bytes before a hit that are shown, to tell what it belongs to.
const BEFORE: usize = 48;

/// Where the secrets stand in the memory that a process may write to, plain or encoded: for the
/// number of each that is found the mapping, the address, and the text before it.
///
/// # Panics
/// Where the memory cannot be read: it takes root, since the controller is not dumpable.
pub fn find(process: u32, secrets: &[String]) -> BTreeMap<usize, Vec<String>> {
    let (owners, search) = search_for(secrets);
    let folder = format!("/proc/{process}");
    let maps = std::fs::read_to_string(format!("{folder}/maps")).expect("the maps, read as root");
    let memory = File::open(format!("{folder}/mem")).expect("the memory, read as root");
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let (mut buffer, mut read) = (vec![0; PIECE + OVERLAP], 0);
    for (range, name) in maps.lines().filter_map(writable) {
        for start in range.clone().step_by(PIECE) {
            let rest = usize::try_from(range.end - start).expect("a length");
            let piece = &mut buffer[..rest.min(PIECE + OVERLAP)];
            // A mapping that has gone meanwhile holds nothing any more.
            let Ok(length) = memory.read_at(piece, start) else { continue };
            read += length;
            for hit in search.find_iter(&piece[..length]) {
                let before = &piece[hit.start().saturating_sub(BEFORE)..hit.start()];
                let address = start + hit.start() as u64;
                let text = String::from_utf8_lossy(before);
                let place = format!("{name} at {address:#x}, after {text:?}");
                found.entry(owners[hit.pattern().as_usize()]).or_default().push(place);
            }
        }
    }
    assert!(read > PIECE, "{read} bytes are not the memory of a program");
    found
}

/// Range and name of a mapping that can be written to, from its line in proc(5)'s `maps`.
fn writable(line: &str) -> Option<(Range<u64>, String)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    words.next().filter(|rights| rights.starts_with("rw"))?;
    let at = |text: &str| u64::from_str_radix(text, 16).ok();
    Some((at(start)?..at(end)?, words.nth(3).unwrap_or("anonymous memory").to_owned()))
}
