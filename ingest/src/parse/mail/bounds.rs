//! What a mail must not have much of: the time and the memory of its reader
//! grow with it. A glance over the bytes. Imports the error.

use super::super::ParseError;

/// Lines of the headers at the top.
const HEADERS: usize = 10_000;
/// Lines that may end a part.
const PARTS: usize = 100_000;
/// Longest boundary, in bytes; the standard allows 70.
const BOUNDARY: usize = 200;
/// Boundaries that any mail may have.
const BOUNDARIES: usize = 64;
/// Bytes that may be looked at for all boundaries together.
const LOOKS: usize = 4_000_000_000;

/// Refuses what would take too long.
pub(super) fn check(bytes: &[u8]) -> Result<(), ParseError> {
    exceeded(bytes).map_or(Ok(()), |problem| {
        Err(ParseError::Broken { format: "mail".into(), problem: format!("it has {problem}, more than is read") })
    })
}

fn exceeded(bytes: &[u8]) -> Option<&'static str> {
    let (mut in_head, mut headers, mut parts, mut boundaries) = (true, 0_usize, 0_usize, 0_usize);
    for line in bytes.split(|byte| *byte == b'\n') {
        in_head &= !line.trim_ascii_end().is_empty();
        headers += usize::from(in_head);
        parts += usize::from(line.starts_with(b"--"));
        let (found, longest) = boundaries_of(line);
        boundaries += found;
        if longest > BOUNDARY {
            return Some("a very long boundary between its parts");
        }
    }
    let looks = boundaries.saturating_mul(bytes.len());
    match () {
        () if headers > HEADERS => Some("a very long list of headers"),
        () if parts > PARTS && boundaries > 0 => Some("very many parts"),
        () if boundaries > BOUNDARIES && looks > LOOKS => Some("very many boundaries between its parts"),
        () => None,
    }
}

/// How many boundaries a line names, and the length of the longest.
fn boundaries_of(line: &[u8]) -> (usize, usize) {
    const NAME: &[u8] = b"boundary";
    let (mut found, mut longest, mut at) = (0, 0, 0);
    while let Some(start) =
        line.get(at..).and_then(|rest| rest.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME)))
    {
        let starts_word = at + start == 0 || matches!(line[at + start - 1], b' ' | b'\t' | b';' | b'"');
        at += start + NAME.len();
        let value = line[at..].trim_ascii_start();
        if starts_word && matches!(value.first(), Some(b'=' | b'*')) {
            found += 1;
            let is_end = |byte: &u8| matches!(*byte, b';' | b' ' | b'\t' | b'\r');
            longest = longest.max(value.iter().position(is_end).unwrap_or(value.len()));
        }
    }
    (found, longest)
}
