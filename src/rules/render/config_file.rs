//! The [shared config file](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html):
//! long-lived programs read the credentials through it, by a process that prints the process JSON,
//! and so again and again.
//!
//! Static keys would shadow the process, so they never stand in this file.

/// One profile. Sections other than `default` are named `profile <name>` in this file.
pub(super) fn render(profile: &str, region: &str, json_path: &str) -> String {
    let section =
        if profile == "default" { profile.to_owned() } else { format!("profile {profile}") };
    format!("[{section}]\nregion = {region}\ncredential_process = cat {json_path}\n")
}
