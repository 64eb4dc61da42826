//! Embeddings by the model that the index in use was built with, after OpenAI's
//! API reference, "Create embeddings".

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bpe_openai::cl100k_base;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::error::OpenAiError;
use super::extract::Body;
use crate::app::App;
use crate::error::Error;
use crate::limits::Who;
use crate::llm::Usage;
use crate::storage::calls::{Passed, Purpose};

/// Bytes of a request, at most: token ids of many texts are longer than these.
pub(super) const MAX_BODY: usize = 16 << 20;
/// Texts of a request, at most.
const MAX_INPUTS: usize = 2048;
/// How long embedding them may take.
const LONGEST: Duration = Duration::from_mins(15);

/// Texts to embed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiCreateEmbeddings)]
pub(super) struct Wanted {
    /// A text, several, or the same as token ids of `cl100k_base`.
    #[schema(value_type = Object)]
    input: Input,
    /// The embedding model: the one that GET /v1/models lists.
    model: String,
    /// `float`, or `base64` for numbers of 32 bits, little endian.
    encoding_format: Option<String>,
    /// Numbers of a vector: as many as the model's.
    dimensions: Option<usize>,
}

/// A text, several, or the same as token ids.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    Lists(Vec<Vec<u32>>),
}

/// Vectors, in the order of the texts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiEmbeddings)]
pub(super) struct Embeddings {
    /// `list`.
    object: &'static str,
    data: Vec<Embedded>,
    model: String,
    #[schema(value_type = Object)]
    usage: Value,
}

/// A vector.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiEmbedding)]
struct Embedded {
    /// `embedding`.
    object: &'static str,
    index: usize,
    /// Numbers, or a text of them.
    #[schema(value_type = Object)]
    embedding: Vector,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Text(String),
}

/// Embeds texts.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "openai", request_body = Wanted,
    responses(
        (status = 200, body = Embeddings), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 413, body = OpenAiError), (status = 429, body = OpenAiError),
        (status = 502, body = OpenAiError),
    )
)]
pub(super) async fn embed(
    State(app): State<App>,
    Caller(scope): Caller,
    Body(wanted): Body<Wanted>,
) -> Result<axum::Json<Embeddings>, ApiError> {
    let space = app.corpus.live();
    if wanted.model != space.embedder.model() {
        return Err(ApiError::no_model(&wanted.model));
    }
    let dimensions = space.embedder.dimensions();
    if wanted.dimensions.is_some_and(|wanted| wanted != dimensions) {
        let message = format!("the vectors of this model have {dimensions} `dimensions`, and no others can be had");
        return Err(ApiError::bad_request("dimensions", message));
    }
    let shape: fn(Vec<f32>) -> Vector = match wanted.encoding_format.as_deref() {
        None | Some("float") => Vector::Numbers,
        Some("base64") => encoded,
        Some(_) => return Err(ApiError::bad_request("encoding_format", "`encoding_format` is `float` or `base64`")),
    };
    let texts = texts(wanted.input)?;
    let tokens: usize = texts.iter().map(|text| space.embedder.tokens().count(text)).sum();
    let taken = tokens as u64;
    let who = Who::present(scope.owner());
    let mut reservation = app.limits.reserve(&who, taken, LONGEST).await.map_err(Error::from)?;
    let started = Instant::now();
    let vectors = match &texts[..] {
        // A question of somebody who waits.
        [text] => vec![Arc::clone(&space).query(scope, text).await?.vector],
        _ => space.embedder.bulk(texts).await?,
    };
    reservation.used(taken);
    app.ledger.note(Passed {
        scope,
        purpose: Purpose::Embedding,
        provider: if app.settings.embedding_base_url.is_some() { "provider" } else { "local" }.to_owned(),
        model: wanted.model.clone(),
        usage: Usage { input_tokens: u32::try_from(tokens).unwrap_or(u32::MAX), estimated: true, ..Usage::default() },
        cost: None,
        milliseconds: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
        outcome: "ok",
    });
    let data = vectors.into_iter().enumerate();
    let data = data.map(|(index, vector)| Embedded { object: "embedding", index, embedding: shape(vector) });
    Ok(axum::Json(Embeddings {
        object: "list",
        data: data.collect(),
        model: wanted.model,
        usage: json!({ "prompt_tokens": tokens, "total_tokens": tokens }),
    }))
}

fn encoded(vector: Vec<f32>) -> Vector {
    let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
    Vector::Text(STANDARD.encode(bytes))
}

/// The texts, as many as there may be and none of them empty.
fn texts(input: Input) -> Result<Vec<String>, ApiError> {
    let texts = match input {
        Input::Text(text) => vec![text],
        Input::Texts(texts) => texts,
        Input::Tokens(tokens) => vec![decoded(&tokens)?],
        Input::Lists(lists) => lists.iter().map(|tokens| decoded(tokens)).collect::<Result<_, _>>()?,
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        return Err(ApiError::bad_request("input", format!("`input` holds 1 to {MAX_INPUTS} texts")));
    }
    if texts.iter().any(String::is_empty) {
        return Err(ApiError::bad_request("input", "`input` holds an empty text"));
    }
    Ok(texts)
}

/// The text of token ids. A list that was cut within a letter ends with a sign
/// for it.
fn decoded(tokens: &[u32]) -> Result<String, ApiError> {
    let bpe = &cl100k_base().bpe;
    let known = |token: &u32| usize::try_from(*token).is_ok_and(|token| token < bpe.num_tokens());
    if !tokens.iter().all(known) {
        let message = "`input` holds token ids that are none of `cl100k_base`; send texts instead (in LangChain: \
                       `check_embedding_ctx_length=False`)";
        return Err(ApiError::bad_request("input", message));
    }
    Ok(String::from_utf8_lossy(&bpe.decode_tokens(tokens)).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(input: Value) -> Result<Vec<String>, ApiError> {
        texts(serde_json::from_value(input).expect("an input"))
    }

    #[test]
    fn texts_and_their_tokens_are_the_same() {
        let tokens = cl100k_base().encode("Größer than 4 bar");
        for input in [json!("Größer than 4 bar"), json!(["Größer than 4 bar"]), json!(tokens), json!([tokens])] {
            assert_eq!(read(input).expect("texts"), ["Größer than 4 bar"]);
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for input in [json!([]), json!(""), json!(["a", ""]), json!([[1], []]), json!([4_000_000_000_u32])] {
            assert_eq!(read(input).expect_err("refused").surface, "input");
        }
        let many: Vec<&str> = vec!["a"; MAX_INPUTS + 1];
        assert!(read(json!(many)).is_err() && read(json!(many[1..])).is_ok());
        let refusal = read(json!([[100_277]])).expect_err("no token").message;
        assert!(refusal.contains("check_embedding_ctx_length=False"), "{refusal}");
    }

    #[test]
    fn numbers_in_text_are_little_endian() {
        let Vector::Text(text) = encoded(vec![1.0, -2.5]) else { unreachable!("a text") };
        assert_eq!(STANDARD.decode(text).expect("base64"), [0, 0, 128, 63, 0, 0, 32, 192]);
    }

    proptest! {
        #[test]
        fn every_token_has_a_text(tokens in proptest::collection::vec(0_u32..100_256, 1..20)) {
            prop_assert!(decoded(&tokens).is_ok());
        }
    }
}
