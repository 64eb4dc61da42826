//! Settings of those who answer: providers, prices, steps, limits.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::Settings;
use crate::error::{Error, Result};
use crate::reranker::Reranker;

/// The protocol that a provider speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// OpenAI's Chat Completions, and whoever speaks them.
    #[default]
    Openai,
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's own.
    Gemini,
}

/// A provider of models.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    /// What it is called: `name/model` chooses a model of it.
    pub name: String,
    /// Its protocol.
    pub kind: Kind,
    /// Its base URL; none is the protocol's own.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: Option<SecretString>,
    /// The environment variable that holds its key.
    pub api_key_env: Option<String>,
    /// Models that it is known to have.
    pub models: Vec<String>,
    /// Tokens that its models take; none goes by the model's name.
    pub context_window: Option<usize>,
    /// Requests that we send it in a minute, at most.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens that we send it in a minute, at most.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests that we have with it at once, at most.
    pub concurrent: Option<NonZeroUsize>,
}

impl ProviderSettings {
    /// Whether the settings can be meant.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names what is wrong.
    pub fn check(&self) -> Result<()> {
        let invalid = |problem: String| Err(Error::Invalid { field: "providers", problem });
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || !self.name.chars().all(letters) {
            return invalid(format!("has the name `{}`; use letters, digits, `-`, `_` and `.`", self.name));
        }
        if self.api_key.is_some() && self.api_key_env.is_some() {
            return invalid(format!("`{}` has both `api_key` and `api_key_env`; leave one out", self.name));
        }
        Ok(())
    }
}

/// What a model costs, in US dollars a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// What it reads.
    pub input: f64,
    /// What it reads from the provider's cache; none costs as what it reads.
    pub cached: Option<f64>,
    /// What it writes.
    pub output: f64,
}

impl Price {
    /// Dollars for so many tokens; `cached` are among `input`.
    #[must_use]
    pub fn of(&self, input: u32, cached: u32, output: u32) -> f64 {
        let fresh = f64::from(input.saturating_sub(cached)) * self.input;
        let cached = f64::from(cached.min(input)) * self.cached.unwrap_or(self.input);
        (fresh + cached + f64::from(output) * self.output) / 1e6
    }
}

/// Prices by model; `name/model` goes before `model`.
pub type Prices = BTreeMap<String, Price>;

impl Settings {
    /// Who looks at what was found once more, if anybody does.
    ///
    /// # Errors
    /// [`Error::Setting`] for an address that is none, or without a model.
    pub fn reranker(&self) -> Result<Option<Reranker>> {
        let setting = |name: &str, problem: String| Error::Setting { setting: name.into(), problem };
        let Some(base_url) = &self.reranker_base_url else { return Ok(None) };
        let Some(model) = self.reranker_model.clone() else {
            return Err(setting("FOOTNOTE_RERANKER_MODEL", "is missing; name a model of the reranker".into()));
        };
        let made = Reranker::new(base_url, self.reranker_api_key.clone(), model);
        Ok(Some(made.map_err(|problem| setting("FOOTNOTE_RERANKER_BASE_URL", problem))?))
    }

    /// All providers: those of the environment under their own names, then
    /// those of the file.
    #[must_use]
    pub fn all_providers(&self) -> Vec<ProviderSettings> {
        let known = [
            ("openai", Kind::Openai, &self.openai_api_key, &self.openai_base_url),
            ("anthropic", Kind::Anthropic, &self.anthropic_api_key, &self.anthropic_base_url),
            ("gemini", Kind::Gemini, &self.gemini_api_key, &self.gemini_base_url),
        ];
        let set = known.into_iter().filter(|(_, _, key, url)| key.is_some() || url.is_some());
        let set = set.map(|(name, kind, key, url)| ProviderSettings {
            name: name.to_owned(),
            kind,
            base_url: url.clone(),
            api_key: key.clone(),
            context_window: self.context_window,
            ..ProviderSettings::default()
        });
        set.chain(self.providers.iter().cloned()).collect()
    }

    /// Time limits of a provider: to the first token, and between tokens.
    #[must_use]
    pub fn provider_timeouts(&self) -> (Duration, Duration) {
        (Duration::from_secs(self.first_token_timeout), Duration::from_secs(self.idle_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_cost_their_own_price() {
        let price = Price { input: 2.0, cached: Some(0.5), output: 8.0 };
        let dollars = price.of(1_000_000, 400_000, 100_000);
        assert!((dollars - (1.2 + 0.2 + 0.8)).abs() < 1e-9, "{dollars}");
        assert!((Price { cached: None, ..price }.of(10, 99, 0) - 2e-5).abs() < 1e-12);
    }

    #[test]
    fn a_provider_without_a_name_or_with_two_keys_is_refused() {
        let good =
            ProviderSettings { name: "deepseek".into(), base_url: Some("http://h/v1".into()), ..Default::default() };
        assert!(good.check().is_ok());
        assert!(ProviderSettings { name: "a b".into(), ..good.clone() }.check().is_err());
        let key = Some("sk".to_owned().into());
        assert!(ProviderSettings { api_key: key, api_key_env: Some("KEY".into()), ..good }.check().is_err());
    }
}
