//! What of a page is left out, which part of it is its own text, and which
//! tables hold data. Imports nothing of the crate.

use std::collections::HashSet;

use scraper::node::Element;
use scraper::{Html, Node};

use super::{Step, walk};

/// Characters in a cell from which on the table is taken for a layout.
const CELL_TEXT: usize = 1000;

/// How much is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Strictness {
    /// All that surrounds the page's own text.
    #[default]
    Readable,
    /// Only what no browser shows as text.
    Everything,
}

/// What the first pass finds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The page's own title.
    pub(super) title: Option<String>,
    /// Elements that are left out, with all in them, by their place in the walk.
    pub(super) skipped: HashSet<usize>,
    /// The element that holds most of the text, if one is meant to.
    pub(super) root: Option<usize>,
    /// Tables whose rows are written as rows.
    pub(super) data_tables: HashSet<usize>,
}

/// Walks over the page once.
pub(super) fn survey(page: &Html, strictness: Strictness) -> Survey {
    let mut surveyor = Surveyor { strictness, ..Surveyor::default() };
    walk(page, |step, id, node| match (step, node) {
        (Step::Close, _) if surveyor.skipping == Some(id) => surveyor.skipping = None,
        (Step::Open, Node::Text(text)) if surveyor.skipping.is_some() => surveyor.title_text(text),
        _ if surveyor.skipping.is_some() => {}
        (Step::Open, Node::Text(text)) => surveyor.letters += letters(text),
        (Step::Open, Node::Element(element)) => surveyor.open(id, element),
        (Step::Close, Node::Element(element)) => surveyor.close(id, element),
        // A template's content, which nobody sees.
        (Step::Open, Node::Fragment) => surveyor.skip(id),
        _ => {}
    });
    surveyor.finish()
}

/// Whether an element has a part of its own in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Main,
    Article,
    /// Around the text of a page, but a part of an article's text.
    Header,
    /// Around the text everywhere.
    Around,
    Form,
    /// Never text.
    Unread,
    Other,
}

#[derive(Debug)]
struct OpenTable {
    id: usize,
    is_layout: bool,
    /// Filled cells of the row that is open.
    filled: usize,
    /// Whether a row has more than one of them.
    has_columns: bool,
}

#[derive(Debug, Default)]
struct Surveyor {
    strictness: Strictness,
    found: Survey,
    skipping: Option<usize>,
    in_title: Option<usize>,
    /// Letters that are kept so far.
    letters: usize,
    /// Where the open elements with a part of their own started, in letters.
    parts: Vec<(usize, Part, usize)>,
    /// Open elements that hold text of the page itself.
    within: usize,
    tables: Vec<OpenTable>,
    cells: Vec<usize>,
    /// The largest of each kind: main, article.
    mains: [Option<(usize, usize)>; 2],
    forms: Vec<(usize, usize)>,
}

impl Surveyor {
    fn skip(&mut self, id: usize) {
        self.found.skipped.insert(id);
        self.skipping = Some(id);
    }

    /// Adds to the title, if that is what is left out here.
    fn title_text(&mut self, text: &str) {
        if self.in_title.is_some() && self.in_title == self.skipping {
            self.found.title.get_or_insert_default().push_str(text);
        }
    }

    fn open(&mut self, id: usize, element: &Element) {
        if element.name() == "title" && self.in_title.is_none() {
            self.in_title = Some(id);
        }
        let part = part(element);
        let is_left_out = match part {
            Part::Unread => true,
            _ if self.strictness == Strictness::Everything => false,
            Part::Around => true,
            Part::Header => self.within == 0,
            _ => is_hidden(element),
        };
        if is_left_out {
            self.skip(id);
            return;
        }
        if matches!(part, Part::Main | Part::Article | Part::Form) {
            self.parts.push((id, part, self.letters));
            self.within += usize::from(part != Part::Form);
        }
        match element.name() {
            "table" => {
                self.mark_layout();
                let is_layout = matches!(element.attr("role"), Some("presentation" | "none"));
                self.tables.push(OpenTable { id, is_layout, filled: 0, has_columns: false });
            }
            "td" | "th" => self.cells.push(self.letters),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" | "main" | "article" | "section" => self.mark_layout(),
            _ => {}
        }
    }

    fn close(&mut self, id: usize, element: &Element) {
        if self.parts.last().is_some_and(|(open, ..)| *open == id)
            && let Some((_, part, before)) = self.parts.pop()
        {
            let letters = self.letters - before;
            if part == Part::Form {
                self.forms.push((id, letters));
            } else {
                self.within -= 1;
                let largest = &mut self.mains[usize::from(part == Part::Article)];
                if largest.is_none_or(|(other, _)| other < letters) {
                    *largest = Some((letters, id));
                }
            }
        }
        match element.name() {
            "td" | "th" => {
                let letters = self.cells.pop().map_or(0, |before| self.letters - before);
                if let Some(table) = self.tables.last_mut() {
                    table.is_layout |= letters > CELL_TEXT;
                    table.filled += usize::from(letters > 0);
                    table.has_columns |= table.filled > 1;
                }
            }
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.filled = 0;
                }
            }
            "table" => {
                let table = self.tables.pop_if(|table| table.id == id);
                if table.is_some_and(|table| table.has_columns && !table.is_layout) {
                    self.found.data_tables.insert(id);
                }
            }
            _ => {}
        }
    }

    /// The innermost open table is no table of data.
    fn mark_layout(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.is_layout = true;
        }
    }

    fn finish(mut self) -> Survey {
        self.found.title = self.found.title.map(|title| super::folded(&title)).filter(|title| !title.is_empty());
        if self.strictness == Strictness::Readable {
            let most = |letters: usize| letters > 0 && letters * 2 >= self.letters;
            self.found.root = self.mains.into_iter().flatten().find(|(letters, _)| most(*letters)).map(|(_, id)| id);
            // Some frameworks put the whole page into a form.
            let small = self.forms.iter().filter(|(_, letters)| !most(*letters)).map(|(id, _)| *id);
            self.found.skipped.extend(small);
        }
        self.found
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

fn part(element: &Element) -> Part {
    match element.name() {
        "script" | "style" | "noscript" | "template" | "svg" | "title" | "iframe" | "object" | "embed" | "canvas"
        | "audio" | "video" | "map" | "select" | "datalist" | "textarea" | "button" | "input" | "annotation"
        | "annotation-xml" | "noframes" => return Part::Unread,
        "nav" | "footer" | "aside" => return Part::Around,
        "header" => return Part::Header,
        "form" => return Part::Form,
        "main" => return Part::Main,
        "article" => return Part::Article,
        _ => {}
    }
    match element.attr("role") {
        Some("main") => Part::Main,
        Some("article") => Part::Article,
        Some("banner") => Part::Header,
        Some("navigation" | "contentinfo" | "complementary" | "search") => Part::Around,
        _ => Part::Other,
    }
}

fn is_hidden(element: &Element) -> bool {
    if element.attr("hidden").is_some_and(|value| !value.eq_ignore_ascii_case("until-found")) {
        return true;
    }
    // Pictures and anchors; on a block it often only says that a dialog is open.
    let is_inline = matches!(element.name(), "a" | "span" | "i" | "b" | "em" | "small" | "sup" | "sub");
    if is_inline && element.attr("aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return true;
    }
    if element.name() == "dialog" && element.attr("open").is_none() {
        return true;
    }
    element.attr("style").is_some_and(|style| {
        style.split(';').any(|rule| {
            let Some((name, value)) = rule.split_once(':') else { return false };
            let (name, value) = (name.trim(), value.trim().trim_end_matches("!important").trim_end());
            (name.eq_ignore_ascii_case("display") && value.eq_ignore_ascii_case("none"))
                || (name.eq_ignore_ascii_case("visibility") && value.eq_ignore_ascii_case("hidden"))
        })
    })
}
