//! From the arguments of boto3-refresh-session (a package of PyPI)'s `RefreshableSession`.

use super::arguments::Arguments;
use super::outcome::Outcome;
use super::python::{Call, Literal, find_call};
use serde_json::{Map, Value, json};

/// Calls that create a session: the factory, and the classes behind it.
const CALLS: [&str; 6] = [
    "RefreshableSession",
    "STSRefreshableSession",
    "IOTX509RefreshableSession",
    "CustomRefreshableSession",
    "ECSRefreshableSession",
    "AutoRefreshableSession",
];
/// Sessions of `AutoRefreshableSession` live this long where no other time is chosen.
const DEFAULT_SECONDS: f64 = 900.0;
/// Its default session name.
const DEFAULT_SESSION_NAME: &str = "boto3-refresh-session";
/// Arguments that tell botocore when to renew, which the controller and each SDK decide for
/// themselves.
const TIMING: [&str; 2] = ["defer_refresh", "mandatory_timeout"];
/// Arguments of boto3's own Session that hold a key.
const KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// Reads a text that holds the call, or its keyword arguments in JSON.
///
/// # Errors
/// Where it is neither.
pub fn read(text: &str) -> Result<Call, String> {
    if !text.trim_start().starts_with('{') {
        return find_call(text, &CALLS);
    }
    let value: Value = serde_json::from_str(text).map_err(|e| format!("this is not JSON: {e}"))?;
    let Literal::Map(arguments) = Literal::from_json(&value) else {
        return Err("this is not a JSON object".to_owned());
    };
    Ok(Call { name: CALLS[0].to_owned(), positional: Vec::new(), arguments, notes: Vec::new() })
}

/// All arguments by their names.
fn arguments(call: &Call) -> Result<Arguments, String> {
    let names: &[&str] = match call.name.as_str() {
        "RefreshableSession" => &["method"],
        "STSRefreshableSession" => &["assume_role_kwargs", "sts_client_kwargs"],
        "IOTX509RefreshableSession" => {
            &["endpoint", "role_alias", "certificate", "thing_name", "private_key"]
        }
        "CustomRefreshableSession" => {
            &["custom_credentials_method", "custom_credentials_method_args"]
        }
        "AutoRefreshableSession" => &["region", "role_arn", "session_name"],
        _ => &[],
    };
    if call.positional.len() > names.len() {
        return Err(format!("{}: arguments must have names, like method=\"sts\"", call.name));
    }
    let positional =
        names.iter().zip(&call.positional).map(|(name, value)| ((*name).to_owned(), value.clone()));
    Ok(Arguments::of(positional.chain(call.arguments.iter().cloned()).collect()))
}

/// The arguments of the class that came before `RefreshableSession`, as that takes them.
fn of_the_first_class(arguments: &mut Arguments, outcome: &mut Outcome) -> Result<(), String> {
    let mut role = Arguments::default();
    for (theirs, later) in [("role_arn", "RoleArn"), ("session_name", "RoleSessionName")] {
        if let Some(text) = arguments.text(theirs, outcome)? {
            role.add(later, Literal::Text(text));
        }
    }
    arguments.rename("ttl", "DurationSeconds");
    #[expect(clippy::cast_precision_loss, reason = "seconds, far below")]
    let seconds =
        arguments.whole("DurationSeconds", outcome)?.map_or(DEFAULT_SECONDS, |s| s as f64);
    role.add("DurationSeconds", Literal::Number(seconds));
    arguments.add("assume_role_kwargs", role.into_literal());
    arguments.rename("client_kwargs", "sts_client_kwargs");
    arguments.rename("region", "region_name");
    if let Some(session) = arguments.map("session_kwargs", outcome)? {
        arguments.append(session);
    }
    Ok(())
}

/// The resource that takes the place of the session, called `name`.
///
/// # Errors
/// The missing argument, or the one without a counterpart.
pub fn migrate(
    call: &Call,
    name: &str,
    namespace: &str,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut arguments = arguments(call)?;
    call.notes.iter().for_each(|note| outcome.note(note));
    let method = match call.name.as_str() {
        "STSRefreshableSession" => "sts".to_owned(),
        "IOTX509RefreshableSession" => "iot".to_owned(),
        "CustomRefreshableSession" => "custom".to_owned(),
        "ECSRefreshableSession" => "ecs".to_owned(),
        "AutoRefreshableSession" => {
            of_the_first_class(&mut arguments, outcome)?;
            "sts".to_owned()
        }
        _ => arguments.text("method", outcome)?.unwrap_or_else(|| "sts".to_owned()),
    };
    let mut spec = Map::new();
    let mut allow = Map::new();
    match method.as_str() {
        "sts" => sts(&mut arguments, name, &mut spec, &mut allow, outcome)?,
        "iot" => iot(&mut arguments, name, &mut spec, &mut allow, outcome)?,
        "custom" => custom(&mut arguments, &mut spec, &mut allow, outcome)?,
        "ecs" => {
            return Err(
                "method \"ecs\" takes the credentials of an ECS task, from an address that nothing outside the task reaches. Write by hand: spec.roles with the ARN of the task's role, which must let in the controller (kubectl refreshable trust-policy prints how), or on EKS source podIdentity with an association of that role"
                    .to_owned(),
            );
        }
        other => {
            return Err(format!("unknown method {other:?}: it is one of sts, iot, custom"));
        }
    }
    timing(&mut arguments, &mut spec, outcome)?;
    if let Some(region) = arguments.text("region_name", outcome)? {
        let sts = spec.entry("sts").or_insert_with(|| json!({}));
        if sts.get("region").is_none() {
            sts["region"] = region.into();
        } else {
            spec.insert("secret".to_owned(), json!({"region": region}));
        }
    }
    if arguments.drop("profile_name") {
        outcome.note("profile_name is left out: the first call is made by the controller's own identity; for another, write spec.source, for example accessKey");
    }
    arguments.leave_out(outcome);
    if !allow.is_empty() {
        outcome.policy(name, namespace, Value::Object(allow));
    }
    outcome.credential(name, Some(namespace), None, spec);
    outcome.note("in the program, RefreshableSession(...) becomes boto3.Session(): it finds the mounted files by AWS_CONFIG_FILE, and refreshes automatically");
    Ok(())
}

fn timing(
    arguments: &mut Arguments,
    spec: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    for name in TIMING {
        arguments.drop(name);
    }
    let Some(seconds) = arguments.whole("advisory_timeout", outcome)? else { return Ok(()) };
    // Its default is botocore's own window, which the controller's rule leaves room for.
    if seconds > 900 {
        spec.insert("refresh".to_owned(), json!({"before": format!("{seconds}s")}));
    }
    Ok(())
}

fn sts(
    arguments: &mut Arguments,
    name: &str,
    spec: &mut Map<String, Value>,
    allow: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut assume = arguments
        .map("assume_role_kwargs", outcome)?
        .ok_or("assume_role_kwargs is missing: it names the role")?;
    let mut role = Map::new();
    let arn = assume
        .text("RoleArn", outcome)?
        .ok_or("assume_role_kwargs has no RoleArn that is plain text and no placeholder: write the role's ARN")?;
    role.insert("roleArn".to_owned(), arn.clone().into());
    match assume.text("RoleSessionName", outcome)? {
        Some(chosen) => {
            role.insert("roleSessionName".to_owned(), chosen.into());
        }
        None => outcome.note(format!(
            "sessions were called {DEFAULT_SESSION_NAME} in CloudTrail, and will be called <namespace>.{name}: set roleSessionName where a policy names the old one"
        )),
    }
    for (theirs, ours) in
        [("ExternalId", "externalId"), ("Policy", "policy"), ("SourceIdentity", "sourceIdentity")]
    {
        if let Some(value) = assume.text(theirs, outcome)? {
            role.insert(ours.to_owned(), value.into());
        }
    }
    let seconds = assume.whole("DurationSeconds", outcome)?;
    if let Some(seconds) = seconds {
        role.insert("durationSeconds".to_owned(), seconds.into());
    }
    for (theirs, ours, members) in [
        ("PolicyArns", "policyArns", &[("arn", "arn")][..]),
        ("Tags", "tags", &[("Key", "key"), ("Value", "value")]),
        (
            "ProvidedContexts",
            "providedContexts",
            &[("ProviderArn", "providerArn"), ("ContextAssertion", "contextAssertion")],
        ),
    ] {
        if let Some(list) = assume.records(theirs, members, outcome)? {
            role.insert(ours.to_owned(), list);
        }
    }
    if let Some(keys) = assume.texts("TransitiveTagKeys", outcome)? {
        role.insert("transitiveTagKeys".to_owned(), keys.into());
    }
    mfa(arguments, &mut assume, name, &mut role, outcome)?;
    assume.leave_out(outcome);
    spec.insert("roles".to_owned(), json!([role]));
    let mut client = arguments.map("sts_client_kwargs", outcome)?.unwrap_or_default();
    let key = [arguments.drop_any(&KEYS), client.drop_any(&KEYS)].contains(&true);
    if key {
        spec.insert(
            "source".to_owned(),
            json!({"accessKey": {"secretRef": {"name": format!("{name}-key")}}}),
        );
        outcome.note(format!(
            "the access key is not printed: put it into a Secret, kubectl create secret generic {name}-key --from-literal=AWS_ACCESS_KEY_ID=... --from-literal=AWS_SECRET_ACCESS_KEY=..., and delete it from the program"
        ));
    } else {
        let mut grant = json!({"arns": [arn]});
        if let Some(seconds) = seconds {
            grant["maxDurationSeconds"] = seconds.into();
        }
        // The session's own names, beyond those that every namespace may use.
        let role = &spec["roles"][0];
        for (field, of_grant) in
            [("roleSessionName", "sessionNames"), ("sourceIdentity", "sourceIdentities")]
        {
            if let Some(value) = role.get(field) {
                grant[of_grant] = json!([value]);
            }
        }
        if let Some(tags) = role.get("tags").and_then(Value::as_array) {
            grant["tags"] =
                tags.iter().map(|t| json!({"key": t["key"], "values": [t["value"]]})).collect();
        }
        allow.insert("roles".to_owned(), json!([grant]));
        outcome.note("the role is assumed by the controller's own identity, which it must let in: kubectl refreshable trust-policy prints how");
    }
    client_arguments(&mut client, spec, allow, outcome)
}

fn mfa(
    arguments: &mut Arguments,
    assume: &mut Arguments,
    name: &str,
    role: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    assume.drop("TokenCode");
    arguments.drop_any(&[
        "mfa_token_provider",
        "mfa_token_provider_kwargs",
        "mfa_token_provider_args",
    ]);
    if let Some(serial) = assume.text("SerialNumber", outcome)? {
        role.insert("serialNumber".to_owned(), serial.into());
        role.insert(
            "totpSecretRef".to_owned(),
            json!({"name": format!("{name}-mfa"), "key": "seed"}),
        );
        outcome.note(format!(
            "the controller computes MFA codes itself, from the device's seed: kubectl create secret generic {name}-mfa --from-literal=seed=<the base32 key that the device was set up with>"
        ));
    }
    Ok(())
}

fn client_arguments(
    client: &mut Arguments,
    spec: &mut Map<String, Value>,
    allow: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut sts = Map::new();
    if let Some(region) = client.text("region_name", outcome)? {
        sts.insert("region".to_owned(), region.into());
    }
    if let Some(endpoint) = client.text("endpoint_url", outcome)? {
        // AWS's own endpoint is what the Region chooses anyhow.
        if !endpoint.trim_end_matches('/').ends_with(".amazonaws.com") {
            sts.insert("endpoint".to_owned(), endpoint.trim_end_matches('/').into());
            allow.insert("endpoints".to_owned(), json!([endpoint.trim_end_matches('/')]));
        }
    }
    for (theirs, what) in [
        (
            "verify",
            "put the certificates of its CA into sts.caBundle, or name their ConfigMap in sts.caBundleRef; it is never left unchecked",
        ),
        (
            "use_ssl",
            "name an http:// endpoint in sts.endpoint, which a CredentialPolicy must allow",
        ),
        (
            "config",
            "useFips, useDualstack and timeoutSeconds of spec.sts are its counterparts here",
        ),
    ] {
        if client.drop(theirs) {
            outcome.note(format!("sts_client_kwargs[{theirs:?}] is left out: {what}"));
        }
    }
    for theirs in ["service_name", "api_version"] {
        client.drop(theirs);
    }
    client.leave_out(outcome);
    if !sts.is_empty() {
        spec.insert("sts".to_owned(), Value::Object(sts));
    }
    Ok(())
}

fn iot(
    arguments: &mut Arguments,
    name: &str,
    spec: &mut Map<String, Value>,
    allow: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let endpoint = arguments.text("endpoint", outcome)?.ok_or(
        "endpoint is missing, or is a placeholder or no plain text: write what aws iot describe-endpoint --endpoint-type iot:CredentialProvider prints",
    )?;
    let host =
        endpoint.trim_start_matches("https://").split('/').next().unwrap_or_default().to_owned();
    let alias = arguments.text("role_alias", outcome)?.ok_or(
        "role_alias is missing, or is a placeholder or no plain text: write the role alias's name",
    )?;
    let secret = format!("{name}-certificate");
    let mut source =
        json!({"endpoint": host, "roleAlias": alias, "certificateSecretRef": {"name": secret}});
    if let Some(thing) = arguments.text("thing_name", outcome)? {
        source["thingName"] = thing.into();
    }
    if let Some(seconds) = arguments.whole("duration_seconds", outcome)? {
        source["durationSeconds"] = seconds.into();
    }
    if let Some(seconds) = arguments.whole("timeout", outcome)? {
        source["timeoutSeconds"] = seconds.clamp(1, 60).into();
    }
    let certificate = arguments.path("certificate").unwrap_or_else(|| "<certificate>".to_owned());
    let key = arguments.path("private_key");
    if let Some(mut token) = arguments.map("pkcs11", outcome)? {
        let library = token.text("pkcs11_lib", outcome)?.unwrap_or_default();
        let file = library.rsplit('/').next().unwrap_or_default().trim_start_matches("lib");
        let module = dns_name(file.split('.').next().unwrap_or_default(), "module");
        let token_label =
            token.text("token_label", outcome)?.unwrap_or_else(|| name.chars().take(32).collect());
        let key_label =
            token.text("private_key_label", outcome)?.unwrap_or_else(|| name.to_owned());
        let pin = json!({"name": format!("{name}-pin"), "key": "pin"});
        source["pkcs11"] = json!({"module": module, "tokenLabel": token_label, "keyLabel": key_label, "pinSecretRef": pin});
        let grant = json!({"module": module, "tokenLabels": [token_label]});
        allow.insert("pkcs11Tokens".to_owned(), json!([grant]));
        token.drop_any(&["user_pin", "slot_id"]);
        token.leave_out(outcome);
        outcome.note(format!(
            "the administrator registers {library} with the controller under the name {module} (--registry); tokens and keys are found by their labels, not by slots: check tokenLabel and keyLabel"
        ));
        outcome
            .note(format!("the PIN is not printed: kubectl create secret generic {name}-pin --from-literal=pin=..."));
        outcome.note(format!(
            "kubectl create secret generic {secret} --from-file=tls.crt={certificate}"
        ));
    } else {
        let key = key.unwrap_or_else(|| "<key>".to_owned());
        outcome
            .note(format!("kubectl create secret tls {secret} --cert={certificate} --key={key}"));
    }
    if arguments.drop("ca") {
        outcome.note("ca is left out: where the endpoint's certificate is not of a public CA, put the CA's certificates into source.iot.caBundle, or name their ConfigMap in source.iot.caBundleRef");
    }
    if arguments.drop("verify_peer") {
        outcome.note("verify_peer is left out: the endpoint's certificate is always checked");
    }
    arguments.drop("awscrt_log_level");
    if !host.ends_with(".amazonaws.com") && !host.ends_with(".amazonaws.com.cn") {
        allow.insert("urls".to_owned(), json!([format!("https://{host}")]));
    }
    spec.insert("source".to_owned(), json!({"iot": source}));
    Ok(())
}

fn custom(
    arguments: &mut Arguments,
    spec: &mut Map<String, Value>,
    allow: &mut Map<String, Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let function = arguments.expression("custom_credentials_method");
    let function = function.ok_or(
        "custom_credentials_method is missing: it names the function that gives credentials",
    )?;
    let process = dns_name(&function, "credentials");
    let mut source = json!({"name": process});
    if let Some(parameters) = arguments.map("custom_credentials_method_args", outcome)? {
        let given = parameters.as_flags(outcome);
        if !given.is_empty() {
            source["args"] = given.into();
        }
    }
    allow.insert("processes".to_owned(), json!([process]));
    spec.insert("source".to_owned(), json!({"custom": {"process": source}}));
    outcome.note(format!(
        "make a program of {function} that prints the JSON of the credential process protocol (Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration); the administrator registers it with the controller under the name {process} (--registry). Where it asks an HTTP endpoint, source custom.http does without a program"
    ));
    Ok(())
}

/// A name as Kubernetes takes it, made of another.
fn dns_name(text: &str, fallback: &str) -> String {
    let plain: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { fallback.to_owned() } else { plain.to_owned() }
}

#[cfg(test)]
#[path = "boto3_tests.rs"]
mod tests;
