//! Programs as people write them, and as READMEs show them.

use super::*;

fn arguments(text: &str) -> Vec<(String, Literal)> {
    let text = format!("x = boto3.f({text})");
    find_call(&text, &["f"]).unwrap_or_else(|e| panic!("{text}: {e}")).arguments
}

fn one(text: &str) -> Literal {
    arguments(&format!("a={text}")).remove(0).1
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

#[test]
fn literals_are_read() {
    for (python, value) in [
        ("None", Literal::None),
        ("True", Literal::Bool(true)),
        ("3_600", Literal::Number(3600.0)),
        ("-1.5", Literal::Number(-1.5)),
        ("'a' \"b\"", text("ab")),
        ("r'a\\d'", text("a\\d")),
        ("'a\\n\\x41\\u00e4\\''", text("a\nAä'")),
        ("\"\"\"a\n'b\"\"\"", text("a\n'b")),
        ("b'secret'", Literal::Bytes),
        ("[1, 'x',]", Literal::List(vec![Literal::Number(1.0), text("x")])),
        ("('x',)", Literal::List(vec![text("x")])),
        ("('x'\n 'y')", text("xy")),
        (
            "{'k': {\"l\": None}}",
            Literal::Map(vec![("k".into(), Literal::Map(vec![("l".into(), Literal::None)]))]),
        ),
        ("dict(k='v')", Literal::Map(vec![("k".into(), text("v"))])),
        ("os.environ['X']", Literal::Expression("os.environ['X']".into())),
        ("f'{x}'", Literal::Expression("f'{x}'".into())),
        ("f'{{x}}'", text("{x}")),
        ("'a' + 'b' + \"c\"", text("abc")),
        ("'a' + b", Literal::Expression("'a' + b".into())),
        (
            "{'k': 1, **{'k': 2}} | {'l': 3}",
            Literal::Map(vec![
                ("k".into(), Literal::Number(2.0)),
                ("l".into(), Literal::Number(3.0)),
            ]),
        ),
        (
            "dict({'k': 'v'}, l='w')",
            Literal::Map(vec![("k".into(), text("v")), ("l".into(), text("w"))]),
        ),
        ("brs.AssumeRoleConfig(RoleArn='r')", Literal::Map(vec![("RoleArn".into(), text("r"))])),
        ("...", Literal::Expression("...".into())),
        (
            "{'k': 'v', ...}",
            Literal::Map(vec![
                ("k".into(), text("v")),
                ("...".into(), Literal::Expression("...".into())),
            ]),
        ),
        ("60 * 60", Literal::Expression("60 * 60".into())),
        ("lambda: '1,2'", Literal::Expression("lambda: '1,2'".into())),
        ("get(a, [b])", Literal::Expression("get(a, [b])".into())),
        ("{1, 2}", Literal::Expression("{1, 2}".into())),
    ] {
        assert_eq!(one(python), value, "{python}");
    }
}

#[test]
fn calls_are_found_among_other_code() {
    let code = "from x import RefreshableSession\n# RefreshableSession(a=1)\nsession = RefreshableSession(  # here\n  a='b',\n  c=2,\n)\n";
    let call = find_call(code, &["RefreshableSession"]).expect("a call");
    assert_eq!(call.name, "RefreshableSession");
    assert_eq!(call.arguments, [("a".into(), text("b")), ("c".into(), Literal::Number(2.0))]);
}

#[test]
fn what_cannot_be_read_says_what_to_write_instead() {
    for (python, words) in [
        ("f(**kwargs)", "line 1: **kwargs takes its values from elsewhere: write them out"),
        ("a = 1\nf(\n  b=2,\n  **load(a),\n)", "line 4: **load(a) takes its values from elsewhere"),
        ("f(*values)", "*values takes its values from elsewhere"),
        ("f(a={**more})", "**more takes its values from elsewhere"),
        ("f(a='x", "does not end"),
        ("f(a=)", "a value is missing"),
        ("f(a=['x'", "is missing"),
        ("g(a=1)", "it lacks a call of f"),
    ] {
        let error = find_call(python, &["f"]).expect_err(python);
        assert!(error.contains(words), "{python}: {error}");
    }
    let error = find_call(&format!("f(a={})", "[".repeat(1000)), &["f"]).expect_err("brackets");
    assert!(error.contains("it is nested too deeply"), "{error}");
}

/// The arguments of the call of `f` at the end of a program.
fn after(program: &str) -> Vec<(String, Literal)> {
    find_call(program, &["f"]).unwrap_or_else(|e| panic!("{program}: {e}")).arguments
}

#[test]
fn names_stand_for_what_was_assigned_to_them_above_the_call() {
    for (program, value) in [
        ("x = 'v'\nf(a=x)", text("v")),
        ("x = 'v'  # said here\ny = x\nf(a=y)", text("v")),
        ("x: str = 'v'\nf(a=x)", text("v")),
        ("x: dict[str, str] = {'k': 'v'}\nf(a=x['k'])", text("v")),
        ("x = (\n  'v'\n  'w'\n)\nf(a=x)", text("vw")),
        ("x = 'v'; y = 'w'\nf(a=x + '-' + y)", text("v-w")),
        ("x = 'v'\ny = 12\nf(a=f'{x}/{ y }')", text("v/12")),
        ("def g():\n    x = 'v'\n    return f(a=x)\n", text("v")),
        ("x = 'v'\nx = 'w'\nf(a=x)\nx = 'z'", text("w")),
        ("x = {}\nx['k'] = 'v'\nf(a=x)", Literal::Map(vec![("k".into(), text("v"))])),
        ("x = dict(k='u')\nx.update(k='v')\nf(a=x)", Literal::Map(vec![("k".into(), text("v"))])),
        (
            "x = {'k': 'u'}\nx.update({'k': 'v'})\nf(a=x)",
            Literal::Map(vec![("k".into(), text("v"))]),
        ),
        (
            "c = AssumeRoleConfig(RoleArn='r')\nc.RoleArn = 's'\nf(a=c)",
            Literal::Map(vec![("RoleArn".into(), text("s"))]),
        ),
        ("\"\"\"x = 'w'\nf(a='doc')\n\"\"\"\nx = 'v'\nf(a=x)", text("v")),
        // What only the program knows.
        ("x = os.environ['X']\nf(a=x)", Literal::Expression("os.environ['X']".into())),
        ("x = 'v'\nx += 'w'\nf(a=x)", Literal::Expression("x".into())),
        ("x = 'v'\ndef g(y, x='u', *z):\n    return f(a=x)", Literal::Expression("x".into())),
        ("x = 'v'\nfor x in y:\n    f(a=x)", Literal::Expression("x".into())),
        ("x = 'v'\nx, y = g()\nf(a=x)", Literal::Expression("x".into())),
        ("x = 'v' if y else 'w'\nf(a=x)", Literal::Expression("'v' if y else 'w'".into())),
        ("x = 1, 2\nf(a=x)", Literal::Expression("1, 2".into())),
        ("f(a=x)\nx = 'v'", Literal::Expression("x".into())),
        ("x = 'v'\nf(a=x.strip())", Literal::Expression("x.strip()".into())),
        ("x = {'k': 'v'}\nf(a=x['l'])", Literal::Expression("x['l']".into())),
        ("x == 'v'\nf(a=x)", Literal::Expression("x".into())),
    ] {
        assert_eq!(after(program), [("a".to_owned(), value)], "{program}");
    }
}

#[test]
fn arguments_that_were_assigned_first_are_unpacked() {
    let both = [("a".to_owned(), text("v")), ("b".to_owned(), Literal::Number(2.0))];
    for program in [
        "x = {'a': 'v', 'b': 2}\nf(**x)",
        "x = dict(a='v')\nf(**x, b=2)",
        "x = {'a': 'v'}\nf(**{**x, 'b': 2})",
        "x = {'a': 'v'}\ny = {**x, 'b': 2}\ns = m.client('s3', session=m.f(**y))",
    ] {
        assert_eq!(after(program), both, "{program}");
    }
}

#[test]
fn what_surrounds_a_call_is_no_call() {
    let program = "It's prose, with (brackets.\nclass f(Base):\n    pass\n";
    let error = find_call(program, &["f"]).map(drop).expect_err("no call");
    assert!(error.contains("lacks a call"), "{error}");
    let call = find_call("# f(a=1)\nx = 'f(a=2)'\ng.f('p', a=3)\nf(a=4)\nf(a=5)\n", &["f"])
        .expect("a call");
    assert_eq!(
        (call.positional, call.arguments),
        (vec![text("p")], vec![("a".to_owned(), Literal::Number(3.0))])
    );
    assert_eq!(
        call.notes,
        ["the call in line 3 is migrated; there are 2 more in it: give each in a file of its own"]
    );
    let call = find_call("x = 1\nx = 2\ny = 1\ny = 2\nf(a=x)", &["f"]).expect("a call");
    assert_eq!(
        call.notes,
        ["x is assigned more than once: the last value above the call is taken, check it"]
    );
}

#[test]
fn names_in_names_do_not_grow_without_end() {
    let mut program = "x0 = ['v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v']\n".to_owned();
    for n in 1..40 {
        let before = format!("x{}, ", n - 1).repeat(10);
        program.push_str(&format!("x{n} = [{before}]\n"));
    }
    assert!(matches!(
        &after(&format!("{program}f(a=x39)"))[0].1,
        Literal::List(_) | Literal::Expression(_)
    ));
}

#[test]
fn any_text_is_read_or_refused() {
    let pieces = [
        "f(", "a=", "'", "\"\"\"", "{", "}", "[", ")", "x", " = ", "\n", "\\", "...", "**", "ä",
        ":", ",", "#", "def ", "for ",
    ];
    let mut seed = 7_usize;
    for _ in 0..3000 {
        let mut program = String::new();
        for _ in 0..24 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            program.push_str(pieces[(seed >> 33) % pieces.len()]);
        }
        let _ = find_call(&program, &["f"]);
    }
}
