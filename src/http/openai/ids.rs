//! Ids as OpenAI writes them: a prefix that tells what it is, then ours.

use footnote_ingest::ids::DocumentId;
use uuid::Uuid;

/// Of a response: an answer's.
pub(super) const RESPONSE: &str = "resp_";
/// Of a message in a response: an answer's or a question's.
pub(super) const MESSAGE: &str = "msg_";
/// Of a file: its own, or that of a document that no file became.
pub(super) const FILE: &str = "file-";
/// Of a vector store: a collection's.
pub(super) const STORE: &str = "vs_";
/// Of a batch of files.
pub(super) const BATCH: &str = "vsfb_";

/// An id with its prefix.
pub(super) fn show(prefix: &str, id: Uuid) -> String {
    format!("{prefix}{}", id.simple())
}

/// The id behind a prefix. What is none names nothing.
pub(super) fn read(prefix: &str, text: &str) -> Option<Uuid> {
    text.strip_prefix(prefix)?.parse().ok()
}

/// When what this is the id of was made, in seconds since 1970: the same however
/// often it is told.
pub(super) fn made_at(id: Uuid) -> u64 {
    id.get_timestamp().map(|made| made.to_unix().0).unwrap_or_default()
}

/// The key of a document that a file became: the file's id, then its name.
pub(super) fn key(file: Uuid, filename: &str) -> String {
    format!("{}{filename}", key_start(file))
}

/// What the keys of documents begin with that this file became.
pub(super) fn key_start(file: Uuid) -> String {
    format!("{}/", show(FILE, file))
}

/// The file's id and name of a document: those of the file that it came from,
/// else its own id and the last part of its key.
pub(super) fn file_of(document: DocumentId, key: &str) -> (String, String) {
    if let Some((file, filename)) = key.split_once('/')
        && read(FILE, file).is_some()
        && !filename.is_empty()
    {
        return (file.to_owned(), filename.to_owned());
    }
    let name = key.rsplit('/').find(|part| !part.is_empty()).unwrap_or(key);
    (show(FILE, document.0), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_another_s_is_not() {
        let id = Uuid::now_v7();
        assert_eq!(read(STORE, &show(STORE, id)), Some(id));
        assert_eq!(read(STORE, &format!("vs_{id}")), Some(id));
        assert_eq!(read(STORE, &show(FILE, id)), None);
        assert_eq!(read(STORE, "vs_x"), None);
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        assert!((now..now + 2).contains(&made_at(Uuid::now_v7())));
        assert_eq!(made_at(Uuid::nil()), 0);
    }

    #[test]
    fn a_document_tells_the_file_that_it_came_from() {
        let (file, document) = (Uuid::now_v7(), DocumentId::new());
        assert_eq!(file_of(document, &key(file, "a.md")), (show(FILE, file), "a.md".into()));
        assert_eq!(file_of(document, &key(file, "a.zip/b.md")), (show(FILE, file), "a.zip/b.md".into()));
        for (key, name) in [("docs/a.md", "a.md"), ("a.md", "a.md"), ("https://host/a/", "a"), ("file-x/a", "a")] {
            assert_eq!(file_of(document, key), (show(FILE, document.0), name.into()), "{key}");
        }
    }
}
