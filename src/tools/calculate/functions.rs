//! The functions of expressions, by name. Imports the numbers.

use super::number::{Number, Outcome};

/// Largest factorial, and most factors of a binomial coefficient.
const FACTORS: i64 = 300;
/// Most places to round to.
const PLACES: i64 = 100;

/// How each function is written.
const FUNCTIONS: [(&str, &str); 23] = [
    ("abs", "abs(x)"),
    ("acos", "acos(x)"),
    ("asin", "asin(x)"),
    ("atan", "atan(x)"),
    ("cbrt", "cbrt(x)"),
    ("ceil", "ceil(x)"),
    ("choose", "choose(n, k)"),
    ("cos", "cos(x)"),
    ("exp", "exp(x)"),
    ("floor", "floor(x)"),
    ("ln", "ln(x)"),
    ("log", "ln(x), log10(x) or log(x, base)"),
    ("log10", "log10(x)"),
    ("log2", "log2(x)"),
    ("max", "max(a, b, …)"),
    ("mean", "mean(a, b, …)"),
    ("min", "min(a, b, …)"),
    ("mod", "mod(a, b)"),
    ("round", "round(x) or round(x, digits)"),
    ("sin", "sin(x)"),
    ("sqrt", "sqrt(x)"),
    ("sum", "sum(a, b, …)"),
    ("tan", "tan(x)"),
];

/// The constant of this name.
pub fn constant(name: &str) -> Option<Number> {
    match name {
        "pi" | "π" => Some(Number::pi()),
        "e" => Some(Number::e()),
        _ => None,
    }
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Number]) -> Outcome {
    match (name, arguments) {
        ("abs", [x]) => Ok(x.clone().absolute()),
        ("acos", [x]) => x.arc_cosine(),
        ("asin", [x]) => x.arc_sine(),
        ("atan", [x]) => x.arc_tangent(),
        ("cbrt", [x]) => x.cube_root(),
        ("ceil", [x]) => Ok(x.ceiling()),
        ("choose", [n, k]) => choose(n, k),
        ("cos", [x]) => x.cosine(),
        ("exp", [x]) => x.exponential(),
        ("floor", [x]) => Ok(x.floor()),
        ("ln", [x]) => x.natural_logarithm(),
        ("log", [x, base]) => x.logarithm(base),
        ("log10", [x]) => x.logarithm(&Number::whole(10)),
        ("log2", [x]) => x.logarithm(&Number::whole(2)),
        ("max", [first, rest @ ..]) => {
            Ok(rest.iter().fold(first, |most, x| if most.is_less_than(x) { x } else { most }).clone())
        }
        ("mean", [first, rest @ ..]) => sum(first, rest)?.divided_by(&count(arguments)),
        ("min", [first, rest @ ..]) => {
            Ok(rest.iter().fold(first, |least, x| if x.is_less_than(least) { x } else { least }).clone())
        }
        ("mod", [a, b]) => a.modulo(b),
        ("round", [x]) => Ok(x.rounded(0)),
        ("round", [x, places]) => round(x, places),
        ("sin", [x]) => x.sine(),
        ("sqrt", [x]) => x.square_root(),
        ("sum", [first, rest @ ..]) => sum(first, rest),
        ("tan", [x]) => x.tangent(),
        _ => Err(misused(name)),
    }
}

/// The product of 1 to `n`.
pub fn factorial(n: &Number) -> Outcome {
    let n = n.as_whole().filter(|n| (0..=FACTORS).contains(n));
    let n = n.ok_or_else(|| format!("only whole numbers from 0 to {FACTORS} have a factorial here"))?;
    (2..=n).try_fold(Number::whole(1), |product, factor| product.times(&Number::whole(factor)))
}

/// In how many ways `k` of `n` can be chosen.
fn choose(n: &Number, k: &Number) -> Outcome {
    let (Some(n), Some(k)) = (n.as_whole(), k.as_whole()) else {
        return Err("choose(n, k) takes whole numbers below 10^18".into());
    };
    if n < 0 || k < 0 {
        return Err("choose(n, k) takes no negative numbers".into());
    }
    if k > n {
        return Ok(Number::whole(0));
    }
    let factors = k.min(n - k);
    if factors > FACTORS {
        return Err(format!("choose(n, k) takes a k, or an n - k, of at most {FACTORS}"));
    }
    // Each quotient on the way is a binomial coefficient itself, so a whole number.
    (1..=factors).try_fold(Number::whole(1), |ways, i| {
        ways.times(&Number::whole(n - factors + i))?.divided_by(&Number::whole(i))
    })
}

fn round(x: &Number, places: &Number) -> Outcome {
    let places = places.as_whole().filter(|places| (-PLACES..=PLACES).contains(places));
    let places = places.and_then(|places| i8::try_from(places).ok());
    Ok(x.rounded(places.ok_or_else(|| format!("numbers are rounded to -{PLACES} to {PLACES} digits"))?))
}

fn sum(first: &Number, rest: &[Number]) -> Outcome {
    rest.iter().try_fold(first.clone(), |sum, x| sum.plus(x))
}

fn count(numbers: &[Number]) -> Number {
    Number::whole(i64::try_from(numbers.len()).unwrap_or(i64::MAX))
}

fn misused(name: &str) -> String {
    if let Some((_, written)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return format!("`{name}` has not the arguments it takes; write {written}");
    }
    let known: Vec<&str> = FUNCTIONS.iter().map(|(known, _)| *known).collect();
    format!("there is no function `{name}`; there are {}", known.join(", "))
}
