//! The MFA code that a call carries, from a seed in a Secret.

use super::Request;
use crate::aws::totp::TotpError;
use refreshable_api::SecretKeyReference;
use refreshable_rules::issuer::IssueError;
use secrecy::SecretString;

/// The code of the device `serial_number` at the time of the request; `None` where no device is
/// named.
pub(super) async fn code(
    serial_number: Option<&str>,
    seed: Option<&SecretKeyReference>,
    request: &Request<'_>,
) -> Result<Option<SecretString>, IssueError> {
    let (Some(serial), Some(reference)) = (serial_number, seed) else { return Ok(None) };
    let seed = request.text(reference).await?;
    let code = request.totp.code(request.namespace, &seed, request.now).map_err(|error| match error {
        TotpError::Seed => IssueError::InputInvalid {
            kind: "Secret",
            name: reference.name.clone(),
            key: reference.key.clone(),
            what: "this is not a TOTP seed: it must be the base32 text that AWS shows as the secret key when the device is made"
                .to_owned(),
        },
        TotpError::Used => IssueError::MfaCodeUsed { serial_number: serial.to_owned() },
    })?;
    request.protect(&code);
    Ok(Some(code))
}
