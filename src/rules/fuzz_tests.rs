//! The targets of `tests/fuzz`, each over its seeds, and over these cut short and with one byte
//! changed: a target that no longer compiles or holds is seen without libFuzzer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "../../tests/fuzz/properties/answers.rs"]
mod answers;
#[path = "../../tests/fuzz/properties/names.rs"]
mod names;
#[path = "../../tests/fuzz/properties/patterns.rs"]
mod patterns;
#[path = "../../tests/fuzz/properties/redaction.rs"]
mod redaction;

type Property = fn(&[u8]);

const TARGETS: [(&str, Property); 4] = [
    ("answers", answers::check),
    ("names", names::check),
    ("patterns", patterns::check),
    ("redaction", redaction::check),
];
/// Bytes that mean something in one format or another.
const BYTES: &[u8] = b"\0\n \"%*?#@:/\\.,;{}[]0-zZ\x7f\xff";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz")
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let stem = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("a file").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    };
    files.map(stem).collect()
}

#[test]
fn each_fuzz_target_has_its_property_and_its_seeds() {
    let targets: BTreeSet<String> = TARGETS.map(|(name, _)| name.to_owned()).into();
    for part in ["fuzz_targets", "properties", "seeds"] {
        assert_eq!(names_in(&folder().join(part)), targets, "tests/fuzz/{part}");
    }
    for name in targets {
        let target = folder().join(format!("fuzz_targets/{name}.rs"));
        let text = std::fs::read_to_string(target).expect("a target");
        assert!(text.contains(&format!("fuzz_target!(|input: &[u8]| {name}::check(input));")));
    }
}

#[test]
fn each_fuzz_target_holds_for_its_seeds_and_what_is_near_them() {
    for (name, check) in TARGETS {
        let seeds = std::fs::read_dir(folder().join("seeds").join(name)).expect("seeds");
        let mut checked = 0;
        for seed in seeds {
            let path = seed.expect("a seed").path();
            let seed = std::fs::read(&path).expect("readable");
            println!("{}", path.display());
            check(&seed);
            for at in 0..seed.len() {
                check(&seed[..at]);
                for byte in BYTES {
                    let mut changed = seed.clone();
                    changed[at] = *byte;
                    check(&changed);
                    checked += 1;
                }
            }
        }
        assert!(checked > 1000, "{name}: {checked}");
    }
}
