//! Conversations by words.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::Query;
use super::page::{Page, Size};
use crate::app::App;
use crate::conversations::{self, Found};
use crate::ids::ConversationId;

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Words {
    /// Words that all stand in one place, in any order; `"a phrase"`, `or` and
    /// `-without` are understood.
    q: String,
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<String>,
}

/// Conversations in which a title, a question or an answer holds the words, best
/// first, archived ones too. Each comes once, with the place that fits best.
#[utoipa::path(
    get, path = "/api/v1/conversations/search", tag = "conversations", params(Words),
    responses((status = 200, body = Page<Found>), (status = 422, body = Envelope))
)]
pub(super) async fn search(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(words): Query<Words>,
) -> Result<axum::Json<Page<Found>>, ApiError> {
    let size = Size::new(words.limit)?;
    let after = words.cursor.as_deref().map(parse_cursor).transpose()?;
    let found = conversations::search(&app.db, scope, &words.q, after, size.to_load()).await?;
    Ok(size.cut(found, |last| cursor(last.rank, last.conversation.id)))
}

/// A place in the list: the last one's rank, bit by bit, and which it was.
fn cursor(rank: f32, id: ConversationId) -> String {
    format!("{:08x}.{id}", rank.to_bits())
}

fn parse_cursor(text: &str) -> Result<(f32, ConversationId), ApiError> {
    let parsed = text.split_once('.').and_then(|(rank, id)| {
        let rank = f32::from_bits(u32::from_str_radix(rank, 16).ok()?);
        rank.is_finite().then_some((rank, id.parse().ok()?))
    });
    parsed.ok_or_else(|| ApiError::unprocessable("cursor", "`cursor` is not one that a page gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let id = ConversationId::new();
        for rank in [0.0, 0.060_792_71, 1.0, f32::MIN_POSITIVE] {
            let (read, same) = parse_cursor(&cursor(rank, id)).expect("a cursor");
            assert_eq!((read.to_bits(), same), (rank.to_bits(), id));
        }
        for wrong in ["", "x", "3f800000", "3f800000.x", &format!("7fc00000.{id}"), &format!("+.{id}")] {
            assert!(parse_cursor(wrong).is_err(), "{wrong}");
        }
    }
}
