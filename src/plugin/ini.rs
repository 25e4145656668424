//! AWS's [shared files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html), as far as this program reads
//! them: sections of `name = value` lines.

use std::collections::BTreeMap;

/// The settings of one section, with their names in lower case; `None` where the file has no such section. Nested
/// settings and comments are passed over.
pub fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let words: Vec<&str> = heading.0.split_whitespace().collect();
            inside = words.join(" ") == name;
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            let settings = found.get_or_insert_default();
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

/// The section that a profile has in the config file.
pub fn profile_section(profile: &str) -> String {
    if profile == "default" { profile.to_owned() } else { format!("profile {profile}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_to_the_next() {
        let text =
            "# c\n[default]\nregion = eu-west-1\ns3 =\n  region = nested\n\n[profile  b]\nRegion=ap-south-1\n; c\n";
        let default = section(text, "default").expect("there");
        assert_eq!((default["region"].as_str(), default["s3"].as_str()), ("eu-west-1", ""));
        assert_eq!(section(text, &profile_section("b")).expect("there")["region"], "ap-south-1");
        assert_eq!(section(text, "c"), None);
        assert_eq!(section("[a]\n", "a"), Some(BTreeMap::new()));
    }
}
