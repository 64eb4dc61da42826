use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use futures::future::BoxFuture;

use super::super::fetch::{FetchConfig, Lookup};
use super::*;

fn urls(sitemap: &Sitemap) -> Vec<&str> {
    let (Sitemap::Pages(pages) | Sitemap::Index(pages)) = sitemap;
    pages.iter().map(|page| page.url.as_str()).collect()
}

#[test]
fn pages_and_their_dates_are_read_and_those_of_extensions_are_not() {
    let text = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made -->\n\
        <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:image=\"http://example.com/i\">\n\
        <url><loc> https://e.example/a?x=1&amp;y=2 </loc><lastmod>2024-05-01</lastmod>\
        <image:image><image:loc>https://e.example/i.png</image:loc></image:image></url>\n\
        <url><loc><![CDATA[https://e.example/b&c]]></loc></url><url><lastmod>2024</lastmod></url>\
        <url><loc>https://e.example/&#100;</loc></url></urlset>";
    let read = parse(text.as_bytes()).expect("a sitemap");
    assert_eq!(urls(&read), ["https://e.example/a?x=1&y=2", "https://e.example/b&c", "https://e.example/d"]);
    let Sitemap::Pages(pages) = read else { panic!("an index") };
    assert_eq!((pages[0].lastmod.as_deref(), &pages[1].lastmod), (Some("2024-05-01"), &None));
}

#[test]
fn an_index_with_prefixed_names_is_one() {
    let text = "<s:sitemapindex xmlns:s=\"x\"><s:sitemap><s:loc>https://e.example/1.xml</s:loc></s:sitemap>\
        </s:sitemapindex>";
    let read = parse(text.as_bytes()).expect("a sitemap");
    assert!(matches!(read, Sitemap::Index(_)));
    assert_eq!(urls(&read), ["https://e.example/1.xml"]);
}

#[test]
fn lines_of_urls_are_a_sitemap_and_other_text_is_none() {
    let read = parse(b"https://e.example/a\r\n\n http://e.example/b \n").expect("a sitemap");
    assert_eq!(urls(&read), ["https://e.example/a", "http://e.example/b"]);
    for text in
        ["", "\n", "hello", "https://e.example/a\nhello", "<html><body/></html>", "<", "<urlset><url>", "<?xml ?>"]
    {
        assert!(matches!(parse(text.as_bytes()), Err(SitemapError::Malformed(_))), "{text}");
    }
    assert!(parse(b"\x1f\x8b\x08").expect_err("compressed").to_string().contains("compressed"));
    assert!(parse(b"<urlset>\xff</urlset>").expect_err("no text").to_string().contains("UTF-8"));
}

#[test]
fn what_a_page_is_is_told_by_its_content() {
    assert!(is_sitemap(b"<?xml version=\"1.0\"?><urlset/>") && is_sitemap(b"\xef\xbb\xbf <sitemapindex>\xff"));
    assert!(!is_sitemap(b"<html><urlset/></html>") && !is_sitemap(b"https://e.example/a") && !is_sitemap(b""));
}

#[test]
fn entities_of_the_file_itself_are_not_expanded() {
    let bomb = "<!DOCTYPE urlset [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]>\
        <urlset><url><loc>https://e.example/&b;&f;x</loc></url></urlset>";
    assert_eq!(urls(&parse(bomb.as_bytes()).expect("a sitemap")), ["https://e.example/x"]);
}

#[test]
fn more_pages_than_the_limit_are_not_kept_in_memory() {
    let many = "<url><loc>https://e.example/</loc></url>".repeat(MAX_PAGES + 10);
    let read = parse(format!("<urlset>{many}</urlset>").as_bytes()).expect("a sitemap");
    assert_eq!(urls(&read).len(), MAX_PAGES + 1);
}

struct Here;

impl Lookup for Here {
    fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<std::net::IpAddr>>> {
        Box::pin(async { Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()]) })
    }
}

/// A site of some files, in which `ROOT` stands for the site itself.
async fn site(files: &'static [(&'static str, &'static str)]) -> (Fetcher, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let root = format!("http://site.test:{}", listener.local_addr().expect("an address").port());
    let at = root.clone();
    let file = async move |Path(name): Path<String>| match files.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok(text.replace("ROOT", &at)),
        None => Err(axum::http::StatusCode::NOT_FOUND),
    };
    let routes = Router::new().route("/{name}", get(file));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let allow = vec!["site.test".parse().expect("a host"), "other.test".parse().expect("a host")];
    let config = FetchConfig { allow, ..FetchConfig::default() };
    (Fetcher::with_lookup(config, std::sync::Arc::new(Here)).expect("a fetcher"), root)
}

#[tokio::test]
async fn an_index_is_followed_once_and_only_on_its_own_host() {
    let (fetcher, root) = site(&[
        (
            "index.xml",
            "<sitemapindex><sitemap><loc>ROOT/1.xml</loc></sitemap><sitemap><loc>ROOT/2.txt</loc></sitemap>\
             <sitemap><loc>ROOT/index.xml</loc></sitemap><sitemap><loc>ROOT/gone.xml</loc></sitemap>\
             <sitemap><loc>http://other.test/x.xml</loc></sitemap></sitemapindex>",
        ),
        (
            "1.xml",
            "<urlset><url><loc>ROOT/a</loc><lastmod>2024-01-01</lastmod></url><url><loc>ROOT/b</loc></url>\
             <url><loc>https://other.test/c</loc></url><url><loc>no url</loc></url></urlset>",
        ),
        ("2.txt", "ROOT/b\nROOT/d\n"),
    ])
    .await;
    let all = pages(&fetcher, &format!("{root}/index.xml")).await.expect("pages");
    let found: Vec<String> = all.pages.iter().map(|page| page.url.replace(&root, "")).collect();
    assert_eq!((found, all.left_out), (["/a", "/b", "/d"].map(str::to_owned).to_vec(), 3));
    let unreadable: Vec<String> = all.unreadable.iter().map(|(url, why)| url.replace(&root, "") + ": " + why).collect();
    assert!(unreadable[0].starts_with("/index.xml: an index inside an index"), "{unreadable:?}");
    assert!(unreadable[1].starts_with("/gone.xml: ") && unreadable[1].contains("status 404"), "{unreadable:?}");
    assert_eq!(unreadable.len(), 2);
}

#[tokio::test]
async fn a_sitemap_of_another_host_is_told() {
    let (fetcher, root) = site(&[("map.xml", "<urlset><url><loc>https://other.test/c</loc></url></urlset>")]).await;
    let all = pages(&fetcher, &format!("{root}/map.xml")).await.expect("pages");
    assert!(all.pages.is_empty() && all.unreadable[0].1.contains("`site.test`"), "{all:?}");
}

#[test]
fn as_many_pages_as_are_taken_are_not_too_many() {
    let host = host("https://e.example/").expect("a host");
    let page = |n: usize| Page { url: format!("https://e.example/{n}"), lastmod: None };
    let (mut all, mut seen) = (Pages::default(), HashSet::new());
    assert!(!take(&mut all, &mut seen, &host, (0..MAX_PAGES).map(page).collect()));
    assert!(!take(&mut all, &mut seen, &host, vec![page(0)]), "known already");
    assert!(take(&mut all, &mut seen, &host, vec![page(MAX_PAGES)]));
    assert_eq!((all.pages.len(), all.left_out), (MAX_PAGES, 1));
}

#[tokio::test]
async fn a_sitemap_that_is_none_or_not_there_is_an_error() {
    let (fetcher, root) = site(&[("page.html", "<html></html>")]).await;
    let none = pages(&fetcher, &format!("{root}/page.html")).await.expect_err("no sitemap");
    assert!(none.to_string().contains("`<html>`"), "{none}");
    let gone = pages(&fetcher, &format!("{root}/gone.xml")).await;
    assert_eq!(gone, Err(SitemapError::Fetch(FetchError::Status(404))));
}
