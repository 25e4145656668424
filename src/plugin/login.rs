//! `login`: signs a person in to IAM Identity Center and puts the token where source
//! `identityCenter` reads it.

use super::cluster::{Cluster, bare_name, object_name};
use super::device_flow::SignIn;
use super::error::{Error, Result};
use super::terminal::{Terminal, Tone, visible};
use super::{Global, age, ini, output};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use refreshable_api::names::{RENEW, RENEW_LABEL, WATCH, WATCH_LABEL};
use refreshable_issuers::source::SsoToken;
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Field manager of the token's Secret.
const FIELD_MANAGER: &str = "kubectl-refreshable";
/// Key of the token where no resource names another.
const KEY: &str = "token.json";

/// Sign in to IAM Identity Center for a RefreshableCredential with source identityCenter. Prints an
/// address and a code to confirm on any device, and puts the token into the Secret that the
/// resource refers to.
///
/// kubectl refreshable login -n team-a reports --start-url https://example.awsapps.com/start
/// --region eu-west-1
///
/// Where the Secret holds a token already, its start URL and Region are used again:
///
///   kubectl refreshable login -n team-a reports
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Login {
    /// Name of the RefreshableCredential.
    #[arg(required_unless_present = "secret")]
    name: Option<String>,
    /// Instead of a resource: name of the Secret.
    #[arg(long, conflicts_with = "name")]
    secret: Option<String>,
    /// With --secret: key of its data.
    #[arg(long, default_value = KEY, requires = "secret")]
    key: String,
    /// The access portal's address, like https://example.awsapps.com/start.
    #[arg(long, value_name = "URL", requires = "region")]
    start_url: Option<String>,
    /// The Region that Identity Center was set up in.
    #[arg(long, value_name = "REGION", requires = "start_url")]
    region: Option<String>,
    /// Take start URL and Region from this sso-session of ~/.aws/config.
    #[arg(long, value_name = "NAME", conflicts_with = "start_url")]
    sso_session: Option<String>,
    /// Write the token over what the Secret holds under its key, also where the Secret is none of
    /// this command's.
    #[arg(long)]
    force: bool,
    /// Draw no QR code.
    #[arg(long)]
    no_qr: bool,
}

/// Where the token belongs.
struct Place {
    secret: String,
    key: String,
}

/// Where to sign in.
#[derive(Debug, PartialEq, Eq)]
struct Portal {
    start_url: String,
    region: String,
}

impl Login {
    /// Runs the command.
    ///
    /// # Errors
    /// If the token cannot be written, which is tried first; if the code is not confirmed.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let cluster = Cluster::of(global).await?;
        let place = self.place(&cluster).await?;
        let portal = self.portal(&cluster, &place).await?;
        // Do not ask a person to sign in when the token could not be stored.
        if !self.force {
            may_hold_token(&cluster, &place).await?;
        }
        write(&cluster, &place, None).await?;
        let sign_in = SignIn::begin(&portal.start_url, &portal.region).await?;
        let (code, page) = (&sign_in.user_code, &sign_in.page);
        output::show(&invitation(code, page, sign_in.good_for, !self.no_qr, &Terminal::stdout()))?;
        let token = sign_in.finish().await?;
        write(&cluster, &place, Some(&token)).await?;
        let secret = visible(&place.secret);
        output::show(&format!("secret/{secret} signed in{}\n", outlook(&token, Timestamp::now())))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The Secret that the resource refers to, or that was named.
    async fn place(&self, cluster: &Cluster) -> Result<Place> {
        if let Some(secret) = &self.secret {
            return Ok(Place { secret: object_name(secret)?.to_owned(), key: self.key.clone() });
        }
        let name = bare_name(self.name.as_deref().unwrap_or_default());
        let object = cluster
            .credential(name)
            .await
            .map_err(|e| e.advise("Or name the Secret with --secret"))?;
        let source = object.spec.source();
        let center = source.identity_center.ok_or_else(|| {
            Error::failed(format!(
                "{name} has another source than identityCenter: it needs no sign-in"
            ))
        })?;
        object_name(&center.token_secret_ref.name)?;
        Ok(Place { secret: center.token_secret_ref.name, key: center.token_key })
    }

    async fn portal(&self, cluster: &Cluster, place: &Place) -> Result<Portal> {
        if let (Some(start_url), Some(region)) = (&self.start_url, &self.region) {
            return Ok(Portal { start_url: start_url.clone(), region: region.clone() });
        }
        if let Some(session) = &self.sso_session {
            return of_session(session);
        }
        let advice = "name them with --start-url and --region, or with --sso-session";
        let secret = match cluster.ask(cluster.api::<Secret>().get(&place.secret)).await {
            Ok(secret) => secret,
            Err(error) if error.is_not_found() => {
                return Err(Error::failed(format!(
                    "Secret {} does not exist, so it cannot say where to sign in: {advice}",
                    place.secret
                )));
            }
            Err(error) => {
                return Err(error.advise(&format!("Where to sign in cannot be read: {advice}")));
            }
        };
        let data = secret.data.unwrap_or_default();
        let token = data.get(&place.key).and_then(|bytes| SsoToken::parse(&bytes.0).ok());
        match token {
            Some(token) if !token.start_url.is_empty() => {
                Ok(Portal { start_url: token.start_url.clone(), region: token.region.clone() })
            }
            _ => Err(Error::failed(format!(
                "Secret {}, key {} holds no token that says where to sign in: {advice}",
                place.secret, place.key
            ))),
        }
    }
}

/// Instructions for the person.
fn invitation(
    code: &str,
    page: &str,
    good_for: SignedDuration,
    qr: bool,
    terminal: &Terminal,
) -> String {
    let mut text = format!(
        "Open this page on any device, and confirm the code {} there (it is good for {}):\n\n  {}\n\n",
        terminal.paint(Tone::Heading, code),
        age::span(good_for),
        terminal.paint(Tone::Heading, page),
    );
    if qr && terminal.interactive && terminal.unicode {
        text.push_str(&qr_code(page, terminal.columns));
    }
    text
}

/// The page's address as a QR code; empty where it cannot be one or the terminal is too narrow.
fn qr_code(page: &str, columns: usize) -> String {
    let Ok(code) = QrCode::new(page) else { return String::new() };
    // Terminals are mostly dark, so the code's dark modules are left empty.
    let drawn =
        code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    let width = drawn.lines().map(|l| l.chars().count()).max().unwrap_or(0);
    if width > columns { String::new() } else { format!("{drawn}\n\n") }
}

/// Outlook after the sign-in.
fn outlook(token: &SsoToken, now: Timestamp) -> String {
    match token.renewable_until() {
        Some(end) => {
            format!(
                "; the controller renews the session by itself, at most for {}",
                age::span(end.duration_since(now))
            )
        }
        None => "; without a refresh token, a person has to sign in again when it ends".to_owned(),
    }
}

/// Writes the token, and the label by which the controller notices it. Without a token it is only
/// tried.
async fn write(cluster: &Cluster, place: &Place, token: Option<&SsoToken>) -> Result<()> {
    let value =
        token.map(|t| BASE64_STANDARD.encode(t.to_json().expose_secret())).unwrap_or_default();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": place.secret, "labels": {WATCH_LABEL: WATCH, RENEW_LABEL: RENEW}},
        "data": {place.key.as_str(): value},
    });
    // The controller writes renewed tokens under another field manager: its value is replaced.
    let mut parameters = PatchParams::apply(FIELD_MANAGER).force();
    parameters.dry_run = token.is_none();
    let secrets = cluster.api::<Secret>();
    let written =
        cluster.ask(secrets.patch_metadata(&place.secret, &parameters, &Patch::Apply(&body))).await;
    written.map(drop).map_err(|e| unwritable(e, cluster, place))
}

/// The error of a write, with the right that it takes.
fn unwritable(error: Error, cluster: &Cluster, place: &Place) -> Error {
    error.advise(&format!(
        "Ask for a Role with verbs patch and create on secrets in namespace {} (patch alone where Secret {} exists)",
        cluster.namespace(),
        place.secret
    ))
}

/// Whether the Secret is absent or holds a token of this command's: it carries the label that this
/// command sets, or a token is in it. Whoever signs in may write Secrets and often not read them,
/// so its labels are learned from a dry run of a patch that changes nothing.
///
/// # Errors
/// If it is another Secret, or may not be written.
async fn may_hold_token(cluster: &Cluster, place: &Place) -> Result<()> {
    let secrets = cluster.api::<Secret>();
    let parameters = PatchParams { dry_run: true, ..PatchParams::default() };
    let nothing = Patch::Merge(json!({}));
    let patched = secrets.patch_metadata(&place.secret, &parameters, &nothing);
    let labels = match cluster.ask(patched).await {
        Ok(held) => held.metadata.labels.unwrap_or_default(),
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(unwritable(error, cluster, place)),
    };
    if labels.get(RENEW_LABEL).is_some_and(|value| value == RENEW) {
        return Ok(());
    }
    let held = cluster.ask(secrets.get(&place.secret)).await.ok().and_then(|s| s.data);
    let token = held.as_ref().and_then(|data| data.get(&place.key));
    if token.is_some_and(|bytes| SsoToken::parse(&bytes.0).is_ok()) {
        return Ok(());
    }
    let Place { secret, key } = place;
    Err(Error::failed(format!(
        "Secret {secret} exists, without the label {RENEW_LABEL}={RENEW} and without a token under its key {key} that \
         you may read: it is left as it is. Name another Secret, or write over its key {key} with --force"
    )))
}

/// Start URL and Region of an `sso-session` of the AWS config file.
fn of_session(name: &str) -> Result<Portal> {
    let path = std::env::var_os("AWS_CONFIG_FILE")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".aws/config")))
        .ok_or_else(|| Error::failed("the home folder with .aws/config is unknown"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::failed(format!("{}: {e}", path.display())))?;
    session_in(&text, name).map_err(|what| Error::failed(format!("{}: {what}", path.display())))
}

fn session_in(text: &str, name: &str) -> std::result::Result<Portal, String> {
    let sections = ini::read(ini::Kind::Config, text)?;
    let session = sections
        .sso_session(name)
        .ok_or_else(|| format!("missing section [sso-session {name}]"))?;
    let take = |key: &str| {
        session
            .get(key)
            .map(str::to_owned)
            .ok_or_else(|| format!("[sso-session {name}] has no {key}"))
    };
    Ok(Portal { start_url: take("sso_start_url")?, region: take("sso_region")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_the_config_file_names_the_portal() {
        let text = "[default]\nregion = x\n[sso-session bench]\nsso_region = eu-west-1\nsso_start_url = https://e/start\n";
        let expected = Portal { start_url: "https://e/start".into(), region: "eu-west-1".into() };
        assert_eq!(session_in(text, "bench"), Ok(expected));
        assert_eq!(session_in(text, "other"), Err("missing section [sso-session other]".into()));
        assert_eq!(
            session_in("[sso-session a]\nsso_region=x\n", "a"),
            Err("[sso-session a] has no sso_start_url".into())
        );
    }

    #[test]
    fn what_aws_answers_steers_no_terminal() {
        let terminal = Terminal { colour: true, unicode: true, interactive: true, columns: 80 };
        let minutes = SignedDuration::from_mins(10);
        let text =
            invitation("AB\u{1b}[2J\r", "https://e/\u{9b}2J\u{202e}", minutes, true, &terminal);
        assert!(
            text.contains("AB^[[2J^M") && text.contains("https://e/<U+009B>2J<U+202E>"),
            "{text:?}"
        );
        assert!(text.contains('█') && crate::terminal::for_people(&text) == text, "{text:?}");
    }

    #[test]
    fn a_qr_code_fits_or_is_left_out() {
        let page = "https://example.awsapps.com/device?user_code=ABCD-EFGH";
        let drawn = qr_code(page, 80);
        assert!(
            drawn.lines().count() > 15 && drawn.contains('█') && drawn.contains('▀'),
            "{drawn}"
        );
        assert_eq!(qr_code(page, 20), "");
        assert_eq!(qr_code(&"x".repeat(5000), 500), "");
    }
}
