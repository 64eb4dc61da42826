//! Packages and compound files for the tests.

use std::fmt::Write as _;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

/// A zip archive of these parts.
pub(super) fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A part with relations: identifier, last segment of the type, target.
pub(super) fn rels(relations: &[(&str, &str, &str)]) -> String {
    let one = |(id, kind, target): &(&str, &str, &str)| {
        format!("<Relationship Id=\"{id}\" Type=\"http://example.org/{kind}\" Target=\"{target}\"/>")
    };
    format!("<Relationships>{}</Relationships>", relations.iter().map(one).collect::<String>())
}

/// A DOCX with this body and further parts: name, kind of relation, content.
pub(super) fn docx(body: &str, parts: &[(&str, &str, &str)]) -> Vec<u8> {
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let targets: Vec<(&str, &str, &str)> =
        parts.iter().map(|(name, kind, _)| (*kind, *kind, name.trim_start_matches("word/"))).collect();
    let relations = rels(&targets);
    let mut all = vec![
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", document.as_str()),
        ("word/_rels/document.xml.rels", relations.as_str()),
    ];
    all.extend(parts.iter().map(|(name, _, content)| (*name, *content)));
    package(&all)
}

/// A PPTX with these slides, in reverse order in the presentation; the first
/// one has notes.
pub(super) fn pptx(slides: &[&str], notes: &str) -> Vec<u8> {
    let mut parts = vec![("[Content_Types].xml".to_owned(), "<Types/>".to_owned())];
    let (mut list, mut relations) = (String::new(), String::new());
    for (index, slide) in slides.iter().enumerate().rev() {
        let number = index + 1;
        write!(list, "<p:sldId id=\"{number}\" r:id=\"r{number}\"/>").unwrap();
        write!(relations, "<Relationship Id=\"r{number}\" Type=\"x/slide\" Target=\"slides/slide{number}.xml\"/>")
            .unwrap();
        parts.push((format!("ppt/slides/slide{number}.xml"), format!("<p:sld>{slide}</p:sld>")));
    }
    parts.push(("ppt/presentation.xml".to_owned(), format!("<p:presentation>{list}</p:presentation>")));
    parts.push(("ppt/_rels/presentation.xml.rels".to_owned(), format!("<Relationships>{relations}</Relationships>")));
    let to_notes = rels(&[("n", "notesSlide", "../notesSlides/notesSlide1.xml")]);
    parts.push(("ppt/slides/_rels/slide1.xml.rels".to_owned(), to_notes));
    let notes = format!(
        "<p:notes><p:sp><p:nvPr><p:ph type=\"body\"/></p:nvPr><a:p><a:r><a:t>{notes}</a:t></a:r></a:p></p:sp></p:notes>"
    );
    parts.push(("ppt/notesSlides/notesSlide1.xml".to_owned(), notes));
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    package(&parts)
}

/// An ODT with this text.
pub(super) fn odt(text: &str) -> Vec<u8> {
    let content = format!("<office:document-content><office:text>{text}</office:text></office:document-content>");
    package(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &content)])
}

/// A compound file with these streams.
pub(super) fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (name, content) in streams {
        file.create_stream(name).unwrap().write_all(content).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}
