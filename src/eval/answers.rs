//! Figures of answers: is the right document cited, does the quote hold the
//! answer, and is what cannot be answered refused.

use footnote_ingest::document::Span;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents;
use footnote_ingest::store::revisions;
use serde::{Deserialize, Serialize};

use super::set::{Judged, Set};
use crate::app::App;
use crate::chat::{self, Ask};
use crate::citations::Citation;
use crate::error::Result;
use crate::ids::{CollectionId, DocumentId, RevisionId};
use crate::storage::conversations::{self, New};
use crate::storage::messages::Part;

/// Figures over the questions that were asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerFigures {
    /// The set's name.
    pub name: String,
    /// The model that answered.
    pub model: String,
    /// Questions that can be answered.
    pub answerable: usize,
    /// Questions that cannot.
    pub unanswerable: usize,
    /// Of the answerable: share whose first citation is of a right document.
    pub document: f64,
    /// Of the answerable: share with a citation that overlaps the known quote.
    pub quote: f64,
    /// Of the refusals: share that was right.
    pub refusal_precision: f64,
    /// Of the unanswerable: share that was refused.
    pub refusal_recall: f64,
    /// Of all citations: share whose range, sliced from the stored text, is the
    /// quote. Anything below one is a defect.
    pub exact: f64,
    /// Ids of answerable questions without a right quote.
    pub missed: Vec<String>,
    /// Ids of unanswerable questions that were answered.
    pub invented: Vec<String>,
}

#[derive(Default)]
struct Tally {
    answerable: usize,
    unanswerable: usize,
    document: usize,
    quote: usize,
    refused: usize,
    refused_rightly: usize,
    citations: usize,
    exact: usize,
    missed: Vec<String>,
    invented: Vec<String>,
}

pub(super) async fn measure(
    app: &App,
    scope: Scope,
    set: &Set,
    collection: CollectionId,
    limit: usize,
) -> Result<AnswerFigures> {
    let new = New { title: Some("evaluation"), collections: &[collection], ..New::default() };
    let conversation = conversations::create(&app.db, scope, &new).await?;
    let mut tally = Tally::default();
    for judged in evenly(&set.answers, limit) {
        let ask = Ask::new(judged.question.clone());
        // Each question stands alone: no history.
        let alone = conversations::create(&app.db, scope, &new).await?;
        let asked = chat::ask(app, scope, alone.id, ask).await?;
        let answer = chat::wait(app, scope, asked.answer).await?;
        conversations::delete(&app.db, scope, alone.id).await?;
        let citations = answer.parts.iter().filter_map(|part| match part {
            Part::Citation { citation } => Some(citation.clone()),
            _ => None,
        });
        let grounded = answer.grounded == Some(true);
        tally.add(app, scope, judged, grounded, citations.collect()).await?;
    }
    conversations::delete(&app.db, scope, conversation.id).await?;
    Ok(tally.figures(set, app.models.default_name()))
}

/// Up to `limit` of all, evenly spread.
fn evenly(all: &[Judged], limit: usize) -> impl Iterator<Item = &Judged> {
    let count = all.len().min(limit);
    (0..count).filter_map(move |place| all.get(place * all.len() / count.max(1)))
}

impl Tally {
    async fn add(
        &mut self,
        app: &App,
        scope: Scope,
        judged: &Judged,
        grounded: bool,
        citations: Vec<Citation>,
    ) -> Result<()> {
        self.refused += usize::from(!grounded);
        let mut keys = Vec::with_capacity(citations.len());
        let mut overlaps = false;
        for citation in &citations {
            let span = Span { start: citation.start, end: citation.end };
            let revision = RevisionId(citation.revision_id);
            let stored = revisions::text_part(&app.db, scope, revision, span).await?;
            self.citations += 1;
            self.exact += usize::from(stored.is_some_and(|part| part.text == citation.quote));
            let whole = Span { start: 0, end: usize::MAX };
            let text = revisions::text_part(&app.db, scope, revision, whole).await?.map(|part| part.text);
            let document = documents::find(&app.db, scope, DocumentId(citation.document_id)).await?;
            let key = document.map(|document| document.key).unwrap_or_default();
            let right = judged.documents.contains(&key);
            keys.push(key);
            overlaps |= right && text.is_some_and(|text| holds(&text, span, &judged.quotes));
        }
        if judged.documents.is_empty() {
            self.unanswerable += 1;
            self.refused_rightly += usize::from(!grounded);
            if grounded {
                self.invented.push(judged.id.clone());
            }
            return Ok(());
        }
        self.answerable += 1;
        self.document += usize::from(keys.first().is_some_and(|key| judged.documents.contains(key)));
        self.quote += usize::from(overlaps);
        if !overlaps {
            self.missed.push(judged.id.clone());
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of questions are small")]
    fn figures(self, set: &Set, model: &str) -> AnswerFigures {
        let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        AnswerFigures {
            name: set.name.clone(),
            model: model.to_owned(),
            answerable: self.answerable,
            unanswerable: self.unanswerable,
            document: share(self.document, self.answerable),
            quote: share(self.quote, self.answerable),
            refusal_precision: share(self.refused_rightly, self.refused),
            refusal_recall: share(self.refused_rightly, self.unanswerable),
            exact: share(self.exact, self.citations),
            missed: self.missed,
            invented: self.invented,
        }
    }
}

/// Whether a range of a text overlaps one of the quotes, wherever those stand
/// in it. White space and punctuation do not count.
fn holds(text: &str, cited: Span, quotes: &[String]) -> bool {
    let words = words(text);
    quotes.iter().any(|quote| {
        let wanted: Vec<String> = self::words(quote).into_iter().map(|(word, _)| word).collect();
        if wanted.is_empty() {
            return false;
        }
        words.windows(wanted.len()).any(|window| {
            window.iter().zip(&wanted).all(|((word, _), wanted)| word == wanted)
                && window.iter().any(|(_, span)| span.overlaps(cited))
        })
    })
}

/// The words of a text in lower case, each with its range in code points.
fn words(text: &str) -> Vec<(String, Span)> {
    let mut words: Vec<(String, Span)> = Vec::new();
    let mut open = false;
    for (at, c) in text.chars().enumerate() {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        match words.last_mut().filter(|_| open) {
            Some((word, span)) => {
                word.extend(c.to_lowercase());
                span.end = at + 1;
            }
            None => words.push((c.to_lowercase().collect(), Span { start: at, end: at + 1 })),
        }
        open = true;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_found_whatever_stands_between_its_words() {
        let text = "The pump: holds\n4 bar – no more.";
        let quotes = ["holds 4 bar".to_owned()];
        assert!(holds(text, Span { start: 16, end: 17 }, &quotes));
        assert!(!holds(text, Span { start: 0, end: 8 }, &quotes));
        assert!(!holds(text, Span { start: 0, end: 30 }, &["5 bar".to_owned()]));
    }

    #[test]
    fn questions_are_picked_evenly() {
        let all: Vec<Judged> = (0..10)
            .map(|n| Judged { id: n.to_string(), question: String::new(), documents: vec![], quotes: vec![] })
            .collect();
        let ids = |limit| evenly(&all, limit).map(|judged| judged.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(3), ["0", "3", "6"]);
        assert_eq!(ids(99).len(), 10);
        assert!(ids(0).is_empty());
    }
}
