//! A PKCS#11 token in software.

use super::{programs, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user PIN.
pub const PIN: &str = "the-pin-9317";

/// A SoftHSM token `bench` that holds the keys of these files (PKCS#8, PEM), each under its label; its configuration.
pub fn token(keys: &[(&str, &Path)]) -> (PathBuf, PathBuf) {
    let installed = programs::softhsm();
    let folder = scratch::subfolder("softhsm");
    let tokens = folder.join("tokens");
    std::fs::create_dir_all(&tokens).expect("a folder");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    let config = scratch::write(folder.join("softhsm2.conf"), text);
    let util = |arguments: &[&str]| {
        let output = Command::new(&installed.util)
            .args(["--module", &installed.module.display().to_string()])
            .args(arguments)
            .env("SOFTHSM2_CONF", &config)
            .env("LD_LIBRARY_PATH", installed.module.parent().expect("a folder"))
            .output()
            .expect("softhsm2-util starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    util(&["--init-token", "--free", "--label", "bench", "--so-pin", "12345678", "--pin", PIN]);
    for (number, (label, file)) in keys.iter().enumerate() {
        let (id, file) = (format!("{:02x}", number + 1), file.display().to_string());
        util(&["--import", &file, "--token", "bench", "--label", label, "--id", &id, "--pin", PIN]);
    }
    (installed.module, config)
}
