//! AWS's [shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html), as the
//! SDK itself reads them.

use aws_runtime::env_config::{file::EnvConfigFiles, section::EnvConfigSections, source};
use futures::FutureExt;

pub use aws_runtime::env_config::file::EnvConfigFileKind as Kind;

/// The sections of a file that has this text.
///
/// # Errors
/// The line that does not fit any section.
pub fn read(kind: Kind, text: &str) -> Result<EnvConfigSections, String> {
    let files = EnvConfigFiles::builder().with_contents(kind, text).build();
    // This future never waits: the text is in memory. The environment could only choose a profile,
    // which is not used.
    let loaded = source::load(&Default::default(), &Default::default(), &files).now_or_never();
    let source = loaded.ok_or("it cannot be read at once")?.map_err(|e| e.to_string())?;
    // It names no file, and breaks the line.
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    EnvConfigSections::parse(source).map_err(|e| one_line(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_to_the_next() {
        let text = "# c\n[default]\nregion = eu-west-1 # here\ns3 =\n  region = nested\n\n[profile  b]\nRegion=ap-south-1\n; c\n[profile d]\n[sso-session  b]\nsso_region = x\n";
        let sections = read(Kind::Config, text).expect("there");
        let region = |name: &str| Some(sections.get_profile(name)?.get("region"));
        assert_eq!(region("default"), Some(Some("eu-west-1")));
        assert_eq!(region("b"), Some(Some("ap-south-1")));
        assert_eq!(region("d"), Some(None));
        assert_eq!(region("c"), None);
        assert_eq!(sections.sso_session("b").and_then(|s| s.get("sso_region")), Some("x"));
        let sections = read(Kind::Credentials, "[a/b@c]\naws_access_key_id = A\n").expect("there");
        assert_eq!(
            sections.get_profile("a/b@c").and_then(|p| p.get("aws_access_key_id")),
            Some("A")
        );
    }

    #[test]
    fn what_no_sdk_reads_is_named_by_its_line() {
        let wrong = read(Kind::Config, "[default]\nregion\n").expect_err("no equals sign");
        assert_eq!(wrong, "error parsing on line 2: Expected an '=' sign defining a property");
    }
}
