//! Decimal numbers of bounded size: 60 significant digits, and magnitudes from
//! 10^-10,000 to 10^10,000. Imports nothing of this crate.
//!
//! The arithmetic is that of the crate `dashu-float`, correctly rounded. What is
//! added here are the bounds, which keep the cost of each step below a few
//! milliseconds, and the memory of whether a value is exact. Of the crate's own
//! notes on that, only those of its four operations and its roots hold: it calls
//! `exp(1e-80)` an exact 1.

use std::fmt;

use dashu_float::ops::RemEuclid;
use dashu_float::round::mode::HalfAway;
use dashu_float::{Context, DBig, FpError, FpResult};

/// Significant digits that are kept.
const DIGITS: usize = 60;
/// Digits of a rounded value that count; the others may be noise of rounding.
const SOUND_DIGITS: u8 = 50;
/// Digits of a rounded value that are shown.
const SHOWN_DIGITS: usize = 15;
/// Largest power of ten that a value may reach, up or down.
const RANGE: i32 = 10_000;
/// Largest power of ten of an angle: beyond it, too few digits of the turn are left.
const ANGLE_RANGE: i32 = 9;
/// Digits before the point up to which, and zeros after it up to which, a value
/// is written out; beyond them it is 1.5e30.
const PLAIN_DIGITS: i32 = 21;
const PLAIN_ZEROS: i32 = 5;
/// Zeros at its end up to which an exact value is written out all the same.
const PLAIN_END: isize = 9;
/// Characters of a literal that are repeated.
const LITERAL_CHARS: usize = 30;

const CONTEXT: Context<HalfAway> = Context::new(DIGITS);

/// A value, or what is wrong in plain words.
pub type Outcome = Result<Number, String>;

/// A real number.
#[derive(Debug, Clone)]
pub struct Number {
    value: DBig,
    /// Nothing was rounded on the way here.
    exact: bool,
}

impl Number {
    /// A number as it is written: digits, a point, an exponent.
    pub fn parse(literal: &str) -> Outcome {
        let value: DBig = literal
            .parse()
            .map_err(|_| format!("`{literal:.LITERAL_CHARS$}` is no number that can be calculated with"))?;
        bounded(value, true)
    }

    /// A whole number.
    pub fn whole(value: i64) -> Self {
        Self { value: value.into(), exact: true }
    }

    /// The circle's circumference by its diameter.
    pub fn pi() -> Self {
        Self { value: DBig::pi(DIGITS), exact: false }
    }

    /// The base of natural logarithms.
    pub fn e() -> Self {
        Self { value: DBig::e(DIGITS), exact: false }
    }

    pub fn negated(self) -> Self {
        Self { value: unsigned_zero(-self.value), ..self }
    }

    pub fn absolute(self) -> Self {
        if self.is_negative() { self.negated() } else { self }
    }

    pub fn plus(&self, other: &Self) -> Outcome {
        let sum = self.with(other, CONTEXT.add(self.value.repr(), other.value.repr()))?;
        // What is left of two rounded values that cancel out is noise.
        Ok(sum.without_noise(self.magnitude().max(other.magnitude())))
    }

    pub fn minus(&self, other: &Self) -> Outcome {
        self.plus(&other.clone().negated())
    }

    pub fn times(&self, other: &Self) -> Outcome {
        self.with(other, CONTEXT.mul(self.value.repr(), other.value.repr()))
    }

    pub fn divided_by(&self, other: &Self) -> Outcome {
        if other.is_zero() {
            return Err("it divides by zero".into());
        }
        self.with(other, CONTEXT.div(self.value.repr(), other.value.repr()))
    }

    /// What is left over by a division; never negative.
    pub fn modulo(&self, other: &Self) -> Outcome {
        let divisor = other.sound();
        if divisor == DBig::ZERO {
            return Err("it divides by zero".into());
        }
        // Of unlimited precision, so that it is here that a long rest is rounded.
        let unlimited = |value: DBig| DBig::from_repr_const(value.into_repr());
        let rest = unlimited(self.sound()).rem_euclid(unlimited(divisor));
        bounded(rest, self.exact && other.exact)
    }

    pub fn power(&self, exponent: &Self) -> Outcome {
        if self.is_zero() && exponent.is_negative() {
            return Err("it divides by zero: 0 has no negative power".into());
        }
        // Looked at first, so that no effort goes into what is out of range.
        let estimate = self.log10_estimate() * exponent.value.to_f64().value();
        if estimate.abs() > f64::from(RANGE) + 1.0 {
            return Err(out_of_range(estimate > 0.0));
        }
        match exponent.as_whole() {
            Some(whole) if whole < 0 => Self::whole(1).divided_by(&self.whole_power(whole.unsigned_abs())?),
            Some(whole) => self.whole_power(whole.unsigned_abs()),
            None if self.is_negative() => {
                Err("a negative number has only whole powers; for a cube root write cbrt(x)".into())
            }
            None if exponent.exact && exponent.value.repr() == half().repr() => self.square_root(),
            None => rounded(CONTEXT.powf(self.value.repr(), exponent.value.repr(), None)),
        }
    }

    pub fn square_root(&self) -> Outcome {
        if self.is_negative() {
            return Err("a negative number has no square root".into());
        }
        settled(CONTEXT.sqrt(self.value.repr()), self.exact)
    }

    pub fn cube_root(&self) -> Outcome {
        settled(CONTEXT.cbrt(self.value.repr()), self.exact)
    }

    pub fn exponential(&self) -> Outcome {
        if self.magnitude() > 5 {
            return Err(out_of_range(!self.is_negative()));
        }
        rounded(CONTEXT.exp(self.value.repr(), None))
    }

    pub fn natural_logarithm(&self) -> Outcome {
        if self.is_negative() || self.is_zero() {
            return Err("only a positive number has a logarithm".into());
        }
        rounded(CONTEXT.ln(self.value.repr(), None))
    }

    /// To which power `base` is this number.
    pub fn logarithm(&self, base: &Self) -> Outcome {
        let quotient = self.natural_logarithm()?.divided_by(&base.natural_logarithm()?)?;
        let whole = quotient.as_whole().map(Self::whole);
        let is_this = |power: Self| power.exact && self.exact && power.value == self.value;
        Ok(whole.filter(|whole| base.power(whole).is_ok_and(is_this)).unwrap_or(quotient))
    }

    pub fn sine(&self) -> Outcome {
        let sine = rounded(CONTEXT.sin(self.angle()?.repr(), None))?;
        Ok(sine.without_noise(self.magnitude()))
    }

    pub fn cosine(&self) -> Outcome {
        let cosine = rounded(CONTEXT.cos(self.angle()?.repr(), None))?;
        Ok(cosine.without_noise(self.magnitude()))
    }

    pub fn tangent(&self) -> Outcome {
        let cosine = self.cosine()?;
        if cosine.is_zero() {
            return Err("the tangent of a right angle is not defined".into());
        }
        self.sine()?.divided_by(&cosine)
    }

    pub fn arc_sine(&self) -> Outcome {
        rounded(CONTEXT.asin(self.value.repr(), None))
    }

    pub fn arc_cosine(&self) -> Outcome {
        rounded(CONTEXT.acos(self.value.repr(), None))
    }

    pub fn arc_tangent(&self) -> Outcome {
        rounded(CONTEXT.atan(self.value.repr(), None))
    }

    pub fn floor(&self) -> Self {
        Self::settled_as(self.sound().floor())
    }

    pub fn ceiling(&self) -> Self {
        Self::settled_as(self.sound().ceil())
    }

    /// Rounded half away from zero to so many places after the point, or before
    /// it where `places` is negative.
    pub fn rounded(&self, places: i8) -> Self {
        Self::settled_as(self.sound().quantize(-isize::from(places)).value())
    }

    /// It as a whole number, if it is one.
    pub fn as_whole(&self) -> Option<i64> {
        let value = self.sound();
        // Before it is written out: 1e10000 has as many digits.
        let is_whole = value.repr().is_int() && magnitude(&value) <= 18;
        is_whole.then(|| value.to_int().value().try_into().ok()).flatten()
    }

    pub fn is_less_than(&self, other: &Self) -> bool {
        self.value < other.value
    }

    /// A value that was rounded on purpose.
    fn settled_as(value: DBig) -> Self {
        Self { value: unsigned_zero(value).with_precision(DIGITS).value(), exact: true }
    }

    fn is_zero(&self) -> bool {
        self.value == DBig::ZERO
    }

    fn is_negative(&self) -> bool {
        self.value < DBig::ZERO
    }

    fn magnitude(&self) -> i32 {
        magnitude(&self.value)
    }

    /// What became of this and another by one of the four operations.
    fn with(&self, other: &Self, result: FpResult<DBig>) -> Outcome {
        settled(result, self.exact && other.exact)
    }

    /// The value without digits that rounding may have made up.
    fn sound(&self) -> DBig {
        if self.exact { self.value.clone() } else { self.value.clone().with_precision(SOUND_DIGITS.into()).value() }
    }

    /// Zero where the digits are noise beside a value of this magnitude.
    fn without_noise(self, beside: i32) -> Self {
        let is_noise = !self.exact && self.magnitude() <= beside - i32::from(SOUND_DIGITS);
        if is_noise { Self { value: DBig::ZERO, ..self } } else { self }
    }

    fn angle(&self) -> Result<&DBig, String> {
        let is_angle = self.magnitude() <= ANGLE_RANGE;
        is_angle.then_some(&self.value).ok_or_else(|| format!("an angle may be at most 10^{ANGLE_RANGE} radians"))
    }

    /// By squaring, so by at most 128 products.
    fn whole_power(&self, mut exponent: u64) -> Outcome {
        let (mut power, mut square) = (Self::whole(1), self.clone());
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = power.times(&square)?;
            }
            exponent /= 2;
            if exponent > 0 {
                square = square.times(&square)?;
            }
        }
        Ok(power)
    }

    /// The power of ten that its amount is, to a few digits; 0 for zero.
    fn log10_estimate(&self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        let repr = self.value.repr();
        let leading = DBig::from_parts(repr.significand().clone(), -repr.digits().cast_signed());
        leading.to_f64().value().abs().log10() + f64::from(self.magnitude())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.exact {
            f.write_str("≈ ")?;
        }
        let shown = if self.exact { DIGITS } else { SHOWN_DIGITS };
        let value = self.value.clone().with_precision(shown).value();
        let (before, end) = (magnitude(&value), value.repr().exponent());
        let is_plain = before >= -PLAIN_ZEROS && (before <= PLAIN_DIGITS || (self.exact && end <= PLAIN_END));
        if is_plain || self.is_zero() { write!(f, "{value}") } else { write!(f, "{value:e}") }
    }
}

fn half() -> DBig {
    DBig::from_parts(5.into(), -1)
}

/// Digits before the point: 1 for 5, 0 for 0.5, -1 for 0.05.
fn magnitude(value: &DBig) -> i32 {
    if *value == DBig::ZERO {
        return i32::MIN / 2;
    }
    let magnitude = value.repr().exponent().saturating_add_unsigned(value.repr().digits());
    i32::try_from(magnitude).unwrap_or(if magnitude > 0 { i32::MAX } else { i32::MIN / 2 })
}

/// A result that is irrational, but for rare arguments.
fn rounded(result: FpResult<DBig>) -> Outcome {
    settled(result, false)
}

fn settled(result: FpResult<DBig>, exact: bool) -> Outcome {
    match result.map(dashu_float::round::Rounded::value_with_exact) {
        Ok((value, unrounded)) => bounded(value, exact && unrounded),
        Err(FpError::Overflow(_)) => Err(out_of_range(true)),
        Err(FpError::Underflow(_)) => Err(out_of_range(false)),
        Err(FpError::OutOfDomain | FpError::Indeterminate | FpError::InfiniteInput) => {
            Err("a function is not defined for the number it is given".into())
        }
        Err(FpError::ZivRetryLimitExceeded) => Err("a function could not be calculated precisely".into()),
    }
}

fn bounded(value: DBig, exact: bool) -> Outcome {
    if value.repr().is_infinite() {
        return Err("a function is infinite for the number it is given".into());
    }
    let (value, unrounded) = unsigned_zero(value).with_precision(DIGITS).value_with_exact();
    let magnitude = magnitude(&value);
    if magnitude.abs() > RANGE && value != DBig::ZERO {
        return Err(out_of_range(magnitude > 0));
    }
    Ok(Number { value, exact: exact && unrounded })
}

fn out_of_range(is_large: bool) -> String {
    match is_large {
        true => format!("a number is too large; at most 10^{RANGE} can be calculated with"),
        false => format!("a number is too small; at least 10^-{RANGE} can be calculated with"),
    }
}

fn unsigned_zero(value: DBig) -> DBig {
    if value == DBig::ZERO { DBig::ZERO } else { value }
}
