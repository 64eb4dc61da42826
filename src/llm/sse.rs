//! A reader of server-sent events that takes what providers really send.
//! Imports nothing of this crate.
//!
//! Framing after the HTML standard, section 9.2.6 "Interpreting an event
//! stream": lines end in LF, CR LF or CR; a line that begins with a colon is a
//! comment; `data` lines of one event are joined by LF; one space after the
//! colon is dropped. Beyond it:
//!
//! * a last event without its blank line is an event all the same;
//! * a line of bare JSON counts as data;
//! * a body that begins as JSON is taken as one event, for servers that do not
//!   stream;
//! * a body that begins as markup is refused at once.
//!
//! Bytes become text only when an event is whole, so that no cut can split a
//! character.

/// Bytes of one event, at most.
const EVENT_BYTES: usize = 8 << 20;

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is a web page")]
    Markup,
    #[error("an event of it is larger than {} MiB", EVENT_BYTES >> 20)]
    TooLarge,
}

/// What a body turned out to be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing but blanks came yet.
    #[default]
    Unknown,
    Events,
    /// One JSON text.
    Whole,
}

/// Cuts a body into the data of its events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    form: Form,
    /// The line that is not whole yet; the whole body when that is JSON.
    line: Vec<u8>,
    /// Data of the event that is not whole yet.
    data: Option<Vec<u8>>,
    /// Whether a LF would belong to the line end before it.
    after_cr: bool,
}

impl Reader {
    /// Takes the next bytes, however they are cut, and gives the data of the
    /// events that are whole now.
    ///
    /// # Errors
    /// When the body is none of events.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
        let mut events = Vec::new();
        for &byte in bytes {
            if self.form == Form::Unknown {
                self.form = match byte {
                    // The second is a byte order mark.
                    b' ' | b'\t' | b'\r' | b'\n' | 0xEF | 0xBB | 0xBF => continue,
                    b'{' | b'[' => Form::Whole,
                    b'<' => return Err(Unreadable::Markup),
                    _ => Form::Events,
                };
            }
            if self.form == Form::Whole {
                self.line.push(byte);
            } else if let Some(event) = self.take(byte) {
                events.push(event);
            }
        }
        if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > EVENT_BYTES {
            return Err(Unreadable::TooLarge);
        }
        Ok(events)
    }

    /// What is left when the body ends.
    pub(super) fn finish(&mut self) -> Option<String> {
        if self.form == Form::Whole {
            return Some(text(std::mem::take(&mut self.line)));
        }
        self.end_line().or_else(|| self.data.take().map(text))
    }

    fn take(&mut self, byte: u8) -> Option<String> {
        let continues = std::mem::take(&mut self.after_cr) && byte == b'\n';
        match byte {
            b'\n' if continues => None,
            b'\n' | b'\r' => {
                self.after_cr = byte == b'\r';
                self.end_line()
            }
            _ => {
                self.line.push(byte);
                None
            }
        }
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take().map(text);
        }
        let value = match line.iter().position(|byte| *byte == b':') {
            _ if line[0] == b'{' => &line[..],
            Some(colon) if &line[..colon] == b"data" => {
                let value = &line[colon + 1..];
                value.strip_prefix(b" ").unwrap_or(value)
            }
            None if line == b"data" => &[],
            _ => return None,
        };
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
        None
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut reader = Reader::default();
        let mut events: Vec<String> =
            pieces.into_iter().flat_map(|piece| reader.push(piece).expect("readable")).collect();
        events.extend(reader.finish());
        events
    }

    #[test]
    fn line_ends_comments_and_other_fields_do_not_matter() {
        let expected = ["one", "two\nlines", "\u{e9}"];
        for end in ["\n", "\r\n", "\r"] {
            let lines = [
                ": ping",
                "",
                "event: x",
                "data: one",
                "id:3",
                "",
                "",
                "data:two",
                "data: lines",
                "retry: 5",
                "",
                "data: \u{e9}",
                "",
                "",
            ];
            let body = lines.join(end);
            assert_eq!(read([body.as_bytes()]), expected, "{end:?}");
        }
    }

    #[test]
    fn a_last_event_needs_no_blank_line() {
        for end in ["", "\n", "\r\n", "\n\n"] {
            assert_eq!(read([format!("data: a\n\ndata: [DONE]{end}").as_bytes()]), ["a", "[DONE]"], "{end:?}");
        }
    }

    #[test]
    fn a_body_of_json_is_one_event_and_a_web_page_is_none() {
        assert_eq!(read([&b"\n {\"a\":\n\n1}"[..]]), ["{\"a\":\n\n1}"]);
        assert_eq!(Reader::default().push(b"\xEF\xBB\xBF <!doctype html>"), Err(Unreadable::Markup));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut reader = Reader::default();
        let line = vec![b'x'; 1 << 20];
        let refused = (0..20).find_map(|_| reader.push(&line).err());
        assert_eq!(refused, Some(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            lines in proptest::collection::vec("(data: ?|: |event: |)[a-zé漢🙂:{ ]{0,12}(\n|\r\n|\r|\n\n|\r\n\r\n)", 0..20),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        ) {
            // Markup and JSON at the start are other forms.
            let body = format!("data: start\n\n{}", lines.concat()).into_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]);
            let whole = read([&body[..]]);
            prop_assert_eq!(&read(pieces), &whole);
            prop_assert_eq!(&read(body.chunks(1)), &whole);
        }

        #[test]
        fn no_bytes_can_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::default();
            let _ = reader.push(&bytes);
            reader.finish();
        }
    }
}
