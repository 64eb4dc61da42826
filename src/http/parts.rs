//! The parts of a question: words, pictures that were sent along, and documents
//! that it is about.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::ids::DocumentId;
use crate::llm::Image;

/// Pictures of a question, at most.
pub(super) const MAX_IMAGES: usize = 8;
/// Bytes of a picture, at most.
const MAX_IMAGE: usize = 5 << 20;
/// Bytes of a question's JSON, at most, with its pictures in base64: what
/// providers take. The Messages API of Anthropic takes 32 MB.
pub(super) const MAX_BODY: usize = 32 << 20;
/// Kinds that models look at.
pub(super) const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A part of a question.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum QuestionPart {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// A picture: PNG, JPEG, GIF or WebP, for models that look at them.
    Image {
        /// Its bytes in base64, or a `data:` URL of them.
        data: String,
    },
    /// A document that the caller may read: the question is answered from the
    /// documents that it names and from no others, whatever its collections and
    /// its filter. At most 16 are named.
    File {
        /// The document.
        document_id: DocumentId,
    },
    /// Anything else, which is refused with what to do.
    #[serde(other)]
    Other,
}

/// What the parts of a question amount to.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) words: String,
    pub(super) images: Vec<Image>,
    pub(super) documents: Vec<DocumentId>,
}

/// Reads the parts of a question.
///
/// # Errors
/// Names what cannot be taken, and says what can.
pub(super) fn read(parts: Vec<QuestionPart>) -> Result<Read, ApiError> {
    let (mut words, mut images, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            QuestionPart::Text { text } => words.push(text),
            QuestionPart::Image { data } => images.push(image(&data)?),
            QuestionPart::File { document_id } => documents.push(document_id),
            QuestionPart::Other => {
                let message = "a question has parts of type `text`, `image` and `file`; upload files to a collection \
                               and name them by their `document_id`, or the collection";
                return Err(ApiError::unprocessable("parts", message));
            }
        }
    }
    if images.len() > MAX_IMAGES {
        return Err(ApiError::unprocessable("parts", format!("a question has {MAX_IMAGES} images at most")));
    }
    Ok(Read { words: words.join("\n\n"), images, documents })
}

fn image(data: &str) -> Result<Image, ApiError> {
    let wrong = |message: &str| ApiError::unprocessable("parts", message);
    let encoded = match data.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").ok_or_else(|| wrong("a `data:` URL of an image is in base64"))?.1,
        None => data,
    };
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| {
        wrong("the `data` of an image is base64 or a `data:` URL; images are not fetched from elsewhere")
    })?;
    if bytes.len() > MAX_IMAGE {
        return Err(ApiError::too_large("parts", format!("an image has {} MiB at most", MAX_IMAGE >> 20)));
    }
    // What it is, not what it is said to be.
    let kind = infer::get(&bytes).map(|kind| kind.mime_type()).filter(|kind| KINDS.contains(kind));
    let kind = kind.ok_or_else(|| wrong("an image is PNG, JPEG, GIF or WebP"))?;
    Ok(Image { media_type: kind.to_owned(), base64: STANDARD.encode(&bytes).into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";

    fn picture(data: String) -> Vec<QuestionPart> {
        vec![QuestionPart::Text { text: "What is this?".into() }, QuestionPart::Image { data }]
    }

    #[test]
    fn a_picture_is_taken_for_what_it_is() {
        let encoded = STANDARD.encode(PNG);
        for data in [encoded.clone(), format!("data:image/jpeg;base64,{encoded}")] {
            let Read { words, images, .. } = read(picture(data)).expect("a picture");
            assert_eq!(words, "What is this?");
            assert_eq!((images[0].media_type.as_str(), &*images[0].base64), ("image/png", encoded.as_str()));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let large = STANDARD.encode([PNG, &vec![0; MAX_IMAGE]].concat());
        for data in ["http://host/a.png".into(), "%%%".into(), STANDARD.encode("<svg/>"), large] {
            assert!(read(picture(data)).is_err());
        }
        assert!(read((0..9).flat_map(|_| picture(STANDARD.encode(PNG))).collect()).is_err());
        assert!(read(vec![QuestionPart::Other]).is_err());
    }
}
