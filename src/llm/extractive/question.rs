//! What a question asks for: its words, the kind of answer, and the numbers,
//! codes and names in it. Imports the type of a source.

use std::collections::HashSet;

use crate::folding::folded;
use crate::llm::Source;

/// Words behind `how` that ask for a number.
const HOW: &str = " many much long far often old high big large deep fast late early soon tall wide heavy loud tight \
    powerful ";
/// Words that name something that is told by a number or a date.
const MEASURES: &str = " value price cost costs fee rate number numbers year date time hour hours day days month months \
    percentage percent age amount limit distance speed weight size temperature length height width code address port \
    version discount bonus population ";
/// Words that ask for a number wherever they stand.
const PRICES: &str = " when limit price cost costs fee ";
/// Words behind which a measure is asked for.
const ASKING: &str = " what which whose at upto ";
/// Numbers and dates in words.
const NUMBERS: &str = " one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred \
    thousand million half quarter double twice once none monday tuesday wednesday thursday friday saturday sunday \
    mondays tuesdays wednesdays thursdays fridays saturdays sundays january february march april june july august \
    september october november december midnight noon ";

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    /// Its stems.
    pub(super) stems: HashSet<u32>,
    /// Its words in small letters, without marks.
    pub(super) words: Vec<String>,
    /// A number or a date is asked for.
    pub(super) wants_number: bool,
    /// A person is asked for.
    pub(super) wants_person: bool,
    /// It has a number, a code or a name.
    pub(super) names: bool,
    /// Its numbers and codes, a number with the name before it.
    codes: Vec<String>,
}

impl Question {
    pub(super) fn new(text: &str, stems: HashSet<u32>) -> Self {
        let folded = folded(text);
        let words: Vec<String> = folded.split(' ').map(str::to_owned).collect();
        let (codes, has_name) = codes(text);
        let wants_person = words.iter().any(|word| ["who", "whom", "whose"].contains(&word.as_str()));
        Self {
            stems,
            wants_number: wants_number(&words),
            wants_person,
            names: has_name || !codes.is_empty(),
            words,
            codes,
        }
    }

    /// Whether a number or code of the question stands in none of the sources.
    pub(super) fn has_unknown_code(&self, sources: &[Source]) -> bool {
        if self.codes.is_empty() {
            return false;
        }
        let texts = sources.iter().flat_map(|source| {
            source.headings.iter().chain([&source.title, &source.text]).map(|text| format!(" {} ", folded(text)))
        });
        let texts: Vec<String> = texts.collect();
        self.codes.iter().any(|code| !texts.iter().any(|text| text.contains(&format!(" {code} "))))
    }
}

/// Whether a text has a number or a date that is not in the question.
pub(super) fn holds_number(text: &str, asked: &[String]) -> bool {
    let folded = folded(text);
    let mut words = folded.split(' ');
    words.any(|word| {
        let is_number = word.contains(|c: char| c.is_ascii_digit()) || is_among(word, NUMBERS);
        is_number && !asked.iter().any(|asked| asked == word)
    })
}

fn is_among(word: &str, list: &str) -> bool {
    list.contains(&format!(" {word} "))
}

fn wants_number(words: &[String]) -> bool {
    let pairs = || words.windows(2);
    let how = pairs().any(|pair| pair[0] == "how" && is_among(&pair[1], HOW));
    let upto = pairs().position(|pair| pair[0] == "up" && pair[1] == "to");
    let asking = words.iter().position(|word| is_among(word, ASKING));
    let asking = [asking, upto].into_iter().flatten().min();
    let measure = asking.is_some_and(|asking| words[asking..].iter().any(|word| is_among(word, MEASURES)));
    how || measure || words.iter().any(|word| is_among(word, PRICES))
}

/// The numbers and codes of a question as they are looked for, and whether it
/// has a name. A number is looked for with the name that it follows: `Solva 24`
/// is not the Solva 12.
fn codes(text: &str) -> (Vec<String>, bool) {
    let mut codes = Vec::new();
    let mut has_name = false;
    let mut before: Option<&str> = None;
    for (place, raw) in text.split_whitespace().enumerate() {
        let bare = raw.trim_matches(|c: char| !c.is_alphanumeric());
        let word = bare.strip_suffix("'s").or_else(|| bare.strip_suffix("’s")).unwrap_or(bare);
        let begins = before.is_none_or(|before| before.ends_with(['.', '!', '?']));
        let is_name = !begins && word != "I" && word.contains(char::is_uppercase);
        if word.contains(|c: char| c.is_ascii_digit()) {
            let name = before.filter(|name| {
                place > 1 && name.starts_with(char::is_uppercase) && word.starts_with(|c: char| c.is_ascii_digit())
            });
            codes.push(folded(&format!("{} {word}", name.unwrap_or_default())));
        } else {
            has_name |= is_name;
        }
        before = Some(raw);
    }
    (codes, has_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Question {
        Question::new(text, HashSet::new())
    }

    #[test]
    fn a_number_is_asked_for_in_several_ways() {
        for text in [
            "How many people work here?",
            "On which days may dogs come?",
            "Up to what value are gifts fine?",
            "When is the office open?",
            "What does a new lid cost?",
        ] {
            assert!(question(text).wants_number, "{text}");
        }
        assert!(!question("How do I reset the pump?").wants_number);
        assert!(!question("Which nursery bought it?").wants_number);
    }

    #[test]
    fn a_number_goes_with_the_name_before_it() {
        let source = |text: &str| Source {
            n: 1,
            title: "Manual".into(),
            headings: vec![],
            text: text.into(),
            score: 0.0,
            dense: None,
        };
        let asked = question("How much does the Solva 24 cost?");
        assert!(asked.names && asked.has_unknown_code(&[source("The Solva 12 has 24 outputs.")]));
        assert!(!asked.has_unknown_code(&[source("The Solva 24 has 12 outputs.")]));
        assert!(!question("What is E-20?").has_unknown_code(&[source("Code E-20: short circuit")]));
        assert!(!question("What is it?").names);
    }

    #[test]
    fn numbers_of_the_question_do_not_answer_it() {
        let asked = question("What happens after 20 minutes?").words;
        assert!(!holds_number("It stops after 20 minutes.", &asked));
        assert!(holds_number("It stops after six minutes.", &asked));
        assert!(holds_number("It comes on Thursdays.", &asked));
    }
}
