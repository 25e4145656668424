//! A PKCS#11 token in software.

use super::{programs, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user PIN.
pub const PIN: &str = "the-pin-9317";

/// How a label ends whose key wants the PIN at each use.
pub const EACH_USE: &str = "-each-use";

/// A SoftHSM token `bench` that holds the keys of these files (PKCS#8, PEM), each under its label;
/// its configuration. Keys whose labels end with [`EACH_USE`] want the PIN once more for each
/// signature, as a smart card's signature key.
pub fn token(keys: &[(&str, &Path)]) -> (PathBuf, PathBuf) {
    let installed = programs::softhsm();
    let folder = scratch::subfolder("softhsm");
    let tokens = folder.join("tokens");
    std::fs::create_dir_all(&tokens).expect("a folder");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    let config = scratch::write(folder.join("softhsm2.conf"), text);
    let util = |arguments: &[&str]| {
        let output = Command::new(&installed.util)
            .args(["--module", &installed.module.display().to_string()])
            .args(arguments)
            .env("SOFTHSM2_CONF", &config)
            .env("LD_LIBRARY_PATH", installed.module.parent().expect("a folder"))
            .output()
            .expect("softhsm2-util starts");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    util(&["--init-token", "--free", "--label", "bench", "--so-pin", "12345678", "--pin", PIN]);
    for (number, (label, file)) in keys.iter().enumerate() {
        if label.ends_with(EACH_USE) {
            put_with_pin_at_each_use(&installed.module, &config, label, file);
            continue;
        }
        let (id, file) = (format!("{:02x}", number + 1), file.display().to_string());
        util(&["--import", &file, "--token", "bench", "--label", label, "--id", &id, "--pin", PIN]);
    }
    (installed.module, config)
}

/// Puts a key whose PIN is asked for at each use. `softhsm2-util` cannot: the attribute has to be
/// there when the key is made.
fn put_with_pin_at_each_use(module: &Path, config: &Path, label: &str, file: &Path) {
    let output = Command::new(programs::python("python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/token_key.py"))
        .args([module, Path::new(PIN), Path::new(label), file])
        .env("SOFTHSM2_CONF", config)
        .env("LD_LIBRARY_PATH", module.parent().expect("a folder"))
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{label}: {}", String::from_utf8_lossy(&output.stderr));
}
