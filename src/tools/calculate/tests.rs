use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::expression::evaluate;
use super::number::Number;
use super::*;
use crate::tools::Tool;

fn value(expression: &str) -> String {
    evaluate(expression).unwrap_or_else(|problem| panic!("{expression}: {problem}")).to_string()
}

fn problem(expression: &str) -> String {
    evaluate(expression).map(|value| value.to_string()).expect_err(expression)
}

#[test]
fn its_schemas_are_what_providers_take() {
    let tool = calculate();
    assert_eq!(
        tool.spec().parameters,
        json!({
            "type": "object",
            "properties": {
                "expression": {
                    "type": "string",
                    "description": "The expression, at most 1,000 characters, such as 1200 * (1 + 3.5%)^10.",
                },
            },
            "required": ["expression"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        tool.results(),
        Some(&json!({
            "type": "object",
            "properties": {
                "result": {
                    "type": "string",
                    "description": "The value; ≈ before it says that it is rounded to 15 digits.",
                },
            },
            "required": ["result"],
            "additionalProperties": false,
        }))
    );
}

#[test]
fn decimals_are_exact() {
    for (expression, expected) in [
        ("0.1 + 0.2", "0.3"),
        ("7/2", "3.5"),
        ("123456789123456789 * 987654321987654321", "121932631356500531347203169112635269"),
        ("2^100", "1267650600228229401496703205376"),
        ("25!", "15511210043330985984000000"),
        ("1_000_000 * 1.5e-3", "1500"),
        ("1/8", "0.125"),
        ("-0", "0"),
        ("1e100", "1e100"),
        ("6.02214076e23 * 2", "1.204428152e24"),
        ("1e12", "1000000000000"),
        ("0.000001", "0.000001"),
        (".5 + 5.", "5.5"),
        ("choose(52, 5)", "2598960"),
        ("sqrt(144)", "12"),
        ("cbrt(-27)", "-3"),
        ("log10(1000)", "3"),
        ("log2(1/8)", "-3"),
        ("log(81, 3)", "4"),
        ("9^0.5", "3"),
        ("0^0", "1"),
        ("9.95e-7", "9.95e-7"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

/// Compared with Python's `decimal` at 60 digits.
#[test]
fn what_is_rounded_says_so() {
    for (expression, expected) in [
        ("1/3", "≈ 0.333333333333333"),
        ("sqrt(2)^2", "≈ 2"),
        ("(1/3)*3", "≈ 1"),
        ("(1 + 0.0375/12)^(12*30)", "≈ 3.07481839521473"),
        ("(48213.77/31250.12)^(1/4.5) - 1", "≈ 0.101155763100483"),
        ("e^(-0.0345*7.25)", "≈ 0.778703439057649"),
        ("2^0.3333", "≈ 1.25989193987372"),
        ("ln(10)", "≈ 2.30258509299405"),
        ("100!", "≈ 9.33262154439442e157"),
        ("sin(pi)", "≈ 0"),
        ("sin(30°)", "≈ 0.5"),
        ("tan(45 * pi / 180)", "≈ 1"),
        ("exp(1) - e", "≈ 0"),
        ("1 + 1e-80", "≈ 1"),
        ("(1 + 1e-40)^2", "≈ 1"),
        ("exp(1e-80)", "≈ 1"),
        ("1e9999^1e-9999", "≈ 1"),
        ("log10(1001)", "≈ 3.00043407747932"),
        ("8^(1/3)", "≈ 2"),
        ("2^250", "≈ 1.80925139433307e75"),
        ("mean(1, 2, 4)", "≈ 2.33333333333333"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn operators_bind_as_in_mathematics() {
    for (expression, expected) in [
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2**-1", "0.5"),
        ("2 * -3", "-6"),
        ("-3!", "-6"),
        ("10 - 4 - 3", "3"),
        ("100 / 10 / 5", "2"),
        ("2 + 3 × 4 ÷ 6 − 1", "3"),
        ("15% of 80", "12"),
        ("15% * 80", "12"),
        ("1200 * (1 + 5%)", "1260"),
        ("100% - 15%", "0.85"),
        ("17 % 5", "2"),
        ("-17 mod 5", "3"),
        ("mod(17, 5)", "2"),
        ("-1e-30 mod 1e40", "≈ 1e40"),
        ("round(1234.567) mod 1000", "235"),
        ("floor(7.5) mod 2.25", "0.25"),
        ("round(99.5) * 1.23456789", "123.456789"),
        ("min(3, 1, 2) + max(3, 1, 2) + sum(1, 2)", "7"),
        ("round(2/3, 2)", "0.67"),
        ("round(1234.5, -2) + round(-2.5)", "1197"),
        ("floor((1/3)*3) + ceil(-0.5)", "1"),
        ("PI - pi", "≈ 0"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn a_problem_says_what_and_where() {
    for (expression, expected) in [
        ("", "a number is missing at the end"),
        ("2 +", "a number is missing at the end"),
        ("2 + )", "a number is missing before `)` at character 5"),
        ("(2 + 3", "`)` or an operator is missing at the end"),
        ("2)", "`)` at character 2 closes nothing"),
        ("2(3)", "an operator such as * is missing before `(` at character 2"),
        ("1,234.5", "`,` at character 2 separates nothing; write numbers without thousands separators"),
        ("1.2.3", "an operator such as * is missing before the number at character 4"),
        ("1/(2-2)", "it divides by zero"),
        ("5 mod 0", "it divides by zero"),
        ("sqrt(-1)", "a negative number has no square root"),
        ("ln(0)", "only a positive number has a logarithm"),
        ("log(5)", "`log` has not the arguments it takes; write ln(x), log10(x) or log(x, base)"),
        ("asin(2)", "a function is not defined for the number it is given"),
        ("tan(90°)", "the tangent of a right angle is not defined"),
        ("1.5!", "only whole numbers from 0 to 300 have a factorial here"),
        (".", "`.` is no number that can be calculated with"),
        (
            "x = 3",
            "`=` at character 3 has no place in arithmetic; write numbers and operators only, without units and currency signs",
        ),
    ] {
        assert_eq!(problem(expression), expected, "{expression}");
    }
    assert!(problem("foo(1)").contains("there is no function `foo`; there are abs, "));
    assert!(problem("5 km").contains("before `km` at character 3"));
    assert!(problem(&"y".repeat(900)).len() < 200);
}

#[test]
fn hostile_expressions_end() {
    let hostile = [
        "9^9^9^9".to_owned(),
        "9^9^9".into(),
        "(10^9)!".into(),
        "300!!".into(),
        "1e999999999999999999999999".into(),
        "1e99999999".into(),
        "1e-99999999".into(),
        "10^10^10^10".into(),
        "1.0000001^1e15".into(),
        "0.5^1e9999".into(),
        "(1e9999)^(1e9999)".into(),
        "1e9999^1e-9999".into(),
        "exp(1e9999)".into(),
        "exp(-1e9999)".into(),
        "sin(1e9999)".into(),
        "choose(1e18, 1e17)".into(),
        "round(1e9999, 1e9999)".into(),
        "(1e9999 mod 1e-9999) + floor(1e9999)".into(),
        "(".repeat(999),
        "-".repeat(999),
        "2^".repeat(499),
        "sqrt(".repeat(199),
        "2(".repeat(499),
        "1 2/(".repeat(199),
        "!".repeat(999),
        "9".repeat(1_000),
        "300!+".repeat(200),
        "choose(1e17,300)+".repeat(58),
        "7^.3+".repeat(200),
        "sin(1e8)+".repeat(111),
        "(1e9999 mod 7)+".repeat(76),
        "1e9999%7+".repeat(111),
        "ln(7)^.3+".repeat(111),
        "1e9999+1e-9999+".repeat(66),
    ];
    for expression in hostile {
        let expression = expression.trim_end_matches('+');
        let started = Instant::now();
        let told = evaluate(expression).map_or_else(|problem| problem, |value| value.to_string());
        let took = started.elapsed();
        assert!(told.len() < 400, "{told}");
        // Far above what the slowest takes, so that a busy machine does not fail it.
        assert!(took < Duration::from_secs(20), "{expression}: {took:?}");
    }
}

#[tokio::test]
async fn a_call_answers_with_text_and_data() {
    let output = calculate().call(json!({ "expression": "6 * 7" })).await.expect("a result");
    assert_eq!((output.text.as_str(), output.data), (r#"{"result":"42"}"#, Some(json!({ "result": "42" }))));
}

#[tokio::test]
async fn invalid_arguments_name_the_field() {
    for (arguments, expected) in [
        (json!({}), "missing field `expression`"),
        (json!({ "expression": 7 }), "`expression`: invalid type: integer `7`, expected a string"),
        (json!({ "expression": "1", "unit": "m" }), "unknown field `unit`, expected `expression`"),
        (json!({ "expression": "1/0" }), "`expression`: it divides by zero"),
        (json!({ "expression": "1".repeat(1_001) }), "`expression`: has 1001 characters; at most 1000 are read"),
    ] {
        let error = calculate().call(arguments).await.expect_err("not valid");
        assert_eq!(error.code(), "invalid_arguments");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Texts that get further than random ones.
fn likely() -> impl Strategy<Value = String> {
    let pieces = [
        "1", "2.5", "1e9999", "1e-9999", "0", "1e17", "999", "(1/3)", "pi", "e", "+", "-", "*", "/", "^", "%", "!",
        "°", "(", ")", ",", "mod", "of", "sqrt(", "cbrt(", "ln(", "log(", "exp(", "sin(", "tan(", "acos(", "round(",
        "floor(", "choose(", "max(", "mean(",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// A decimal number, mostly of few digits.
fn decimal() -> impl Strategy<Value = Number> {
    (prop_oneof![-1_000_i64..1_000, any::<i64>()], prop_oneof![-3..3, -60..60])
        .prop_map(|(digits, exponent)| Number::parse(&format!("{digits}e{exponent}")).expect("a number"))
}

fn is_exact(number: &Number) -> bool {
    !number.to_string().starts_with('≈')
}

proptest! {
    #[test]
    fn what_is_called_exact_can_be_undone(a in decimal(), b in decimal(), n in 0_i64..12) {
        let same = |undone: Result<Number, String>, number: &Number| undone.map(|undone| undone.to_string()) == Ok(number.to_string());
        let sum = a.plus(&b).expect("a sum");
        prop_assert!(!is_exact(&sum) || same(sum.minus(&b), &a));
        if let Ok(quotient) = a.divided_by(&b) {
            prop_assert!(!is_exact(&quotient) || same(quotient.times(&b), &a));
        }
        let power = a.power(&Number::whole(n)).expect("a power");
        let factors = (0..n).try_fold(Number::whole(1), |product, _| product.times(&a)).expect("a product");
        prop_assert_eq!(power.to_string(), factors.to_string());
        if let Ok(root) = a.square_root() {
            prop_assert!(!is_exact(&root) || same(root.times(&root), &a));
        }
    }

    #[test]
    fn no_text_makes_it_panic(expression in prop_oneof![".{0,60}", likely()]) {
        match evaluate(&expression) {
            Ok(value) => prop_assert!(value.to_string().len() < 100, "{}", value),
            Err(problem) => prop_assert!(!problem.is_empty()),
        }
    }

    #[test]
    fn whole_numbers_are_as_in_rust(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, c in 1_i64..1_000) {
        let expected = (a + b) * c - a.rem_euclid(c);
        prop_assert_eq!(value(&format!("({a} + {b}) * {c} - ({a}) % {c}")), expected.to_string());
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn functions_are_those_of_floats(a in 0.001_f64..1e6, b in -3.0_f64..3.0, c in -1.0_f64..1.0) {
        for (expression, theirs) in [
            (format!("({a})^({b})"), a.powf(b)),
            (format!("ln({a})"), a.ln()),
            (format!("log10({a})"), a.log10()),
            (format!("log({a}, 7)"), a.log(7.0)),
            (format!("sqrt({a})"), a.sqrt()),
            (format!("cbrt(-({a}))"), -a.cbrt()),
            (format!("exp({b})"), b.exp()),
            (format!("sin({b})"), b.sin()),
            (format!("cos({c})"), c.cos()),
            (format!("tan({c})"), c.tan()),
            (format!("asin({c})"), c.asin()),
            (format!("acos({c})"), c.acos()),
            (format!("atan({a})"), a.atan()),
            (format!("floor({b})"), b.floor()),
            (format!("ceil({b})"), b.ceil()),
            (format!("round({a})"), a.round()),
            (format!("({b}) mod 0.75 + 1"), b.rem_euclid(0.75) + 1.0),
        ] {
            let shown = value(&expression);
            let ours: f64 = shown.trim_start_matches("≈ ").parse().expect("a number");
            prop_assert!((ours - theirs).abs() <= theirs.abs() * 1e-11 + 1e-15, "{}: {} {}", expression, ours, theirs);
        }
    }
}
