//! Records: documents as lines of JSON. Imports nothing of this crate.

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line that is taken, in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// A document as one line of JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its key in the collection.
    pub key: String,
    /// Its text.
    pub text: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Where it can be looked up.
    #[serde(default)]
    pub uri: Option<String>,
    /// What else is known of it.
    #[serde(default)]
    pub meta: Option<Map<String, Value>>,
}

/// Why a line is no record, or reading ended. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("line {line}: {problem}; give `{{\"key\": ..., \"text\": ...}}`, and `title`, `uri`, `meta` where known")]
    Malformed {
        /// The line's number.
        line: u64,
        /// What is wrong and at which column.
        problem: String,
    },
    /// A line over [`MAX_LINE`]. It was passed over.
    #[error("line {line}: longer than {limit} bytes; split the document")]
    TooLong {
        /// The line's number.
        line: u64,
        /// The most that is taken.
        limit: usize,
    },
    /// Nothing more can be read.
    #[error("line {line}: cannot be read ({source})")]
    Io {
        /// The line's number.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
}

/// Reads records, one a line. A bad line does not end the reading; blank ones
/// are passed over. At most one line is in memory.
#[derive(Debug)]
pub struct Records<R> {
    reader: R,
    line: u64,
    limit: usize,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: AsyncBufRead + Unpin> Records<R> {
    /// Records of a file or of standard input.
    pub fn new(reader: R) -> Self {
        Self::with_limit(reader, MAX_LINE)
    }

    /// Records whose lines have at most `limit` bytes.
    pub fn with_limit(reader: R, limit: usize) -> Self {
        Self { reader, line: 0, limit, buffer: Vec::new(), ended: false }
    }

    /// The next record, or why a line is none; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Record, RecordError>> {
        while !self.ended {
            match self.read_line().await {
                Ok(false) => self.ended = true,
                Ok(true) => {
                    let line = without_mark(&self.buffer, self.line);
                    if self.buffer.len() > self.limit {
                        return Some(Err(RecordError::TooLong { line: self.line, limit: self.limit }));
                    }
                    if !line.iter().all(u8::is_ascii_whitespace) {
                        return Some(record(line, self.line));
                    }
                }
                Err(source) => {
                    self.ended = true;
                    return Some(Err(RecordError::Io { line: self.line, source }));
                }
            }
        }
        None
    }

    /// Fills the buffer with a line, of which no more is kept than tells that it
    /// is too long. `false` at the end.
    async fn read_line(&mut self) -> std::io::Result<bool> {
        self.buffer.clear();
        self.line += 1;
        let mut any = false;
        loop {
            let part = self.reader.fill_buf().await?;
            if part.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = part.iter().position(|byte| *byte == b'\n');
            let line = &part[..end.unwrap_or(part.len())];
            let room = (self.limit + 1).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&line[..line.len().min(room)]);
            let used = end.map_or(part.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// A first line without the mark of UTF-8 that some editors write.
fn without_mark(line: &[u8], number: u64) -> &[u8] {
    if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
}

fn record(bytes: &[u8], line: u64) -> Result<Record, RecordError> {
    let malformed = |problem: String| RecordError::Malformed { line, problem };
    // The parser sees one line only, so that its column is the line's.
    let place = |error: serde_json::Error| {
        let problem = error.to_string();
        let what = problem.split(" at line ").next().unwrap_or_default();
        malformed(format!("{what} at column {}", error.column()))
    };
    let record: Record = serde_json::from_slice(bytes).map_err(place)?;
    if record.key.trim().is_empty() {
        return Err(malformed("`key` is empty".to_owned()));
    }
    if record.text.trim().is_empty() {
        return Err(malformed("`text` is empty".to_owned()));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &[u8], limit: usize) -> Vec<Result<Record, RecordError>> {
        // A small buffer, so that lines come in parts.
        let mut records = Records::with_limit(tokio::io::BufReader::with_capacity(7, text), limit);
        let mut all = Vec::new();
        while let Some(record) = records.next().await {
            all.push(record);
        }
        all
    }

    #[tokio::test]
    async fn records_are_read_one_a_line_with_what_is_known_of_them() {
        let text = "\u{feff}{\"key\":\"a\",\"text\":\"A\"}\r\n\n  \n\
            {\"key\":\"b\",\"text\":\"B\\n2\",\"title\":\"T\",\"uri\":\"https://e.example/b\",\"meta\":{\"n\":1}}";
        let all = read(text.as_bytes(), MAX_LINE).await;
        let all: Vec<Record> = all.into_iter().map(|record| record.expect("a record")).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].key.as_str(), all[0].text.as_str(), &all[0].title), ("a", "A", &None));
        assert_eq!((all[1].text.as_str(), all[1].title.as_deref()), ("B\n2", Some("T")));
        assert_eq!(all[1].meta.as_ref().and_then(|meta| meta.get("n")), Some(&Value::from(1)));
    }

    #[tokio::test]
    async fn a_bad_line_is_named_by_its_number_and_the_rest_is_read() {
        let text = "{\"key\":\"a\",\"text\":\"A\"}\n{\"key\":\n\n{\"text\":\"x\"}\n[]\n{\"key\":\" \",\"text\":\"x\"}\n\
            {\"key\":\"k\",\"text\":\"\"}\n{\"key\":\"k\",\"text\":\"x\",\"titel\":\"t\"}\n{\"key\":\"z\",\"text\":\"Z\"}";
        let all = read(text.as_bytes(), MAX_LINE).await;
        let refusals: Vec<String> =
            all.iter().filter_map(|record| record.as_ref().err()).map(ToString::to_string).collect();
        let starts = ["line 2: EOF", "line 4: missing field `key`", "line 5:", "line 6: `key`", "line 7: `text`"];
        for (refusal, start) in refusals.iter().zip(starts) {
            assert!(refusal.starts_with(start), "{refusal}");
        }
        assert!(refusals[5].starts_with("line 8: unknown field `titel`"), "{refusals:?}");
        assert_eq!((refusals.len(), all.len()), (6, 8));
        assert_eq!(all[7].as_ref().expect("the last").key, "z");
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_passed_over_without_being_kept() {
        let long = format!("{{\"key\":\"a\",\"text\":\"{}\"}}\n{{\"key\":\"b\",\"text\":\"B\"}}\n", "x".repeat(5000));
        let all = read(long.as_bytes(), 40).await;
        assert!(matches!(all[0], Err(RecordError::TooLong { line: 1, limit: 40 })));
        assert_eq!(all[1].as_ref().expect("the second").key, "b");
        assert_eq!(all.len(), 2);
    }

    #[tokio::test]
    async fn a_line_of_just_the_limit_is_taken() {
        let line = "{\"key\":\"b\",\"text\":\"B\"}";
        assert!(read(line.as_bytes(), line.len()).await[0].is_ok());
        assert!(read(line.as_bytes(), line.len() - 1).await[0].is_err());
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_a_bad_line() {
        let all = read(b"{\"key\":\"a\",\"text\":\"\xff\"}\n{\"key\":\"b\",\"text\":\"B\"}\n", MAX_LINE).await;
        assert!(matches!(all[0], Err(RecordError::Malformed { line: 1, .. })) && all[1].is_ok());
    }

    #[tokio::test]
    async fn nothing_at_all_holds_no_records() {
        assert!(read(b"", MAX_LINE).await.is_empty() && read(b"\n\n", MAX_LINE).await.is_empty());
    }

    #[tokio::test]
    async fn reading_that_fails_ends_and_says_where() {
        use tokio::io::AsyncReadExt;
        let broken = tokio_test_reader();
        let reader = tokio::io::BufReader::new((&b"{\"key\":\"a\",\"text\":\"A\"}\n"[..]).chain(broken));
        let mut records = Records::new(reader);
        assert!(records.next().await.is_some_and(|record| record.is_ok()));
        assert!(matches!(records.next().await, Some(Err(RecordError::Io { line: 2, .. }))));
        assert!(records.next().await.is_none());
    }

    /// Reads nothing and fails.
    fn tokio_test_reader() -> impl tokio::io::AsyncRead + Unpin {
        struct Broken;
        impl tokio::io::AsyncRead for Broken {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Err(std::io::Error::other("broken")))
            }
        }
        Broken
    }
}
