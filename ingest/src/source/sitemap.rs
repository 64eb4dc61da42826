//! Sitemaps: the pages that a site says it has, by the protocol of
//! sitemaps.org 0.9. Imports `fetch`.

use std::collections::{HashSet, VecDeque};

use quick_xml::Reader;
use quick_xml::events::Event;
use reqwest::Url;

use super::fetch::{FetchError, Fetcher, Outcome};

#[cfg(test)]
mod tests;

/// The most pages that are taken of one sitemap and all below it; the protocol
/// allows one file as many.
pub const MAX_PAGES: usize = 50_000;
/// The most files that are fetched for one sitemap.
pub const MAX_FILES: usize = 500;

/// A page that a sitemap names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// Its address.
    pub url: String,
    /// When it was last changed, as the site writes it (W3C date and time).
    pub lastmod: Option<String>,
}

/// One file of a sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemap {
    /// Pages: `<urlset>`, or lines of text.
    Pages(Vec<Page>),
    /// Further sitemaps: `<sitemapindex>`.
    Index(Vec<Page>),
}

/// What a sitemap came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// Pages in the order of the sitemap, each once.
    pub pages: Vec<Page>,
    /// How many were left out: of another host, no URL, or over [`MAX_PAGES`].
    pub left_out: usize,
    /// Sitemaps of an index that could not be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Why there are no pages.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SitemapError {
    /// It could not be fetched.
    #[error("the sitemap cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// It was fetched, and is none.
    #[error("this is no sitemap: {0}")]
    Malformed(String),
}

/// Whether bytes look like a sitemap in XML, whatever their address says.
#[must_use]
pub fn is_sitemap(bytes: &[u8]) -> bool {
    matches!(root(bytes).as_deref(), Some("urlset" | "sitemapindex"))
}

/// Reads one file. No entity is expanded but the five of XML itself.
///
/// # Errors
/// [`SitemapError::Malformed`] for what is neither.
pub fn parse(bytes: &[u8]) -> Result<Sitemap, SitemapError> {
    if bytes.starts_with(b"\x1f\x8b") {
        return Err(SitemapError::Malformed("it is compressed; give the address of the plain one".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SitemapError::Malformed("it is not in UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match root(bytes).as_deref() {
        Some("urlset") => entries(text, "url").map(Sitemap::Pages),
        Some("sitemapindex") => entries(text, "sitemap").map(Sitemap::Index),
        Some(other) => {
            let name: String = other.chars().take(40).collect();
            Err(SitemapError::Malformed(format!("it begins with `<{name}>`, not `<urlset>` or `<sitemapindex>`")))
        }
        None => lines(text).map(Sitemap::Pages),
    }
}

/// The name of the outermost element, without its prefix.
fn root(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The root comes before whatever is broken further on.
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('<') {
        return None;
    }
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => return Some(start.local_name().as_ref().to_owned()),
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// `<loc>` and `<lastmod>` right below each element of a name. Those of
/// extensions lie deeper.
fn entries(text: &str, name: &str) -> Result<Vec<Page>, SitemapError> {
    let broken = |error: &dyn std::fmt::Display| SitemapError::Malformed(format!("its XML is broken ({error})"));
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let (mut url, mut lastmod, mut found) = (String::new(), String::new(), Vec::new());
    loop {
        let event = reader.read_event().map_err(|error| broken(&error))?;
        // The field of the entry that text belongs to, if any.
        let field = match path.as_slice() {
            [_, entry, field] if entry == name => match field.as_str() {
                "loc" => Some(&mut url),
                "lastmod" => Some(&mut lastmod),
                _ => None,
            },
            _ => None,
        };
        match event {
            Event::Empty(_) if path.is_empty() => return Ok(found),
            Event::Start(start) => path.push(start.local_name().as_ref().to_owned()),
            Event::End(_) => {
                let ended = path.pop();
                if path.len() == 1 && ended.as_deref() == Some(name) {
                    let entry = (std::mem::take(&mut url), std::mem::take(&mut lastmod));
                    found.extend(page(&entry.0, &entry.1));
                }
                if path.is_empty() {
                    return Ok(found);
                }
            }
            Event::Text(part) => field.into_iter().for_each(|field| field.push_str(&part)),
            Event::CData(part) => field.into_iter().for_each(|field| field.push_str(&part)),
            Event::GeneralRef(reference) => {
                let named = quick_xml::escape::resolve_predefined_entity(&reference).map(str::to_owned);
                let meant = named.or_else(|| reference.resolve_char_ref().ok().flatten().map(String::from));
                // An entity of the file's own is left out, not expanded.
                if let Some(field) = field {
                    field.push_str(meant.as_deref().unwrap_or_default());
                }
            }
            Event::Eof => return Err(broken(&"it ends in the middle")),
            _ => {}
        }
        if found.len() > MAX_PAGES {
            return Ok(found);
        }
    }
}

fn page(url: &str, lastmod: &str) -> Option<Page> {
    let (url, lastmod) = (url.trim(), lastmod.trim());
    let lastmod = (!lastmod.is_empty() && lastmod.len() <= 64).then(|| lastmod.to_owned());
    (!url.is_empty()).then(|| Page { url: url.to_owned(), lastmod })
}

/// A sitemap as text: one address a line.
fn lines(text: &str) -> Result<Vec<Page>, SitemapError> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(MAX_PAGES + 1).collect();
    let are_urls = lines.iter().all(|line| line.starts_with("http://") || line.starts_with("https://"));
    if lines.is_empty() || !are_urls {
        return Err(SitemapError::Malformed("neither XML nor one URL a line".to_owned()));
    }
    Ok(lines.into_iter().filter_map(|line| page(line, "")).collect())
}

/// All pages that a sitemap names, those of the sitemaps in an index included.
/// Only pages of the sitemap's own host count, and an index leads to no other
/// index.
///
/// # Errors
/// [`SitemapError`] if the sitemap that was named cannot be read; those it leads
/// to are told in [`Pages::unreadable`].
pub async fn pages(fetcher: &Fetcher, url: &str) -> Result<Pages, SitemapError> {
    let (host, first) = fetch(fetcher, url).await?;
    let mut all = Pages::default();
    let mut seen = HashSet::new();
    let mut is_over = false;
    let mut further = match first {
        Sitemap::Pages(pages) => {
            is_over |= take(&mut all, &mut seen, &host, pages);
            VecDeque::new()
        }
        Sitemap::Index(sitemaps) => VecDeque::from(own(&mut all, &host, sitemaps)),
    };
    let over = further.len().saturating_sub(MAX_FILES);
    further.truncate(MAX_FILES);
    if over > 0 {
        let reason =
            format!("it names {over} sitemaps more than the {MAX_FILES} that are fetched; give some by themselves");
        all.unreadable.push((url.to_owned(), reason));
    }
    while !is_over && let Some(sitemap) = further.pop_front() {
        match fetch(fetcher, &sitemap.url).await {
            Ok((at, Sitemap::Pages(pages))) if at == host => is_over |= take(&mut all, &mut seen, &host, pages),
            Ok((_, Sitemap::Pages(_))) => all.unreadable.push((sitemap.url, "it redirects to another host".to_owned())),
            Ok((_, Sitemap::Index(_))) => {
                let reason = "an index inside an index is not followed; give it by itself".to_owned();
                all.unreadable.push((sitemap.url, reason));
            }
            Err(error) => all.unreadable.push((sitemap.url, error.to_string())),
        }
    }
    // What was not taken is not gone.
    if is_over {
        let reason = format!("it names more than {MAX_PAGES} pages; give the sitemaps that it names by themselves");
        all.unreadable.push((url.to_owned(), reason));
    }
    if all.pages.is_empty() && all.left_out > 0 {
        let reason = format!(
            "none of the {} addresses that it names is of its own host, `{}`; give the sitemap of their host",
            all.left_out, host.0
        );
        all.unreadable.push((url.to_owned(), reason));
    }
    Ok(all)
}

/// A sitemap and the host it came from.
async fn fetch(fetcher: &Fetcher, url: &str) -> Result<(Host, Sitemap), SitemapError> {
    let Outcome::Fetched(fetched) = fetcher.get(url, None).await? else {
        return Err(SitemapError::Malformed("the site sent nothing".to_owned()));
    };
    let host = host(&fetched.final_url).ok_or(FetchError::Malformed)?;
    Ok((host, parse(&fetched.bytes)?))
}

/// A host's name and its port, where that is not the scheme's own: `http` and
/// `https` of one site count as the same.
type Host = (String, Option<u16>);

fn host(url: &str) -> Option<Host> {
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.trim_end_matches('.').to_owned(), url.port()))
}

/// Entries of the host, the others counted as left out.
fn own(all: &mut Pages, own: &Host, entries: Vec<Page>) -> Vec<Page> {
    let before = entries.len();
    let is_own = |page: &Page| host(&page.url).as_ref() == Some(own);
    let kept: Vec<Page> = entries.into_iter().filter(is_own).collect();
    all.left_out += before - kept.len();
    kept
}

/// Whether there were more than [`MAX_PAGES`].
fn take(all: &mut Pages, seen: &mut HashSet<String>, host: &Host, pages: Vec<Page>) -> bool {
    // A file is not read any further than that.
    let mut is_over = pages.len() > MAX_PAGES;
    for page in own(all, host, pages) {
        if seen.contains(&page.url) {
            continue;
        }
        if all.pages.len() >= MAX_PAGES {
            all.left_out += 1;
            is_over = true;
        } else if seen.insert(page.url.clone()) {
            all.pages.push(page);
        }
    }
    is_over
}
