//! Where citations stand in an answer: the places of their markers, in code
//! points, and links to what they cite.

use axum::http::{HeaderMap, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::citations::{Citation, Shown, shown};

/// What may not stand in a host.
const HOST: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#').add(b'?').add(b'/').add(b'\\');

/// A marker in an answer's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark<'a> {
    /// First code point.
    pub(super) start: usize,
    /// One past the last code point.
    pub(super) end: usize,
    /// What it cites.
    pub(super) citation: &'a Citation,
}

/// The markers of citations in a text, in its order.
pub(super) fn marks<'a>(text: &str, citations: &'a [Citation]) -> Vec<Mark<'a>> {
    let mark = |Shown { n, range }: Shown| {
        let citation = citations.iter().find(|citation| citation.n == n)?;
        Some(Mark { start: range.start, end: range.end, citation })
    };
    shown(text, |_| 1).into_iter().filter_map(mark).collect()
}

/// A chat completion's annotation. These four keys and no more: typed clients
/// refuse others.
pub(super) fn url_citation(mark: &Mark<'_>, base: &str) -> Value {
    let Mark { start, end, citation } = mark;
    let about = json!({
        "url": link(base, citation), "title": citation.title, "start_index": start, "end_index": end,
    });
    json!({ "type": "url_citation", "url_citation": about })
}

/// Where the web page shows what is cited.
fn link(base: &str, citation: &Citation) -> String {
    let Citation { revision_id, start, end, .. } = citation;
    let page = citation.page.map(|page| format!("#page={page}")).unwrap_or_default();
    format!("{base}/s/{revision_id}?start={start}&end={end}{page}")
}

/// The service's address as the caller knows it.
pub(super) fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    let host = text(header::HOST.as_str()).unwrap_or("localhost");
    format!("{scheme}://{}", utf8_percent_encode(host, HOST))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::citations::Support;

    fn citation(n: u32, page: Option<u32>) -> Citation {
        Citation {
            n,
            document_id: Uuid::nil(),
            revision_id: Uuid::nil(),
            title: "Manual".into(),
            uri: None,
            page,
            start: 3,
            end: 9,
            quote: "4 bar.".into(),
            support: Support::Quoted,
            score: 1.0,
        }
    }

    fn places(text: &str) -> Vec<(usize, usize, u32)> {
        let citations = [citation(1, None), citation(12, None)];
        marks(text, &citations).iter().map(|mark| (mark.start, mark.end, mark.citation.n)).collect()
    }

    #[test]
    fn markers_are_found_where_they_stand_in_code_points() {
        assert_eq!(places("Zu viel Über\u{1f600}druck [1]. Again [1][12]."), [(19, 22, 1), (30, 33, 1), (33, 37, 12)]);
        assert!(places("Nobody cites [2], and `list[1]` is code.").is_empty());
    }

    #[test]
    fn a_link_leads_to_the_range_and_its_page() {
        let (with, without) = (citation(1, Some(3)), citation(1, None));
        let nil = Uuid::nil();
        assert_eq!(link("http://host", &with), format!("http://host/s/{nil}?start=3&end=9#page=3"));
        assert_eq!(link("http://host", &without), format!("http://host/s/{nil}?start=3&end=9"));
        let mark = Mark { start: 5, end: 8, citation: &without };
        let shown = url_citation(&mark, "http://host");
        assert_eq!(shown["url_citation"].as_object().map(serde_json::Map::len), Some(4));
    }

    #[test]
    fn the_address_is_the_caller_s() {
        let mut headers = HeaderMap::new();
        headers.insert("host", "docs.example:8080".parse().expect("a value"));
        assert_eq!(base(&headers), "http://docs.example:8080");
        headers.insert("x-forwarded-proto", "https".parse().expect("a value"));
        headers.insert("host", "a/b?c".parse().expect("a value"));
        assert_eq!(base(&headers), "https://a%2Fb%3Fc");
    }
}
