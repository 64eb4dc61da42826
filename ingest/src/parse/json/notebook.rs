//! Jupyter notebooks (nbformat 3 and 4): one Markdown text, the code between
//! fences. Of what the code gave, short plain text stays. Imports Markdown.

use serde::Deserialize;

use super::super::{ParseError, markdown};
use crate::document::Parsed;

/// Code points up to which the result of a cell stays.
const OUTPUT_POINTS: usize = 500;

#[derive(Deserialize)]
struct Notebook {
    #[serde(default)]
    cells: Vec<Cell>,
    /// Format 3 has its cells in these.
    #[serde(default)]
    worksheets: Vec<Worksheet>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    language_info: Option<LanguageInfo>,
}

#[derive(Deserialize)]
struct LanguageInfo {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "cell_type")]
    kind: String,
    source: Option<Lines>,
    /// The source of code in format 3.
    input: Option<Lines>,
    /// The level of a heading cell in format 3.
    level: Option<u8>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    /// What was printed.
    text: Option<Lines>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "text/plain")]
    plain: Option<Lines>,
}

/// Text in one string or in one for each line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Many(Vec<String>),
}

impl Lines {
    fn joined(&self) -> String {
        match self {
            Self::One(text) => text.clone(),
            Self::Many(lines) => lines.concat(),
        }
    }
}

/// Reads a notebook.
///
/// # Errors
/// [`ParseError::Broken`] with line and column.
pub(in super::super) fn parse(source: &str) -> Result<Parsed, ParseError> {
    let notebook: Notebook = serde_json::from_str(source)
        .map_err(|error| ParseError::Broken { format: "notebook".into(), problem: error.to_string() })?;
    let language = notebook.metadata.language_info.and_then(|info| info.name).unwrap_or_default();
    let language: String = language.chars().filter(|c| c.is_alphanumeric() || matches!(c, '+' | '#' | '-')).collect();
    let mut text = String::new();
    let sheets = notebook.worksheets.into_iter().flat_map(|sheet| sheet.cells);
    for cell in notebook.cells.into_iter().chain(sheets) {
        let Some(source) = cell.source.or(cell.input).map(|lines| lines.joined()) else { continue };
        match (cell.kind.as_str(), cell.level) {
            ("code", _) => {
                fenced(&mut text, &source, &language);
                for output in &cell.outputs {
                    let plain = output.text.as_ref().or(output.data.as_ref().and_then(|data| data.plain.as_ref()));
                    if let Some(plain) =
                        plain.map(Lines::joined).filter(|plain| plain.chars().nth(OUTPUT_POINTS).is_none())
                    {
                        fenced(&mut text, &plain, "");
                    }
                }
            }
            ("heading", level) => {
                let level = usize::from(level.unwrap_or(1).clamp(1, 6));
                text.extend(["#".repeat(level).as_str(), " ", &source.replace('\n', " "), "\n\n"]);
            }
            _ => {
                text.push_str(&source);
                text.push_str("\n\n");
            }
        }
    }
    Ok(markdown::parse(&text))
}

/// Appends a block of code; its fence is longer than any within.
fn fenced(text: &mut String, code: &str, language: &str) {
    if code.trim().is_empty() {
        return;
    }
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    text.extend([&fence, language, "\n", code.trim_end_matches('\n'), "\n", &fence, "\n\n"]);
}
