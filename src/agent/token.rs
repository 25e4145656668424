//! The token that callers must know.
//!
//! The SDKs read it from a file (`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`) at each call and send it
//! unchanged.

use secrecy::{ExposeSecret as _, SecretSlice};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Length of a token that is made here, in bytes; it is written in twice as many hexadecimal
/// digits.
const LENGTH: usize = 32;
/// Longest token that is read, in bytes.
const LONGEST: u64 = 8 * 1024;
/// The containers that share the folder may run as any user.
const MODE: u32 = 0o444;

/// A token. It has no `Debug`.
pub(super) struct Token(SecretSlice<u8>);

impl Token {
    /// Whether `sent` is the token. The time that this takes does not show where they differ.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        self.0.expose_secret().ct_eq(sent).into()
    }
}

/// Reads the token in `file`, without the white space around it.
///
/// # Errors
/// Where the file cannot be read, or there is none in it.
pub(super) fn read(file: &Path) -> io::Result<Token> {
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    fs::File::open(file)?.take(LONGEST).read_to_end(&mut text)?;
    match text.trim_ascii() {
        [] => Err(io::Error::new(ErrorKind::InvalidData, "it is empty")),
        token => Ok(Token(token.to_vec().into())),
    }
}

/// Writes a random token into `file`, at once as a whole. One that is there stays: the sidecar may
/// have been started again beside programs that know it.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn create(file: &Path) -> io::Result<()> {
    if read(file).is_ok() {
        return Ok(());
    }
    let mut random = Zeroizing::new([0; LENGTH]);
    getrandom::fill(random.as_mut_slice())?;
    let text = Zeroizing::new(hex::encode(random.as_slice()));
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut whole = tempfile::Builder::new().prefix(".token").tempfile_in(folder)?;
    whole.write_all(text.as_bytes())?;
    whole.as_file().set_permissions(Permissions::from_mode(MODE))?;
    whole.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        create(&file).expect("written");
        let first = fs::read_to_string(&file).expect("a token");
        assert!(first.len() == 64 && first.bytes().all(|b| b.is_ascii_hexdigit()), "64 digits");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o444);
        create(&file).expect("kept");
        assert_eq!(fs::read_to_string(&file).expect("a token"), first, "one that is there stays");
        let names: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|e| e.expect("entry").file_name())
            .collect();
        assert_eq!(names, ["token"], "nothing else is left");
        fs::remove_file(&file).expect("removed");
        fs::write(&file, "").expect("written");
        create(&file).expect("an empty file is not a token");
        assert_ne!(fs::read_to_string(&file).expect("a token"), first, "another one each time");
        let error =
            create(&folder.path().join("missing/token")).expect_err("the folder is missing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_token_is_the_whole_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        fs::write(&file, "\tabc\r\n").expect("written");
        let token = read(&file).expect("a token");
        assert!(token.is(b"abc"));
        for other in [&b""[..], b"ab", b"abcd", b"abd", b"ABC", b"abc\n"] {
            assert!(!token.is(other), "{other:?}");
        }
    }
}
