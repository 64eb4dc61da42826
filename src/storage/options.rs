//! What questions were asked with beside their words. Imports ids and the plain
//! types of `llm`.

use footnote_ingest::index::MetaFilter;
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;

use crate::ids::{CollectionId, MessageId};
use crate::llm::ToolChoice;

/// What a question was asked with beside its words. What was left out is none.
///
/// Rows are read by programs that are older and newer than the one that wrote
/// them: fields may be missing, and unknown ones are passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Collections that ground it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<CollectionId>>,
    /// Only documents whose metadata fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<MetaFilter>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// For models that take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Tokens of the answer, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Tools that may be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Whether one must be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// The reader's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The reader's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What a question of the scope was asked with; nothing where that was not
/// stored.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, question: MessageId) -> sqlx::Result<Options> {
    let found = sqlx::query_scalar!(
        r#"select asked_with as "asked_with: Json<Options>" from messages where id = $1 and owner_id = $2"#,
        question as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.flatten().map(|Json(options)| options).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_of_older_and_newer_programs_are_read() {
        let read = |row| serde_json::from_value::<Options>(row).expect("options");
        assert_eq!(read(json!({})), Options::default());
        let newer = json!({ "locale": "de", "tool_choice": { "name": "calculate" }, "mood": ["cheerful"] });
        let expected = Options {
            locale: Some("de".into()),
            tool_choice: Some(ToolChoice::Named { name: "calculate".into() }),
            ..Options::default()
        };
        assert_eq!(read(newer), expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let whole = json!({
            "collections": [CollectionId::new()], "filter": { "year": { "gte": 2024.0 }, "language": ["de", "en"] },
            "model": "m", "temperature": 0.5, "max_tokens": 77, "tools": [], "tool_choice": "none", "locale": "de-CH",
            "time_zone": "Europe/Zurich",
        });
        let options: Options = serde_json::from_value(whole.clone()).expect("options");
        assert_eq!(serde_json::to_value(&options).expect("JSON"), whole);
        assert_eq!(serde_json::to_value(Options::default()).expect("JSON"), json!({}));
    }
}
