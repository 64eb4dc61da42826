//! The choice between the models that are set up. Imports `llm`, settings and
//! errors.

mod connect;
mod habits;

use std::sync::Arc;

use crate::config::{Kind, Prices, Settings};
use crate::error::{Error, Result};
use crate::llm::remote::Remote;
use crate::llm::{EXTRACTIVE, Provider, Usage};

pub use habits::Habits;

/// Characters of a model's name, at most.
const NAME_LENGTH: usize = 200;

/// The models that are set up.
pub struct Models {
    extractive: Arc<dyn Provider>,
    providers: Vec<Configured>,
    default: String,
    fallbacks: Vec<String>,
    /// Those that take no pictures.
    blind: Vec<String>,
    prices: Prices,
    habits: Habits,
}

/// A provider with what settings say of it.
struct Configured {
    remote: Remote,
    kind: Kind,
    models: Vec<String>,
}

/// A model that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name, as callers choose it.
    pub name: String,
    /// Who runs it.
    pub provider: String,
    /// Whether it looks at pictures.
    pub images: bool,
}

impl Models {
    /// The answerers that the settings name, and the built-in one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for settings that cannot be meant, such as a default
    /// that needs a provider when none is set up.
    pub fn new(extractive: Arc<dyn Provider>, settings: &Settings) -> Result<Self> {
        let mut providers: Vec<Configured> = Vec::new();
        for provider in settings.all_providers() {
            provider.check()?;
            if providers.iter().any(|other| other.remote.name() == provider.name) {
                let problem = format!("has two of the name `{}`; give each its own", provider.name);
                return Err(Error::Invalid { field: "providers", problem });
            }
            let remote = connect::connect(&provider, settings)?;
            providers.push(Configured { remote, kind: provider.kind, models: provider.models });
        }
        let default = settings.model.trim().to_owned();
        let (fallbacks, prices) = (settings.fallback_models.clone(), settings.prices.clone());
        let blind = settings.text_models.iter().map(|name| name.trim().to_owned()).collect();
        let habits = Habits::default();
        let models = Self { extractive, providers, default, fallbacks, blind, prices, habits };
        models.choose(None)?;
        for name in &models.fallbacks {
            models.choose(Some(name))?;
        }
        Ok(models)
    }

    /// The model of this name, or the default one: `provider/model`, a name
    /// that a provider lists, one that tells whose it is, or else a name that
    /// the first OpenAI-compatible provider may know.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that nobody can answer to.
    pub fn choose(&self, name: Option<&str>) -> Result<Arc<dyn Provider>> {
        let name = name.unwrap_or(&self.default).trim();
        if name == EXTRACTIVE {
            return Ok(self.extractive());
        }
        if name.is_empty() || name.chars().count() > NAME_LENGTH || name.contains(char::is_control) {
            let problem = format!("must be `{EXTRACTIVE}` or a model's name of at most {NAME_LENGTH} characters");
            return Err(Error::Invalid { field: "model", problem });
        }
        let Some((provider, model)) = self.find(name) else {
            return Err(Error::Invalid {
                field: "model",
                problem: format!(
                    "is `{name}`, but no provider for it is set up; set OPENAI_API_KEY, ANTHROPIC_API_KEY, \
                     GEMINI_API_KEY or OPENAI_BASE_URL, or use `extractive`"
                ),
            });
        };
        let chosen = provider.remote.model(model, name);
        Ok(Arc::new(if self.is_blind(provider, model) { chosen.without_images() } else { chosen }))
    }

    /// What was seen of models so far.
    #[must_use]
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    /// Whether settings say of a model, by the name that its provider knows, that
    /// it takes no pictures.
    fn is_blind(&self, provider: &Configured, model: &str) -> bool {
        let full = format!("{}/{model}", provider.remote.name());
        self.blind.iter().any(|name| *name == model || *name == full)
    }

    fn find<'a>(&self, name: &'a str) -> Option<(&Configured, &'a str)> {
        if let Some((first, rest)) = name.split_once('/')
            && let Some(provider) = self.providers.iter().find(|provider| provider.remote.name() == first)
        {
            return Some((provider, rest));
        }
        let lists = |provider: &&Configured| provider.models.iter().any(|model| model == name);
        let kind = match () {
            () if name.starts_with("claude-") => Kind::Anthropic,
            () if name.starts_with("gemini-") => Kind::Gemini,
            () => Kind::Openai,
        };
        let of = |kind: Kind| self.providers.iter().find(|provider| provider.kind == kind);
        let found = self.providers.iter().find(lists).or_else(|| of(kind)).or_else(|| of(Kind::Openai));
        found.map(|provider| (provider, name))
    }

    /// Who answers, in this order, when the model `but` cannot.
    #[must_use]
    pub fn fallbacks(&self, but: &str) -> Vec<Arc<dyn Provider>> {
        let names = self.fallbacks.iter().filter(|name| *name != but);
        let mut others: Vec<Arc<dyn Provider>> = names.filter_map(|name| self.choose(Some(name)).ok()).collect();
        if but != EXTRACTIVE {
            others.push(self.extractive());
        }
        others
    }

    /// Dollars that a call of this model cost; none where no price is set.
    #[must_use]
    pub fn cost(&self, provider: &dyn Provider, usage: &Usage) -> Option<f64> {
        let name = provider.name();
        let full = format!("{}/{name}", provider.provider());
        let bare = name.strip_prefix(provider.provider()).and_then(|rest| rest.strip_prefix('/'));
        let names = [Some(full.as_str()), Some(name), bare];
        let price = names.into_iter().flatten().find_map(|name| self.prices.get(name))?;
        Some(price.of(usage.input_tokens, usage.cached_tokens, usage.output_tokens))
    }

    /// The answerer that quotes the documents.
    #[must_use]
    pub fn extractive(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.extractive)
    }

    /// The model that answers unless another is named.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Models that are known to be there, the default first. A provider may
    /// take more than these.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let listed = self.providers.iter().flat_map(|provider| {
            let name = provider.remote.name();
            provider.models.iter().map(move |model| format!("{name}/{model}"))
        });
        let names = [self.default.clone()].into_iter().chain(self.fallbacks.iter().cloned()).chain(listed);
        let mut known: Vec<Known> = Vec::new();
        for name in names.chain([EXTRACTIVE.to_owned()]) {
            let Ok(model) = self.choose(Some(&name)) else { continue };
            if known.iter().all(|other| other.name != name) {
                let images = model.capabilities().images;
                known.push(Known { provider: model.provider().to_owned(), name, images });
            }
        }
        known
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let providers: Vec<&str> = self.providers.iter().map(|provider| provider.remote.name()).collect();
        f.debug_struct("Models").field("providers", &providers).field("default", &self.default).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
