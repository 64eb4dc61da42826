//! Sets of questions: the folders that `eval` reads.
//!
//! Either `corpus.jsonl` `{id, title, text}`, `queries.jsonl` `{id, text}`,
//! `qrels.tsv` and perhaps `answers.jsonl`; or a folder `kb` of documents and
//! `golden.jsonl` `{id, question, document, quote, answer}`, where a question
//! without a document cannot be answered.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use footnote_ingest::source::walk;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A set of questions over documents.
#[derive(Debug)]
pub struct Set {
    /// The folder's name.
    pub name: String,
    /// What is searched.
    pub documents: Vec<Document>,
    /// Ids and texts of questions.
    pub queries: Vec<(String, String)>,
    /// For each question the documents that are relevant, and how much.
    pub judged: HashMap<String, HashMap<String, f64>>,
    /// Questions whose answers are known.
    pub answers: Vec<Judged>,
}

/// A document of a set.
#[derive(Debug)]
pub struct Document {
    /// Its id, which becomes its key.
    pub id: String,
    /// Its title, where it is not in the text.
    pub title: Option<String>,
    /// What it is.
    pub media_type: Option<&'static str>,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A question whose answer is known.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Its id.
    pub id: String,
    /// The question.
    pub question: String,
    /// Documents that hold the answer; none if it cannot be answered.
    pub documents: Vec<String>,
    /// Words of the documents that hold the answer; one of them is enough.
    pub quotes: Vec<String>,
}

#[derive(Deserialize)]
struct CorpusLine {
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

#[derive(Deserialize)]
struct QueryLine {
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct AnswerLine {
    id: String,
    doc: String,
    is_impossible: bool,
    answers: Vec<AnswerText>,
}

#[derive(Deserialize)]
struct AnswerText {
    text: String,
}

#[derive(Deserialize)]
struct GoldenLine {
    id: String,
    question: String,
    document: Option<String>,
    quote: Option<String>,
    /// Documents that hold the answer too.
    #[serde(default)]
    also: Vec<String>,
}

impl Set {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the file and line that is missing or wrong.
    pub fn load(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().map_err(|error| wrong(folder, error))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if folder.join("golden.jsonl").exists() { golden(&folder, name) } else { judged(&folder, name) }
    }
}

fn judged(folder: &Path, name: String) -> Result<Set> {
    let corpus: Vec<CorpusLine> = lines(&folder.join("corpus.jsonl"))?;
    let queries: Vec<QueryLine> = lines(&folder.join("queries.jsonl"))?;
    let answers_file = folder.join("answers.jsonl");
    let answers: Vec<AnswerLine> = if answers_file.exists() { lines(&answers_file)? } else { Vec::new() };
    let queries: Vec<(String, String)> = queries.into_iter().map(|line| (line.id, line.text)).collect();
    let texts: HashMap<&str, &str> = queries.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    let answers = answers.into_iter().filter_map(|line| {
        let question = (*texts.get(line.id.as_str())?).to_owned();
        let documents = if line.is_impossible { vec![] } else { vec![line.doc] };
        let quotes = line.answers.into_iter().map(|answer| answer.text).collect();
        Some(Judged { id: line.id, question, documents, quotes })
    });
    Ok(Set {
        name,
        judged: relevance(&folder.join("qrels.tsv"))?,
        answers: answers.collect(),
        queries,
        documents: corpus
            .into_iter()
            .map(|line| Document {
                id: line.id,
                title: Some(line.title).filter(|title| !title.is_empty()),
                media_type: Some("text/plain"),
                bytes: line.text.into_bytes(),
            })
            .collect(),
    })
}

fn golden(folder: &Path, name: String) -> Result<Set> {
    let kb = folder.join("kb");
    let golden: Vec<GoldenLine> = lines(&folder.join("golden.jsonl"))?;
    let found = walk::discover(&[kb.display().to_string()], &walk::Selection::default())?;
    let documents: Result<Vec<Document>> = found
        .files
        .into_iter()
        .map(|file| {
            let bytes = std::fs::read(&file.path).map_err(|error| wrong(&file.path, error))?;
            Ok(Document { id: file.key, title: None, media_type: None, bytes })
        })
        .collect();
    let answers: Vec<Judged> = golden
        .into_iter()
        .map(|line| Judged {
            id: line.id,
            question: line.question,
            documents: line.document.into_iter().chain(line.also).collect(),
            quotes: line.quote.into_iter().collect(),
        })
        .collect();
    let answerable = || answers.iter().filter(|answer| !answer.documents.is_empty());
    Ok(Set {
        name,
        documents: documents?,
        queries: answerable().map(|answer| (answer.id.clone(), answer.question.clone())).collect(),
        judged: answerable()
            .map(|answer| {
                let relevant = answer.documents.iter().map(|document| (document.clone(), 1.0));
                (answer.id.clone(), relevant.collect())
            })
            .collect(),
        answers,
    })
}

fn relevance(file: &Path) -> Result<HashMap<String, HashMap<String, f64>>> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, error))?;
    let mut judged: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for (number, line) in (1..).zip(text.lines()).skip(1).filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [query, document, score] = fields[..] else {
            return Err(wrong(file, format!("line {number} has not three columns")));
        };
        let score = score.trim().parse().map_err(|error| wrong(file, format!("line {number}: {error}")))?;
        judged.entry(query.to_owned()).or_default().insert(document.to_owned(), score);
    }
    Ok(judged)
}

fn lines<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, error))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| wrong(file, format!("line {number}: {error}")))
    };
    lines.map(parse).collect()
}

fn wrong(file: &Path, problem: impl Display) -> Error {
    Error::Invalid { field: "DIR", problem: format!("`{}` cannot be used: {problem}", file.display()) }
}
