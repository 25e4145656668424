//! Reads a template, by minijinja's parser, and lets through what a template may be.

use super::filter::Filter;
use super::values::NAMES;
use super::{Fault, Part, Placeholder};
use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{Span, parse as parse_jinja};
use minijinja::syntax::SyntaxConfig;
use strum::VariantArray as _;

/// The list that a loop goes through.
const PROFILES: &str = "profiles";
/// The forms that a template may have, for messages.
const FORMS: &str = "a template has {{ name }}, {{ name | filter }}, and {% for profile in profiles %} ... {% endfor %}";

pub(super) fn parse(text: &str) -> Result<Vec<Part>, Fault> {
    let syntax = SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|_| at(1, FORMS))?;
    let parsed = parse_jinja(text, "template", syntax).map_err(|error| {
        // Without a value: nothing was evaluated.
        let detail = error.detail().unwrap_or("this cannot be read");
        at(error.line().unwrap_or(1), &format!("{detail}; {FORMS}"))
    })?;
    let Stmt::Template(template) = &parsed else { return Err(at(1, FORMS)) };
    parts(&template.children, None)
}

/// The parts of `body`, in a loop with this variable.
fn parts(body: &[Stmt<'_>], variable: Option<&str>) -> Result<Vec<Part>, Fault> {
    body.iter().map(|statement| part(statement, variable)).collect()
}

fn part(statement: &Stmt<'_>, variable: Option<&str>) -> Result<Part, Fault> {
    match statement {
        Stmt::EmitRaw(raw) => Ok(Part::Text(raw.raw.to_owned())),
        Stmt::EmitExpr(emit) => placeholder(&emit.expr, variable).map(Part::Value),
        Stmt::ForLoop(each) => {
            let line = line_of(each.span());
            let (Expr::Var(target), Expr::Var(list)) = (&each.target, &each.iter) else {
                return Err(at(line, "a loop is {% for profile in profiles %}"));
            };
            if list.id != PROFILES || each.filter_expr.is_some() || each.recursive {
                return Err(at(
                    line,
                    "a loop goes through profiles: {% for profile in profiles %}",
                ));
            }
            if variable.is_some() || !each.else_body.is_empty() {
                return Err(at(line, "a loop has no other loop and no else in it"));
            }
            Ok(Part::Profiles(parts(&each.body, Some(target.id))?))
        }
        other => Err(at(line_of_statement(other), FORMS)),
    }
}

fn placeholder(expression: &Expr<'_>, variable: Option<&str>) -> Result<Placeholder, Fault> {
    match expression {
        Expr::Var(name) => named(name.id, false, line_of(name.span())),
        Expr::GetAttr(member) => {
            let line = line_of(member.span());
            match &member.expr {
                Expr::Var(of) if Some(of.id) == variable => named(member.name, true, line),
                Expr::Var(of) => {
                    Err(at(line, &format!("{} is not the variable of a loop around it", of.id)))
                }
                _ => Err(at(line, FORMS)),
            }
        }
        Expr::Filter(filter) => {
            let line = line_of(filter.span());
            let known = Filter::of(filter.name).filter(|_| filter.args.is_empty());
            let known = known.ok_or_else(|| {
                let all: Vec<_> = Filter::VARIANTS.iter().map(|f| f.name()).collect();
                at(line, &format!("{} is none of the filters {}", filter.name, all.join(", ")))
            })?;
            let inner = filter.expr.as_ref().ok_or_else(|| at(line, FORMS))?;
            let mut placeholder = placeholder(inner, variable)?;
            placeholder.filters.push(known);
            Ok(placeholder)
        }
        other => Err(at(line_of(other.span()), FORMS)),
    }
}

fn named(name: &str, of_profile: bool, line: usize) -> Result<Placeholder, Fault> {
    let known = NAMES.iter().find(|(known, _)| *known == name);
    let (name, _) = known.ok_or_else(|| {
        let all: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        at(line, &format!("{name} is none of {}", all.join(", ")))
    })?;
    Ok(Placeholder { name, of_profile, filters: Vec::new(), line })
}

fn at(line: usize, what: &str) -> Fault {
    Fault { line, what: what.to_owned() }
}

/// The line of a statement that no template has.
fn line_of_statement(statement: &Stmt<'_>) -> usize {
    line_of(match statement {
        Stmt::Template(it) => it.span(),
        Stmt::EmitExpr(it) => it.span(),
        Stmt::EmitRaw(it) => it.span(),
        Stmt::ForLoop(it) => it.span(),
        Stmt::IfCond(it) => it.span(),
        Stmt::WithBlock(it) => it.span(),
        Stmt::Set(it) => it.span(),
        Stmt::SetBlock(it) => it.span(),
        Stmt::AutoEscape(it) => it.span(),
        Stmt::FilterBlock(it) => it.span(),
        Stmt::Do(it) => it.span(),
    })
}

fn line_of(span: Span) -> usize {
    usize::from(span.start_line)
}
