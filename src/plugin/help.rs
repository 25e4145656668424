//! Help texts, whose lines the terminal breaks, and not the source.

use clap::Command;

/// The same command, below which each help text has one line for each paragraph. Lines that are
/// indented, as commands to be typed are, stay as they are.
pub(crate) fn reflowed(command: Command) -> Command {
    command.mut_subcommands(|mut command| {
        if let Some(about) = command.get_about().map(|text| joined(&text.to_string())) {
            command = command.about(about);
        }
        if let Some(about) = command.get_long_about().map(|text| joined(&text.to_string())) {
            command = command.long_about(about);
        }
        reflowed(command)
    })
}

/// Joins the lines of each paragraph.
fn joined(text: &str) -> String {
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let mut all = String::with_capacity(text.len());
    let mut before = None;
    for line in text.lines() {
        match before {
            None => {}
            Some(before) if is_prose(before) && is_prose(line) => all.push(' '),
            Some(_) => all.push('\n'),
        }
        all.push_str(line);
        before = Some(line);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_one_line_and_a_command_has_its_own() {
        for (text, expected) in [
            ("One line.", "One line."),
            ("Two\nlines.", "Two lines."),
            ("One\nparagraph.\n\nAnother\none.", "One paragraph.\n\nAnother one."),
            (
                "Like\nthis:\n\n  typed\n  so\n\nAnd\nso on.",
                "Like this:\n\n  typed\n  so\n\nAnd so on.",
            ),
            ("Like this:\n  typed\nand so\non.", "Like this:\n  typed\nand so on."),
            ("", ""),
        ] {
            assert_eq!(joined(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_command_s_help_breaks_a_line_before_the_terminal_does() {
        fn look(command: &Command, seen: &mut usize) {
            for command in command.get_subcommands() {
                for text in [command.get_about(), command.get_long_about()].into_iter().flatten() {
                    assert_eq!(
                        joined(&text.to_string()),
                        text.to_string(),
                        "{}",
                        command.get_name()
                    );
                    *seen += 1;
                }
                look(command, seen);
            }
        }
        let mut seen = 0;
        look(&crate::command_line(), &mut seen);
        assert!(seen > 20, "{seen} texts");
    }
}
