//! Expressions: read by precedence climbing and evaluated as they are read.
//! Imports the numbers and the functions.
//!
//! From loose to tight: `+ -`, `* / of mod`, a sign, `^`, then `! % °`. Powers
//! group to the right, so that `-2^2` is -4 and `2^3^2` is 512. A `%` before
//! something that can be divided by means the rest of a division, and percent
//! everywhere else.

use super::functions::{call, constant, factorial};
use super::number::{Number, Outcome};

/// How deep parentheses, signs and powers may nest.
const DEPTH: usize = 50;
/// Characters of a name that are repeated.
const NAME_CHARS: usize = 30;

const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const SIGN: u8 = 3;
const POWER: u8 = 4;

/// The value of an expression, or what is wrong with it in plain words.
pub fn evaluate(expression: &str) -> Outcome {
    let tokens = tokens(expression)?;
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    let value = reader.expression(SUM)?;
    match reader.peek() {
        None => Ok(value),
        Some(Token::Symbol(',')) => {
            Err(format!("`,` {} separates nothing; write numbers without thousands separators", reader.place()))
        }
        Some(Token::Symbol(')')) => Err(format!("`)` {} closes nothing", reader.place())),
        Some(token) => Err(format!("an operator such as * is missing before {} {}", token.name(), reader.place())),
    }
}

#[derive(Debug, Clone)]
enum Token {
    Number(Number),
    /// In lower case.
    Name(String),
    /// One of `+ - * / ^ % ! ° ( ) ,`.
    Symbol(char),
}

impl Token {
    fn name(&self) -> String {
        match self {
            Self::Number(_) => "the number".into(),
            Self::Name(name) => format!("`{}`", shortened(name)),
            Self::Symbol(symbol) => format!("`{symbol}`"),
        }
    }

    /// Whether an operand begins with it, signs apart.
    fn begins_operand(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Name(name) => !matches!(name.as_str(), "of" | "mod"),
            Self::Symbol(symbol) => *symbol == '(',
        }
    }
}

/// The tokens with the places where they begin, in characters from 1.
fn tokens(expression: &str) -> Result<Vec<(Token, usize)>, String> {
    let chars: Vec<char> = expression.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = chars.get(at) {
        let rest = &chars[at..];
        let (token, taken) = match first {
            first if first.is_whitespace() => (None, 1),
            '0'..='9' | '.' => {
                let (literal, taken) = literal(rest);
                (Some(Token::Number(Number::parse(&literal)?)), taken)
            }
            first if first.is_alphabetic() || first == '_' => {
                let name: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                let taken = name.chars().count();
                (Some(Token::Name(name.to_lowercase())), taken)
            }
            '*' if rest.get(1) == Some(&'*') => (Some(Token::Symbol('^')), 2),
            first => {
                let symbol = symbol(first).ok_or_else(|| {
                    format!(
                        "`{first}` at character {} has no place in arithmetic; write numbers and operators only, \
                             without units and currency signs",
                        at + 1
                    )
                })?;
                (Some(Token::Symbol(symbol)), 1)
            }
        };
        tokens.extend(token.map(|token| (token, at + 1)));
        at += taken;
    }
    Ok(tokens)
}

fn symbol(written: char) -> Option<char> {
    match written {
        '+' | '-' | '*' | '/' | '^' | '%' | '!' | '°' | '(' | ')' | ',' => Some(written),
        '−' | '–' => Some('-'),
        '×' | '·' | '⋅' => Some('*'),
        '÷' | '∕' => Some('/'),
        '[' | '{' => Some('('),
        ']' | '}' => Some(')'),
        _ => None,
    }
}

/// The number at the beginning, without underscores, and its length.
fn literal(chars: &[char]) -> (String, usize) {
    let digits = |from: usize| chars[from..].iter().take_while(|c| c.is_ascii_digit() || **c == '_').count();
    let mut end = digits(0);
    if chars.get(end) == Some(&'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(chars.get(end), Some('e' | 'E')) {
        let sign = usize::from(matches!(chars.get(end + 1), Some('+' | '-')));
        let begins = end + 1 + sign;
        if chars.get(begins).is_some_and(char::is_ascii_digit) {
            end = begins + digits(begins);
        }
    }
    (chars[..end].iter().filter(|c| **c != '_').collect(), end)
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Takes the next token if it is this symbol.
    fn take(&mut self, symbol: char) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(is_it);
        is_it
    }

    fn place(&self) -> String {
        match self.tokens.get(self.at) {
            Some((_, place)) => format!("at character {place}"),
            None => "at the end".into(),
        }
    }

    /// Operands joined by operators that bind as tightly as `least`.
    fn expression(&mut self, least: u8) -> Outcome {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("it nests deeper than {DEPTH} levels; calculate it in parts"));
        }
        let mut left = self.operand()?;
        while let Some((operator, level)) = self.operator().filter(|(_, level)| *level >= least) {
            self.at += 1;
            let right = self.expression(if level == POWER { SIGN } else { level + 1 })?;
            left = match operator {
                '+' => left.plus(&right)?,
                '-' => left.minus(&right)?,
                '*' => left.times(&right)?,
                '/' => left.divided_by(&right)?,
                '%' => left.modulo(&right)?,
                _ => left.power(&right)?,
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator between operands that comes next, and how tightly it binds.
    fn operator(&self) -> Option<(char, u8)> {
        match self.peek()? {
            Token::Symbol(symbol @ ('+' | '-')) => Some((*symbol, SUM)),
            Token::Symbol(symbol @ ('*' | '/' | '%')) => Some((*symbol, PRODUCT)),
            Token::Symbol('^') => Some(('^', POWER)),
            Token::Name(name) if name == "of" => Some(('*', PRODUCT)),
            Token::Name(name) if name == "mod" => Some(('%', PRODUCT)),
            _ => None,
        }
    }

    /// A number, constant, call or parenthesis, with what stands before and after it.
    fn operand(&mut self) -> Outcome {
        if self.take('-') {
            return self.expression(SIGN).map(Number::negated);
        }
        if self.take('+') {
            return self.expression(SIGN);
        }
        let mut value = self.primary()?;
        loop {
            if self.take('!') {
                value = factorial(&value)?;
            } else if self.take('°') {
                value = value.times(&Number::pi())?.divided_by(&Number::whole(180))?;
            } else if self.percent() {
                value = value.divided_by(&Number::whole(100))?;
            } else {
                return Ok(value);
            }
        }
    }

    /// Takes a percent sign that is no operator between two operands.
    fn percent(&mut self) -> bool {
        let next = self.tokens.get(self.at + 1);
        let divides = next.is_some_and(|(token, _)| token.begins_operand());
        !divides && self.take('%')
    }

    fn primary(&mut self) -> Outcome {
        let token = self.peek().cloned();
        let place = self.place();
        self.at += 1;
        match token {
            Some(Token::Number(number)) => Ok(number),
            Some(Token::Symbol('(')) => {
                let value = self.expression(SUM)?;
                self.close()?;
                Ok(value)
            }
            Some(Token::Name(name)) if self.take('(') => {
                let arguments = self.arguments()?;
                call(shortened(&name), &arguments)
            }
            Some(Token::Name(name)) => constant(&name).ok_or_else(|| {
                let name = shortened(&name);
                format!("`{name}` {place} is not known; constants are pi and e, and functions are written {name}(x)")
            }),
            Some(token) => Err(format!("a number is missing before {} {place}", token.name())),
            None => Err("a number is missing at the end".into()),
        }
    }

    /// What stands between the parentheses of a call.
    fn arguments(&mut self) -> Result<Vec<Number>, String> {
        let mut arguments = Vec::new();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(SUM)?);
            if !self.take(',') {
                self.close()?;
                return Ok(arguments);
            }
        }
    }

    fn close(&mut self) -> Result<(), String> {
        let is_closed = self.take(')');
        is_closed.then_some(()).ok_or_else(|| format!("`)` or an operator is missing {}", self.place()))
    }
}

fn shortened(name: &str) -> &str {
    name.char_indices().nth(NAME_CHARS).map_or(name, |(end, _)| &name[..end])
}
