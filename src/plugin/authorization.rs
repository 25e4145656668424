//! The authorization id that AWS puts into the message of a denial, and the command that explains
//! the denial by it
//! ([AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html)).

/// Text before the id, in AWS's message.
const BEFORE: &str = "authorization id: ";
/// Longer ids are not AWS's.
const LONGEST: usize = 128;

/// The command that shows which policies denied the request, where `message` has an id.
pub(super) fn command(message: &str) -> Option<String> {
    let (_, after) = message.split_once(BEFORE)?;
    // The command goes to a shell, and the message comes from whoever answered as the issuer.
    let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
    let id = after.get(..end).filter(|id| !id.is_empty() && id.len() <= LONGEST)?;
    Some(format!("aws iam-toolbox get-request-authorization-details --authorization-id {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "AssumeRole of arn:aws:iam::111122223333:role/x: AccessDenied: not authorized, \
        or call the GetRequestAuthorizationDetails API with the following authorization id: ";

    #[test]
    fn an_id_in_the_message_becomes_a_command() {
        let command = |id: &str| command(&format!("{MESSAGE}{id}"));
        let expected =
            "aws iam-toolbox get-request-authorization-details --authorization-id 1a2b3c4d5e";
        for written in ["1a2b3c4d5e", "1a2b3c4d5e. Then", "1a2b3c4d5e (request 4f2a)"] {
            assert_eq!(command(written).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn nothing_but_an_id_gets_into_the_command() {
        let command = |id: &str| command(&format!("{MESSAGE}{id}"));
        for none in ["", "$(id)", "; rm", &"a".repeat(200)] {
            assert_eq!(command(none), None, "{none}");
        }
        assert!(command("1a;rm").is_some_and(|c| c.ends_with(" 1a")));
        assert_eq!(super::command("AccessDenied: no"), None);
    }
}
