//! Forms with files (`multipart/form-data`, RFC 7578).

use uuid::Uuid;

use super::Payload;

/// A form.
#[derive(Debug)]
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Default for Form {
    fn default() -> Self {
        Self { boundary: format!("footnote-{}", Uuid::new_v4().simple()), body: Vec::new() }
    }
}

impl Form {
    /// Adds a field.
    pub fn field(&mut self, name: &str, value: &str) {
        self.part(&format!("name=\"{name}\""), None, value.as_bytes());
    }

    /// Adds a file, with its media type where that is known.
    pub fn file(&mut self, file_name: &str, media_type: Option<&str>, bytes: &[u8]) {
        // Quotes and line breaks as browsers escape them.
        let escaped = file_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        self.part(&format!("name=\"file\"; filename=\"{escaped}\""), media_type, bytes);
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    fn part(&mut self, about: &str, media_type: Option<&str>, bytes: &[u8]) {
        // A type that could end the line early is left out.
        let kind = media_type.filter(|kind| kind.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let kind = kind.map(|kind| format!("\r\nContent-Type: {kind}")).unwrap_or_default();
        let head = format!("--{}\r\nContent-Disposition: form-data; {about}{kind}\r\n\r\n", self.boundary);
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    pub(super) fn finish(mut self) -> Payload {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        Payload { content_type, bytes: self.body.into() }
    }
}
