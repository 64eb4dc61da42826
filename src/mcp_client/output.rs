//! A tool's result: one text for the model, and a value for programs, both
//! within bounds and without secrets. Imports the peer.

use rmcp::model::{ContentBlock, ResourceContents};
use serde_json::Value;

use super::peer::Peer;

/// Bytes of text that are kept; the structured value is kept up to as many.
const MAX_TEXT: usize = 256 * 1024;
/// Characters of a name, address or type within the text.
const MAX_LABEL: usize = 200;

/// What a tool gave. It is the server's text: data, never instructions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolOutput {
    /// All texts, a blank line apart; pictures, sounds and files are named in
    /// words. At most 256 KiB, and it says so where it was cut.
    pub text: String,
    /// The structured result, if it fits the tool's schema and into 256 KiB.
    pub structured: Option<Value>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

impl ToolOutput {
    /// `structured` has been checked.
    pub(super) fn new(peer: &Peer, content: Vec<ContentBlock>, mut structured: Option<Value>, is_error: bool) -> Self {
        let mut text = Text::default();
        for block in content {
            text.add(&peer.hide(in_words(block)));
        }
        if let Some(value) = &mut structured {
            peer.hide_in(value);
            let json = value.to_string();
            if text.is_empty() {
                text.add(&json);
            }
            if json.len() > MAX_TEXT {
                structured = None;
                text.add(&format!("[a structured result of {} bytes was left out]", json.len()));
            }
        }
        Self { text: text.finish(), structured, is_error }
    }
}

/// Text up to a limit.
#[derive(Default)]
struct Text {
    kept: String,
    /// Bytes that did not fit.
    cut: usize,
}

impl Text {
    fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.cut == 0
    }

    fn add(&mut self, piece: &str) {
        if !self.kept.is_empty() && self.cut == 0 {
            self.kept.push_str("\n\n");
        }
        let room = if self.cut == 0 { MAX_TEXT.saturating_sub(self.kept.len()) } else { 0 };
        let end = piece.floor_char_boundary(room);
        self.kept.push_str(&piece[..end]);
        self.cut += piece.len() - end;
    }

    fn finish(self) -> String {
        if self.cut > 0 { format!("{}\n[cut here: {} more bytes]", self.kept, self.cut) } else { self.kept }
    }
}

fn in_words(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!("[image, {}, {}]", label(&image.mime_type), size(&image.data)),
        ContentBlock::Audio(audio) => format!("[audio, {}, {}]", label(&audio.mime_type), size(&audio.data)),
        ContentBlock::ResourceLink(link) => {
            let kind = link.mime_type.as_deref().unwrap_or("unknown type");
            format!("[link to {}: {}, {}]", label(&link.name), label(&link.uri), label(kind))
        }
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[resource {}]\n{text}", label(&uri)),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                let kind = mime_type.as_deref().unwrap_or("unknown type");
                format!("[resource {}, {}, {}]", label(&uri), label(kind), size(&blob))
            }
            _ => "[a resource of an unknown kind]".into(),
        },
        _ => "[content of an unknown kind]".into(),
    }
}

/// On one line, short, and unable to close the brackets around it.
fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '[' | ']')).take(MAX_LABEL).collect()
}

/// What Base64 text stands for.
fn size(base64: &str) -> String {
    format!("{} bytes", base64.trim_end_matches('=').len() * 3 / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn output(content: Value, structured: Option<Value>) -> ToolOutput {
        let config = json!({ "name": "a", "url": "http://x", "headers": { "authorization": "Bearer canary-1" } });
        let peer = Peer::new(&serde_json::from_value(config).expect("a config"));
        ToolOutput::new(&peer, serde_json::from_value(content).expect("content"), structured, false)
    }

    #[test]
    fn texts_are_joined_and_the_rest_is_named() {
        let content = json!([
            { "type": "text", "text": "one" },
            { "type": "image", "data": "AAAA", "mimeType": "image/png" },
            { "type": "audio", "data": "AAA=", "mimeType": "audio/wav]\n[x" },
            { "type": "resource_link", "uri": "demo://1", "name": "First" },
            { "type": "resource", "resource": { "uri": "demo://2", "text": "two" } },
            { "type": "resource", "resource": { "uri": "demo://3", "blob": "AAAA", "mimeType": "application/pdf" } }
        ]);
        let expected = [
            "one",
            "[image, image/png, 3 bytes]",
            "[audio, audio/wavx, 2 bytes]",
            "[link to First: demo://1, unknown type]",
            "[resource demo://2]\ntwo",
            "[resource demo://3, application/pdf, 3 bytes]",
        ];
        assert_eq!(output(content, None).text, expected.join("\n\n"));
    }

    #[test]
    fn a_structured_result_without_text_is_told_as_json() {
        let output = output(json!([]), Some(json!({ "n": 1 })));
        assert_eq!((output.text.as_str(), output.structured), ("{\"n\":1}", Some(json!({ "n": 1 }))));
    }

    #[test]
    fn no_secret_comes_back_in_a_result() {
        let output =
            output(json!([{ "type": "text", "text": "got canary-1" }]), Some(json!({ "a": "Bearer canary-1" })));
        assert_eq!((output.text.as_str(), output.structured), ("got [secret]", Some(json!({ "a": "[secret]" }))));
    }

    #[test]
    fn a_huge_structured_result_is_left_out_and_that_is_said() {
        let output = output(json!([{ "type": "text", "text": "big" }]), Some(json!("x".repeat(MAX_TEXT))));
        assert_eq!(output.structured, None);
        assert_eq!(output.text, "big\n\n[a structured result of 262146 bytes was left out]");
    }

    proptest! {
        #[test]
        fn text_is_cut_at_a_character_and_says_so(piece in "[aé漢🦀]{1,9}", times in 1_usize..60_000) {
            let text = piece.repeat(times);
            let kept = output(json!([{ "type": "text", "text": text }, { "type": "text", "text": "end" }]), None).text;
            if text.len() + 5 <= MAX_TEXT {
                prop_assert_eq!(kept, format!("{text}\n\nend"));
            } else {
                let (start, mark) = kept.rsplit_once('\n').expect("a mark");
                prop_assert!(start.len() <= MAX_TEXT + 2);
                let whole = format!("{text}\n\nend");
                prop_assert!(whole.starts_with(start));
                prop_assert!(mark.starts_with("[cut here: ") && mark.ends_with(" more bytes]"), "{}", mark);
            }
        }
    }
}
