//! What a question is asked with beside its words, as requests give it.

use footnote_ingest::index::MetaFilter;
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use super::extract;
use crate::app::App;
use crate::chat::{Ask, Options};
use crate::llm::ToolChoice;

/// Tools that a question may name, at most.
const MAX_TOOLS: usize = 256;

/// Where the reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hints {
    /// The reader's language, such as `de-CH`.
    locale: Option<String>,
    /// The reader's time zone, such as `Europe/Zurich`.
    time_zone: Option<String>,
}

/// What a request gives; the rest is left out.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) collections: Option<Vec<String>>,
    pub(super) filter: Option<MetaFilter>,
    pub(super) model: Option<String>,
    pub(super) temperature: Option<f32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) tools: Option<Vec<String>>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) hints: Hints,
}

impl Given {
    /// A question that has no words yet.
    ///
    /// # Errors
    /// Names what cannot be taken, and says what can.
    pub(super) async fn read(self, app: &App, scope: Scope) -> Result<Ask, ApiError> {
        self.check()?;
        let options = Options {
            collections: extract::collections(app, scope, self.collections.as_deref()).await?,
            filter: self.filter,
            model: self.model,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            tools: self.tools,
            tool_choice: self.tool_choice,
            locale: self.hints.locale,
            time_zone: self.hints.time_zone,
        };
        Ok(Ask { options, ..Ask::new(String::new()) })
    }

    fn check(&self) -> Result<(), ApiError> {
        let wrong = |field: &'static str, message: String| Err(ApiError::unprocessable(field, message));
        if self.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            return wrong("temperature", "`temperature` is from 0 to 2".into());
        }
        if self.max_tokens == Some(0) {
            return wrong("max_tokens", "`max_tokens` is at least 1".into());
        }
        if self.tools.as_ref().map_or(0, Vec::len) > MAX_TOOLS {
            return wrong("tools", format!("`tools` names {MAX_TOOLS} at most"));
        }
        if let Some(zone) = &self.hints.time_zone
            && crate::tools::current_time::zone(zone).is_none()
        {
            return wrong("hints", "`hints.time_zone` is a name such as `Europe/Zurich`".into());
        }
        Ok(())
    }
}
