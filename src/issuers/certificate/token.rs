//! A private key in a PKCS#11 token, which it never leaves.

use super::KeyKind;
use super::blocking::off_the_runtime;
use super::module::{Loaded, Modules};
use super::pin::{Pin, RefusedPins};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use refreshable_api::Pkcs11Key;
use refreshable_rules::issuer::IssueError;
use rustls::SignatureScheme;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256, Sha384};
use std::sync::Arc;
use std::time::Duration;

/// How long a call waits for those before it at the same module.
const PATIENCE: Duration = Duration::from_secs(15);
/// Length in bytes of the salt of RSA-PSS with SHA-256.
const SALT: std::ffi::c_ulong = 32;

/// A private key in a token.
#[derive(Clone)]
pub struct TokenKey {
    module: Loaded,
    key: Pkcs11Key,
    pin: Pin,
    refused: Arc<RefusedPins>,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey").field("key", &self.key).finish_non_exhaustive()
    }
}

impl TokenKey {
    /// The key that `key` names, to be opened with `pin`. Looks whether it is there.
    ///
    /// # Errors
    /// [`IssueError::Specification`] for a module or token that is not there,
    /// [`IssueError::PinRefused`] for a PIN that does not open it, now or when it was tried last.
    pub fn find(modules: &Modules, key: &Pkcs11Key, pin: Pin) -> Result<Self, IssueError> {
        let module = off_the_runtime(|| modules.load(&key.module))?;
        let refused = modules.refused.clone();
        let found = Self { module, key: key.clone(), pin, refused };
        found.with_session(try_out).map_err(|e| found.explain(&e))?;
        Ok(found)
    }

    /// A signature over the SHA-256 digest of `message`: PKCS#1 v1.5, or ECDSA in DER.
    pub(super) fn sign_sha256(&self, kind: KeyKind, message: &[u8]) -> Result<Vec<u8>, String> {
        self.sign(kind, message, &Mechanism::Sha256RsaPkcs, Sha256::digest(message).as_slice())
    }

    /// A signature as TLS wants it.
    pub(super) fn sign_tls(
        &self,
        kind: KeyKind,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, String> {
        let pss = PkcsPssParams {
            hash_alg: MechanismType::SHA256,
            mgf: PkcsMgfType::MGF1_SHA256,
            s_len: SALT.into(),
        };
        let rsa = match scheme {
            SignatureScheme::RSA_PSS_SHA256 => Mechanism::Sha256RsaPkcsPss(pss),
            _ => Mechanism::Sha256RsaPkcs,
        };
        match kind {
            KeyKind::P384 => self.sign(kind, message, &rsa, Sha384::digest(message).as_slice()),
            _ => self.sign(kind, message, &rsa, Sha256::digest(message).as_slice()),
        }
    }

    /// RSA signs the message by `rsa`, an elliptic curve its digest.
    fn sign(
        &self,
        kind: KeyKind,
        message: &[u8],
        rsa: &Mechanism<'_>,
        digest: &[u8],
    ) -> Result<Vec<u8>, String> {
        let hashing = match kind {
            KeyKind::Rsa => rsa,
            KeyKind::P256 | KeyKind::P384 if digest.len() == Sha384::output_size() => {
                &Mechanism::EcdsaSha384
            }
            KeyKind::P256 | KeyKind::P384 => &Mechanism::EcdsaSha256,
        };
        let signed = self.with_session(|session, key, pin| match kind {
            _ if wants_pin_at_each_use(session, key)? => {
                sign_with_pin(session, key, hashing, pin, message)
            }
            KeyKind::Rsa => session.sign(rsa, key, message).map_err(TokenError::Other),
            KeyKind::P256 | KeyKind::P384 => {
                session.sign(&Mechanism::Ecdsa, key, digest).map_err(TokenError::Other)
            }
        });
        let signature = signed.map_err(|e| self.explain(&e).to_string())?;
        let unreadable = |_| "the token's signature cannot be read".to_owned();
        Ok(match kind {
            KeyKind::Rsa => signature,
            KeyKind::P256 => p256::ecdsa::Signature::from_slice(&signature)
                .map_err(unreadable)?
                .to_der()
                .as_bytes()
                .to_vec(),
            KeyKind::P384 => p384::ecdsa::Signature::from_slice(&signature)
                .map_err(unreadable)?
                .to_der()
                .as_bytes()
                .to_vec(),
        })
    }

    /// Logs in, does `work` with the private key and the PIN, and logs out again, with the module
    /// held.
    fn with_session<T>(
        &self,
        work: impl FnOnce(&Session, ObjectHandle, &AuthPin) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        off_the_runtime(|| self.in_session(work))
    }

    fn in_session<T>(
        &self,
        work: impl FnOnce(&Session, ObjectHandle, &AuthPin) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let module = self.module.try_lock_for(PATIENCE).ok_or(TokenError::Busy)?;
        let session = self.open(&module)?;
        let Pkcs11Key { module: name, token_label, .. } = &self.key;
        // With the module held, so that of many that come with the same PIN one tries it.
        if self.refused.holds(name, token_label, &self.pin) {
            return Err(TokenError::RefusedBefore);
        }
        let pin = AuthPin::new(self.pin.text.expose_secret().into());
        session.login(UserType::User, Some(&pin)).map_err(|e| self.note(e))?;
        self.refused.remove(name, token_label, &self.pin);
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Label(self.key.key_label.as_bytes().to_vec()),
        ];
        let result =
            session.find_objects(&template).map_err(TokenError::Other).and_then(
                |found| match found[..] {
                    [key] => work(&session, key, &pin).map_err(|e| match e {
                        TokenError::Login(e) => self.note(e),
                        other => other,
                    }),
                    [] => Err(TokenError::NoKey),
                    _ => Err(TokenError::ManyKeys),
                },
            );
        // A login outlives its session, and the next one must use its own PIN.
        session.logout().map_err(TokenError::Other)?;
        result
    }

    /// The error of a login; a PIN that was refused is remembered.
    fn note(&self, error: Error) -> TokenError {
        if !refuses_the_pin(&error) {
            return TokenError::Other(error);
        }
        self.refused.add(&self.key.module, &self.key.token_label, &self.pin);
        TokenError::Login(error)
    }

    fn open(&self, module: &Pkcs11) -> Result<Session, TokenError> {
        for slot in module.get_slots_with_token().map_err(TokenError::Other)? {
            let info = module.get_token_info(slot).map_err(TokenError::Other)?;
            if info.label() == self.key.token_label {
                return module.open_ro_session(slot).map_err(TokenError::Other);
            }
        }
        Err(TokenError::NoToken)
    }

    fn explain(&self, error: &TokenError) -> IssueError {
        let Pkcs11Key { module, token_label, key_label, pin_secret_ref } = &self.key;
        let refused = |what: String| IssueError::PinRefused {
            name: pin_secret_ref.name.clone(),
            key: pin_secret_ref.key.clone(),
            what,
        };
        let specification =
            |field: &str, what: String| IssueError::Specification { field: field.to_owned(), what };
        match error {
            TokenError::NoToken => specification(
                "pkcs11.tokenLabel",
                format!("module {module} has no token labelled {token_label}"),
            ),
            TokenError::NoKey => specification(
                "pkcs11.keyLabel",
                format!("token {token_label} has no private key labelled {key_label}"),
            ),
            TokenError::ManyKeys => specification(
                "pkcs11.keyLabel",
                format!(
                    "token {token_label} has more than one private key labelled {key_label}: give each its own label"
                ),
            ),
            TokenError::Login(e) => {
                let locked = matches!(e, Error::Pkcs11(RvError::PinLocked, _));
                refused(if locked {
                    format!(
                        "the PIN of token {token_label} is locked: an administrator has to unlock it"
                    )
                } else {
                    format!("the PIN does not open token {token_label} ({})", short(e))
                })
            }
            TokenError::RefusedBefore => refused(format!(
                "the PIN does not open token {token_label}: it was tried before and is not tried again"
            )),
            TokenError::Busy => IssueError::Unreachable {
                operation: "Sign",
                endpoint: format!("token {token_label}"),
                detail: format!(
                    "module {module} has not answered those before within {} s",
                    PATIENCE.as_secs()
                ),
            },
            TokenError::NoHashing(e) => specification(
                "pkcs11.keyLabel",
                format!(
                    "key {key_label} of token {token_label} wants its PIN at each use (CKA_ALWAYS_AUTHENTICATE), and \
                     the token cannot hash what such a key signs ({}): make a key without that attribute, or an RSA key",
                    short(e)
                ),
            ),
            TokenError::Other(e) => IssueError::Unreachable {
                operation: "Sign",
                endpoint: format!("token {token_label}"),
                detail: short(e),
            },
        }
    }
}

/// Why a token did not sign.
#[derive(Debug)]
enum TokenError {
    NoToken,
    NoKey,
    ManyKeys,
    Login(Error),
    RefusedBefore,
    Busy,
    NoHashing(Error),
    Other(Error),
}

/// Whether the key is one of those that are logged in to once more for each signature, as PIV's
/// signature slot.
fn wants_pin_at_each_use(session: &Session, key: ObjectHandle) -> Result<bool, TokenError> {
    let attributes = session
        .get_attributes(key, &[AttributeType::AlwaysAuthenticate])
        .map_err(TokenError::Other)?;
    // A token that does not know the attribute leaves it out.
    Ok(attributes.contains(&Attribute::AlwaysAuthenticate(true)))
}

/// A key that demands its PIN at each use signs a test message, since not every token supports
/// that. Within TLS the error could not be explained.
fn try_out(session: &Session, key: ObjectHandle, pin: &AuthPin) -> Result<(), TokenError> {
    if !wants_pin_at_each_use(session, key)? {
        return Ok(());
    }
    let attributes =
        session.get_attributes(key, &[AttributeType::KeyType]).map_err(TokenError::Other)?;
    let hashing = match attributes.contains(&Attribute::KeyType(KeyType::RSA)) {
        true => Mechanism::Sha256RsaPkcs,
        false => Mechanism::EcdsaSha256,
    };
    sign_with_pin(session, key, &hashing, pin, b"try").map(drop)
}

/// PKCS#11 wants this login between the beginning and the end of a signature. The library's call
/// for a signature in one part leaves no room there, so that the message goes in as a part, and the
/// token hashes it.
fn sign_with_pin(
    session: &Session,
    key: ObjectHandle,
    hashing: &Mechanism<'_>,
    pin: &AuthPin,
    message: &[u8],
) -> Result<Vec<u8>, TokenError> {
    let unfit = |e| match e {
        Error::Pkcs11(RvError::MechanismInvalid | RvError::KeyFunctionNotPermitted, _) => {
            TokenError::NoHashing(e)
        }
        e => TokenError::Other(e),
    };
    session.sign_init(hashing, key).map_err(unfit)?;
    session.login(UserType::ContextSpecific, Some(pin)).map_err(TokenError::Login)?;
    session.sign_update(message).map_err(|e| match e {
        Error::Pkcs11(RvError::OperationNotInitialized | RvError::FunctionNotSupported, _) => {
            TokenError::NoHashing(e)
        }
        e => TokenError::Other(e),
    })?;
    session.sign_final().map_err(TokenError::Other)
}

/// Whether an error of a login is about the PIN. The token counts some of these, and locks itself.
fn refuses_the_pin(error: &Error) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
    matches!(
        error,
        Error::Pkcs11(PinIncorrect | PinInvalid | PinLenRange | PinExpired | PinLocked, _)
    )
}

/// The name of PKCS#11's return value.
fn short(error: &Error) -> String {
    match error {
        Error::Pkcs11(value, function) => format!("{function}: {value:?}"),
        other => other.to_string(),
    }
}
