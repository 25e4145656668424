//! Statements of a Python program: which names stand for which literals where a function is called.

use super::names::Names;
use super::reader::{Reader, is_word};
use super::{Call, Literal, set};

/// Finds the first call of one of these names in a text, and reads it with the assignments above
/// it.
///
/// # Errors
/// If there is none, or its arguments cannot be read.
pub fn find_call(text: &str, names: &[&str]) -> Result<Call, String> {
    let mut known = Names::default();
    let mut found: Option<Call> = None;
    let (mut line, mut others) = (0, 0);
    let mut at = 0;
    while at < text.len() {
        let end = logical_end(text, at);
        for start in calls(text, at, end, names) {
            if found.is_some() {
                others += 1;
                continue;
            }
            let mut reader = Reader::new(text, start, &mut known);
            let name = reader.word().unwrap_or_default();
            reader.space();
            reader.take('(');
            let (positional, arguments) = reader.arguments(')')?;
            line = text[..start].matches('\n').count() + 1;
            found = Some(Call { name, positional, arguments, notes: known.notes() });
        }
        if found.is_none() {
            statement(&text[..end], at, &mut known);
        }
        at = end + text[end..].chars().next().map_or(1, char::len_utf8);
    }
    let mut call = found.ok_or_else(|| format!("it lacks a call of {}", names.join(" or ")))?;
    if others > 0 {
        call.notes.push(format!(
            "the call in line {line} is migrated; there are {others} more in it: give each in a file of its own"
        ));
    }
    Ok(call)
}

/// Where a statement ends: at a line break or semicolon outside brackets and strings.
fn logical_end(text: &str, start: usize) -> usize {
    let mut open = 0_usize;
    let mut ignore = Names::default();
    let mut reader = Reader::new(text, start, &mut ignore);
    while let Some(c) = reader.peek() {
        match c {
            '\n' | ';' if open == 0 => return reader.at(),
            '#' => {
                reader.comment();
                continue;
            }
            // A string without an end is an apostrophe in prose.
            '"' | '\'' if reader.skip_string() => continue,
            '\\' => {
                reader.next();
            }
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        reader.next();
    }
    text.len()
}

/// Where calls of these names begin in a statement, outside its strings and comments.
fn calls(text: &str, start: usize, end: usize, names: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut ignore = Names::default();
    let mut reader = Reader::new(&text[..end], start, &mut ignore);
    let mut before = String::new();
    while let Some(c) = reader.peek() {
        match c {
            '#' => reader.comment(),
            '"' | '\'' if reader.skip_string() => {}
            c if is_word(c) => {
                let start = reader.at();
                let word = reader.word().unwrap_or_default();
                let behind = reader.at();
                reader.space();
                let called =
                    reader.peek() == Some('(') && !matches!(before.as_str(), "class" | "def");
                if called && names.contains(&word.as_str()) {
                    found.push(start);
                }
                reader.go_to(behind);
                before = word;
            }
            _ => {
                reader.next();
            }
        }
    }
    found
}

/// Records the assignments of a statement. An unknown form leaves a name without a value, or
/// changes nothing.
fn statement(text: &str, start: usize, known: &mut Names) {
    let mut reader = Reader::new(text, start, known);
    reader.space();
    let Some(mut word) = reader.word() else { return };
    while matches!(word.as_str(), "async" | "global" | "nonlocal") {
        reader.space();
        match reader.word() {
            Some(next) => word = next,
            None => return,
        }
    }
    match word.as_str() {
        "def" => parameters(&mut reader),
        "for" => {
            while let Some(target) = reader.next_word().filter(|w| w != "in") {
                reader.names.forget(&target);
            }
        }
        _ => assignment(&mut reader, word),
    }
}

/// Forgets a function's parameters: their values are unknown.
fn parameters(reader: &mut Reader<'_>) {
    let (mut open, mut begins) = (0, true);
    while let Some(c) = reader.peek() {
        match c {
            '"' | '\'' if reader.skip_string() => continue,
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' if open <= 1 => return,
            ')' | ']' | '}' => open -= 1,
            ',' if open == 1 => begins = true,
            c if is_word(c) => {
                let word = reader.word().unwrap_or_default();
                if open == 1 && std::mem::take(&mut begins) {
                    reader.names.forget(&word);
                }
                if word.is_empty() {
                    reader.next();
                }
                continue;
            }
            _ => {}
        }
        reader.next();
    }
}

/// `name = …`, `name: type = …`, `name["member"] = …`, `name.member = …`, `name.update(…)`.
fn assignment(reader: &mut Reader<'_>, name: String) {
    let mut members = Vec::new();
    loop {
        reader.space();
        if reader.take('.') {
            let Some(member) = reader.word() else { return };
            reader.space();
            if member == "update" && reader.take('(') {
                return update(reader, &name, &members);
            }
            members.push(member);
        } else if reader.take('[') {
            let Ok(Literal::Text(member)) = reader.value() else {
                return reader.names.forget(&name);
            };
            if !reader.take(']') {
                return;
            }
            members.push(member);
        } else {
            break;
        }
    }
    if reader.take(':') && !reader.skip_to_equals() {
        return;
    }
    if reader.take(',') {
        // Several at once.
        reader.names.forget(&name);
        while let Some(target) = reader.next_word() {
            reader.names.forget(&target);
            reader.space();
            if reader.peek() == Some('=') {
                return;
            }
        }
        return;
    }
    if !reader.take('=') {
        // `+=`, `|=` and their kin.
        if reader.peek().is_some_and(|c| "+-*/%|&^<>@:".contains(c))
            && reader.rest().trim_start_matches(|c: char| c != '=').starts_with('=')
        {
            reader.names.forget(&name);
        }
        return;
    }
    if reader.peek() == Some('=') {
        return;
    }
    reader.space();
    let from = reader.rest().trim().to_owned();
    let value = match reader.value() {
        Ok(value) if reader.ended() => value,
        _ => Literal::Expression(from),
    };
    match members.as_slice() {
        [] => reader.names.assign(name, value),
        [member] => reader.names.change(&name, |map| set(map, member.clone(), value)),
        _ => reader.names.forget(&name),
    }
}

fn update(reader: &mut Reader<'_>, name: &str, members: &[String]) {
    match reader.arguments(')') {
        Ok((positional, named)) if members.is_empty() => {
            let mut given = Vec::new();
            for value in positional {
                match value {
                    Literal::Map(members) => given.extend(members),
                    _ => return reader.names.forget(name),
                }
            }
            given.extend(named);
            reader.names.change(name, |map| given.into_iter().for_each(|(n, v)| set(map, n, v)));
        }
        _ => reader.names.forget(name),
    }
}
