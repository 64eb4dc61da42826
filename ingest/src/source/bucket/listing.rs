//! One page of a listing (`ListBucketResult`), read by the names of its
//! elements alone: services that speak S3 differ in its namespace.

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::Event;

/// An object as it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) etag: Option<String>,
    pub(super) size: u64,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) found: Vec<Found>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// Reads a page; `None` for what is none, and for one that is cut short
/// without saying where it goes on.
pub(super) fn parse(text: &str) -> Option<Page> {
    let mut reader = Reader::from_str(text);
    let (mut path, mut value): (Vec<String>, String) = (Vec::new(), String::new());
    let (mut page, mut object) = (Page::default(), Found::default());
    let (mut is_encoded, mut is_cut) = (false, false);
    loop {
        match reader.read_event().ok()? {
            Event::Empty(start) if path.is_empty() && start.local_name().as_ref() == "ListBucketResult" => break,
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                value.clear();
            }
            Event::Text(part) => value.push_str(&part),
            Event::CData(part) => value.push_str(&part),
            Event::GeneralRef(reference) => match quick_xml::escape::resolve_predefined_entity(&reference) {
                Some(meant) => value.push_str(meant),
                None => value.push(reference.resolve_char_ref().ok()??),
            },
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let value = std::mem::take(&mut value);
                match names.as_slice() {
                    ["ListBucketResult", "Contents", "Key"] => object.name = value,
                    ["ListBucketResult", "Contents", "ETag"] => object.etag = tag(&value),
                    ["ListBucketResult", "Contents", "Size"] => object.size = value.trim().parse().ok()?,
                    ["ListBucketResult", "Contents"] => page.found.push(std::mem::take(&mut object)),
                    ["ListBucketResult", "EncodingType"] => is_encoded = value.trim() == "url",
                    ["ListBucketResult", "IsTruncated"] => is_cut = value.trim() == "true",
                    ["ListBucketResult", "NextContinuationToken"] => page.next = Some(value),
                    ["ListBucketResult"] => break,
                    [_] => return None,
                    _ => {}
                }
                path.pop();
            }
            Event::Eof => return None,
            _ => {}
        }
    }
    if is_encoded {
        for object in &mut page.found {
            object.name = decoded(&object.name)?;
        }
    }
    page.next = page.next.filter(|token| is_cut && !token.is_empty());
    (page.next.is_some() == is_cut).then_some(page)
}

/// A tag without its quotes.
fn tag(value: &str) -> Option<String> {
    let tag = value.trim().trim_matches('"');
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// A name that was encoded like a form's field.
fn decoded(name: &str) -> Option<String> {
    let spaced = name.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        parse(text).map(|page| page.found.into_iter().map(|object| object.name).collect())
    }

    #[test]
    fn a_page_is_read_whatever_its_namespace() {
        for namespace in [
            "",
            " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
            " xmlns=\"http://doc.s3.amazonaws.com/2006-03-01/\"",
        ] {
            let text = format!(
                "<?xml version=\"1.0\"?>\n<ListBucketResult{namespace}>\n<Prefix>x</Prefix><IsTruncated>true</IsTruncated>\
                 <NextContinuationToken>t&amp;1</NextContinuationToken><Contents><Key>a/ü &amp; +.md</Key>\
                 <ETag>&quot;e1&quot;</ETag><Size>6</Size><Owner><ID>o</ID></Owner></Contents></ListBucketResult>"
            );
            let found = Found { name: "a/ü & +.md".into(), etag: Some("e1".into()), size: 6 };
            assert_eq!(parse(&text), Some(Page { found: vec![found], next: Some("t&1".into()) }));
        }
    }

    #[test]
    fn names_are_decoded_only_where_they_are_said_to_be_encoded() {
        let page = |kind: &str| {
            format!("<ListBucketResult><Contents><Key>a+b%2Bc%20%C3%BC</Key></Contents>{kind}</ListBucketResult>")
        };
        assert_eq!(names(&page("")), Some(vec!["a+b%2Bc%20%C3%BC".into()]));
        assert_eq!(names(&page("<EncodingType>url</EncodingType>")), Some(vec!["a b+c ü".into()]));
    }

    #[test]
    fn what_is_no_page_or_does_not_say_where_it_goes_on_is_refused() {
        for text in [
            "",
            "hello",
            "<html><body/></html>",
            "<ListBucketResult><Contents>",
            "<Error><Code>x</Code></Error>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(names("<ListBucketResult/>"), Some(Vec::new()));
        let last = "<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
        assert_eq!(parse(last), Some(Page::default()));
    }
}
