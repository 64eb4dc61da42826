//! Archives, packed here.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::super::{Source, parse};
use super::*;

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(name: &str, bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ParseError> {
    let parsed = parse(&Source { bytes, name: Some(name), media_type: None })?;
    Ok(parsed.members.into_iter().map(|member| (member.name, member.bytes)).collect())
}

fn names(name: &str, bytes: &[u8]) -> Vec<String> {
    read(name, bytes).unwrap().into_iter().map(|(name, _)| name).collect()
}

fn problem(bytes: &[u8]) -> String {
    read("a.bin", bytes).unwrap_err().to_string()
}

const FILES: [(&str, &[u8]); 7] = [
    ("docs/a.txt", b"one"),
    ("../../b.txt", b"two"),
    ("C:\\b.txt", b"three"),
    ("__MACOSX/._a.txt", b"no"),
    ("docs/.DS_Store", b"no"),
    (".git/config", b"no"),
    ("/etc/c.txt", b""),
];
const NAMES: [&str; 4] = ["docs/a.txt", "b.txt", "b (2).txt", "etc/c.txt"];

#[test]
fn files_of_a_zip_are_members_under_safe_names() {
    let bytes = zipped(&FILES);
    assert_eq!(names("a.zip", &bytes), NAMES);
    assert_eq!(read("a.zip", &bytes).unwrap()[1].1, b"two");
    assert_eq!(names("unnamed", &bytes), NAMES);
}

#[test]
fn files_of_a_tar_are_members_packed_or_not() {
    let bytes = tarred(&FILES);
    assert_eq!(names("a.tar", &bytes), NAMES);
    assert_eq!(names("a.tar.gz", &gzipped(&bytes)), NAMES);
    assert_eq!(names("a.tgz", &gzipped(&bytes)), NAMES);
    assert_eq!(read("a.tgz", &gzipped(&bytes)).unwrap()[2].1, b"three");
}

#[test]
fn links_and_folders_are_left_out() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("folder", SimpleFileOptions::default()).unwrap();
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    writer.start_file("a.txt", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(names("a.zip", &bytes), ["a.txt"]);

    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name) in [(tar::EntryType::Symlink, "s"), (tar::EntryType::Link, "l"), (tar::EntryType::Block, "b")] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, "/etc/passwd").unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    builder.append_data(&mut header, format!("{}/long.txt", "n".repeat(120)), &b"ok"[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    assert_eq!(names("a.tar", &bytes), [format!("{}/long.txt", "n".repeat(120))]);
}

#[test]
fn a_single_file_is_named_by_what_is_packed() {
    assert_eq!(read("notes.md.gz", &gzipped(b"# A")).unwrap(), [("notes.md".to_owned(), b"# A".to_vec())]);
    let named =
        flate2::GzBuilder::new().filename("../own.txt").write(Vec::new(), Compression::fast()).finish().unwrap();
    assert_eq!(names("x.gz", &named), ["own.txt"]);
}

#[test]
fn a_file_that_unpacks_to_far_more_than_its_size_is_refused() {
    let zeros = vec![0; 9 << 20];
    assert!(problem(&zipped(&[("a", &zeros)])).contains("200 times its size"));
    assert!(problem(&gzipped(&zeros)).contains("200 times its size"));
    assert!(problem(&gzipped(&tarred(&[(".hidden", &zeros)]))).contains("200 times its size"));
    let small = vec![0; 7 << 20];
    assert_eq!(names("a.zip", &zipped(&[("a", &small)])), ["a"]);
}

#[test]
fn too_many_entries_are_refused() {
    let many: Vec<String> = (0..=unpack::ENTRIES).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(problem(&zipped(&many)).contains("10000 entries"));
    assert!(problem(&tarred(&many)).contains("10000 entries"));
}

#[test]
fn an_encrypted_entry_is_said_to_be_one() {
    let mut bytes = zipped(&[("a.txt", b"text")]);
    // Bit 0 of the flags, in the entry's own header and in the list.
    bytes[6] |= 1;
    let list = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[list + 8] |= 1;
    assert_eq!(read("a.zip", &bytes), Err(ParseError::Encrypted { format: "ZIP".into() }));
}

#[test]
fn entries_that_share_their_bytes_are_refused() {
    let mut bytes = zipped(&[("a.txt", b"text"), ("b.txt", b"text")]);
    let lists: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
    // Where the second entry's header starts: where the first one's does.
    bytes[lists[1] + 42..lists[1] + 46].fill(0);
    assert!(problem(&bytes).contains("overlap"), "{}", problem(&bytes));
}

#[test]
fn damaged_archives_are_said_to_be_damaged() {
    let broken = |name: &str, bytes: &[u8]| matches!(read(name, bytes), Err(ParseError::Broken { .. }));
    let bytes = zipped(&FILES);
    assert!(broken("a.zip", &bytes[..bytes.len() / 2]));
    assert!(matches!(read("a.zip", b"no archive"), Err(ParseError::WrongType { found, .. }) if found == "text"));
    assert!(broken("a.gz", &gzipped(b"text")[..12]));
    let bytes = tarred(&[("a", &[1; 2000])]);
    assert!(broken("a.tar", &bytes[..1500]));
    let wrong = read("a.pdf", &zipped(&FILES));
    assert!(matches!(wrong, Err(ParseError::WrongType { claimed, .. }) if claimed == "PDF"));
}

#[test]
fn packages_are_told_from_archives() {
    assert_eq!(package(&zipped(&[("mimetype", b"application/epub+zip")])), Some(Package::Epub));
    assert_eq!(package(&zipped(&[("mimetype", b"application/vnd.oasis.opendocument.text")])), Some(Package::Office));
    assert_eq!(package(&zipped(&[("[Content_Types].xml", b"")])), Some(Package::Office));
    assert_eq!(package(&zipped(&FILES)), Some(Package::Archive));
    assert_eq!(package(b"PK"), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1200)) {
        let _ = zip(&bytes);
        let _ = tar(&bytes);
        let _ = gzip(&bytes, None);
        let _ = gzip(&gzipped(&bytes), Some("ä.gz"));
    }

    #[test]
    fn neither_does_an_archive_with_changes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        for mut bytes in [zipped(&FILES), tarred(&FILES), gzipped(&tarred(&FILES))] {
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let _ = read("a", &bytes);
            let _ = zip(&bytes);
            let _ = tar(&bytes);
            let _ = gzip(&bytes, Some("a.gz"));
        }
    }
}
