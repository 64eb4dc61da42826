//! What the library finds in a file. Only this file, [`images`], [`pieces`] and
//! [`glyphs`] know its types. Imports the errors, the layout and what runs from
//! right to left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use pdf_oxide::extractors::text::{ArtifactType, PaginationSubtype};
use pdf_oxide::layout::{TextChar, TextSpan};
use pdf_oxide::optional_content::decode_pdf_text_string;
use pdf_oxide::{Error, PdfDocument};

use super::super::{ParseError, canonical};
use super::images::{self, Scan};
use super::layout::{self, Run, Segment};
use super::{bidi, glyphs, pieces};

/// Longest title that is taken for one, in characters.
const TITLE_CHARACTERS: usize = 300;

/// What stands on a page.
pub(super) enum Content {
    /// Segments by base line, and runs that stand across the page.
    Rows { rows: Vec<Vec<Segment>>, aside: Vec<String> },
    /// Lines as the library orders them, for scripts that run downwards.
    Lines(Vec<String>),
}

impl Content {
    /// Letters and digits on the page.
    pub(super) fn letters(&self) -> usize {
        let count = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        match self {
            Self::Rows { rows, aside } => {
                rows.iter().flatten().map(|segment| count(&segment.text)).sum::<usize>()
                    + aside.iter().map(|text| count(text)).sum::<usize>()
            }
            Self::Lines(lines) => lines.iter().map(|line| count(line)).sum(),
        }
    }
}

/// Where the mark of a file's end has to be, counted from its last byte; some
/// senders add to a file.
const END_WITHIN: usize = 64 * 1024;

/// An open file.
pub(super) struct Document {
    file: PdfDocument,
    pages: usize,
}

/// Pages that a file has at most.
const MOST_PAGES: usize = 10_000;
/// Time that the pages of a file may take, all together.
const MOST_TIME: Duration = Duration::from_mins(3);
/// Stack for the library, in bytes: it follows what is nested by recursion.
const STACK: usize = 64 * 1024 * 1024;

/// Calls what calls the library, on a thread with more stack than others.
pub(super) fn with_stack<T: Send>(call: impl FnOnce() -> Result<T, ParseError> + Send) -> Result<T, ParseError> {
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, call) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(refusal(&Failure::Panic))),
        Err(_) => Err(broken("there is no memory left to read it")),
    })
}

/// Opens a file.
pub(super) fn open(bytes: &[u8]) -> Result<Document, ParseError> {
    // The library repairs what was cut off; what is missing would go unnoticed.
    let tail = &bytes[bytes.len().saturating_sub(END_WITHIN)..];
    if !tail.windows(5).any(|window| window == b"%%EOF") {
        return Err(broken("its end is missing, it was cut off"));
    }
    let file = contained(|| PdfDocument::from_bytes(bytes.to_vec())).map_err(|failure| refusal(&failure))?;
    if !is_readable(&file) {
        return Err(ParseError::Encrypted { format: "PDF".into() });
    }
    let pages = contained(|| file.page_count()).map_err(|failure| refusal(&failure))?;
    if pages == 0 {
        return Err(broken("it has no pages"));
    }
    if pages > MOST_PAGES {
        return Err(broken("it has more than 10,000 pages, which are for several files"));
    }
    Ok(Document { file, pages })
}

impl Document {
    /// All pages; one that could not be read is empty.
    pub(super) fn pages(&self) -> Result<Vec<Content>, ParseError> {
        let mut pages = Vec::with_capacity(self.pages);
        let mut failed = 0;
        let start = Instant::now();
        for index in 0..self.pages {
            if start.elapsed() > MOST_TIME {
                return Err(broken("its pages take far too long to read"));
            }
            match page(&self.file, index) {
                Ok(content) => pages.push(content),
                Err(Failure::Library(Error::EncryptedPdf)) => {
                    return Err(ParseError::Encrypted { format: "PDF".into() });
                }
                Err(failure) => {
                    tracing::warn!(page = index + 1, problem = failure.describe(), "a PDF page was skipped");
                    failed += 1;
                    pages.push(Content::Lines(Vec::new()));
                }
            }
        }
        if failed == self.pages { Err(broken("none of its pages can be read")) } else { Ok(pages) }
    }

    /// The title that the document information gives, if a person wrote it.
    pub(super) fn title(&self) -> Option<String> {
        contained(|| Ok(title(&self.file))).unwrap_or_default()
    }

    /// The picture that a scanned page is, if it is one. Pages count from 0.
    pub(super) fn scan(&self, index: usize) -> Option<Scan> {
        contained(|| images::scan(&self.file, index)).unwrap_or_default()
    }

    /// Whether a page has such a picture. Pages count from 0.
    pub(super) fn is_scan(&self, index: usize) -> bool {
        contained(|| images::is_scan(&self.file, index)).unwrap_or_default()
    }
}

/// Why the library gave nothing.
pub(super) enum Failure {
    Library(Error),
    Panic,
}

impl Failure {
    fn describe(&self) -> String {
        match self {
            Self::Library(error) => error.to_string(),
            Self::Panic => "the reader gave up on it".to_owned(),
        }
    }
}

/// Calls the library; a panic in it is an error as any other. What it leaves
/// behind is not read but through its own locks, which recover.
pub(super) fn contained<T>(call: impl FnOnce() -> pdf_oxide::Result<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Failure::Library),
        Err(_) => Err(Failure::Panic),
    }
}

fn refusal(failure: &Failure) -> ParseError {
    match failure {
        Failure::Library(Error::EncryptedPdf) => ParseError::Encrypted { format: "PDF".into() },
        Failure::Library(Error::InvalidHeader(_)) => broken("it does not start as a PDF does"),
        Failure::Library(Error::InvalidXref) => broken("its table of objects is damaged"),
        Failure::Library(Error::UnexpectedEof) => broken("it ends too early"),
        Failure::Library(_) => broken("its structure cannot be read"),
        Failure::Panic => broken("its structure makes the reader fail"),
    }
}

fn broken(problem: &str) -> ParseError {
    ParseError::Broken { format: "PDF".into(), problem: problem.to_owned() }
}

/// Whether no password is needed: many files have an empty one.
fn is_readable(document: &PdfDocument) -> bool {
    let readable = contained(|| Ok(document.is_authenticated())).unwrap_or(false);
    readable || contained(|| document.authenticate(b"")).unwrap_or(false)
}

fn page(document: &PdfDocument, index: usize) -> Result<Content, Failure> {
    let spans = contained(|| document.extract_spans(index))?;
    if bidi::is_page(spans.iter().map(|span| span.text.as_str())) {
        return Ok(from_the_right(document, index, spans));
    }
    if let Some(content) = by_glyphs(document, index, &spans) {
        return Ok(content);
    }
    let spans = pieces::unglued(document, index, spans);
    if spans.is_empty() || runs_otherwise(&spans) {
        let text = contained(|| document.extract_text(index))?;
        return Ok(Content::Lines(text.lines().map(str::to_owned).collect()));
    }
    let (runs, aside) = upright(spans);
    Ok(Content::Rows { rows: layout::rows(runs), aside })
}

/// A page that is read from the right: its rows stand mirrored.
fn from_the_right(document: &PdfDocument, index: usize, spans: Vec<TextSpan>) -> Content {
    let aside =
        spans.iter().filter(|span| is_turned(span) && !is_marginal(span)).map(|span| span.text.clone()).collect();
    let (runs, _) = upright(pieces::unmerged(document, index, spans));
    Content::Rows { rows: layout::rows(bidi::runs(runs)), aside }
}

/// A page whose spans lost letters that its glyphs have.
fn by_glyphs(document: &PdfDocument, index: usize, spans: &[TextSpan]) -> Option<Content> {
    if spans.iter().any(|span| span.wmode == 1) {
        return None;
    }
    let glyphs = glyphs::lost(document, index, spans)?;
    let marginal: Vec<_> = spans.iter().filter(|span| is_marginal(span)).collect();
    let is_shown = |glyph: &TextChar| !marginal.iter().any(|span| pieces::holds(span, glyph));
    let (mut runs, turned) = glyphs::runs(glyphs.into_iter().filter(is_shown).collect());
    runs.extend(spans.iter().filter(|span| pieces::is_field(span)).cloned().map(run));
    let lines = turned.into_iter().flat_map(|runs| layout::lines(layout::rows(runs)));
    let text = |line: layout::Line| line.cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" ");
    Some(Content::Rows { rows: layout::rows(runs), aside: lines.map(text).collect() })
}

/// The runs of what is upright, and the texts of what is not.
fn upright(spans: Vec<TextSpan>) -> (Vec<Run>, Vec<String>) {
    let (mut runs, mut aside) = (Vec::new(), Vec::new());
    for span in spans.into_iter().filter(|span| !is_marginal(span)) {
        if is_turned(&span) {
            aside.push(span.text);
        } else {
            runs.push(run(span));
        }
    }
    (runs, aside)
}

/// A span as the layout knows it.
fn run(span: TextSpan) -> Run {
    Run {
        x: [span.bbox.x, span.bbox.x + span.bbox.width],
        y: span.bbox.y,
        size: span.font_size.abs(),
        is_mono: span.is_monospace,
        is_bold: span.font_weight.is_bold(),
        text: span.text,
    }
}

/// Whether the file itself says so. `Other` is also what the library guesses,
/// but only from the second page on; what repeats is found for all pages alike.
pub(super) fn is_marginal(span: &TextSpan) -> bool {
    matches!(&span.artifact_type, Some(ArtifactType::Pagination(kind)) if *kind != PaginationSubtype::Other)
}

fn is_turned(span: &TextSpan) -> bool {
    span.rotation_degrees.abs() > 10.0
}

/// Whether most of a page is turned, or a good part runs downwards.
fn runs_otherwise(spans: &[TextSpan]) -> bool {
    let (mut all, mut turned, mut other) = (0, 0, 0);
    for span in spans {
        let letters = span.text.len();
        all += letters;
        turned += if is_turned(span) { letters } else { 0 };
        other += if span.wmode == 1 { letters } else { 0 };
    }
    turned * 2 > all || other * 5 > all
}

fn title(document: &PdfDocument) -> Option<String> {
    let info = document.resolve_object(document.trailer().as_dict()?.get("Info")?).ok()?;
    let value = document.resolve_object(info.as_dict()?.get("Title")?).ok()?;
    let title = canonical::folded(&decode_pdf_text_string(value.as_string()?));
    is_sensible(&title).then_some(title)
}

/// Programs write file names and words such as `untitled`.
fn is_sensible(title: &str) -> bool {
    let lower = title.to_lowercase();
    let generated = [
        "untitled",
        "anonymous",
        "unknown",
        "microsoft word",
        "microsoft powerpoint",
        "powerpoint presentation",
        "slide 1",
        "document",
        "title",
    ];
    let endings = [
        "doc", "docx", "dot", "rtf", "odt", "pdf", "tex", "dvi", "ps", "indd", "qxd", "ppt", "pptx", "xls", "xlsx",
        "html", "htm", "txt", "ai", "cdr", "pmd", "p65", "fm",
    ];
    let is_generated = generated.iter().any(|words| {
        lower
            .trim_start_matches(|c: char| !c.is_alphanumeric())
            .strip_prefix(words)
            .is_some_and(|rest| rest.trim_matches(|c: char| !c.is_alphabetic()).is_empty())
            || (words.starts_with("microsoft") && lower.starts_with(words))
    });
    let is_file = lower.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending)) || lower.contains('\\');
    let letters = title.chars().filter(|c| c.is_alphabetic()).count();
    !is_generated
        && !is_file
        && letters >= 3
        && title.chars().count() <= TITLE_CHARACTERS
        && !title.contains('\u{fffd}')
}
