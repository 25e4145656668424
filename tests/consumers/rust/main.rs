//! Calls STS all the time with the AWS SDK for Rust and the credentials that it finds by itself.
//! Prints a line of JSON for each call.

use aws_sdk_sts::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use serde_json::json;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{}", json!({"sdk": format!("{} (aws-sdk-sts)", aws_sdk_sts::meta::PKG_VERSION)}));
    let pause = std::env::var("CALL_EVERY_MS")
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Duration::from_millis);
    let pause = pause.expect("CALL_EVERY_MS is a number");
    let sts = aws_sdk_sts::Client::new(
        &aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await,
    );
    loop {
        match sts.get_caller_identity().send().await {
            Ok(_) => println!("{}", json!({"ok": true})),
            Err(error) => {
                eprintln!("{}", DisplayErrorContext(&error));
                println!("{}", json!({"ok": false, "code": error.code().unwrap_or("NoAnswer")}));
            }
        }
        tokio::time::sleep(pause).await;
    }
}
