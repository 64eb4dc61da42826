//! The choice between the models that are set up. Imports `llm`, settings and
//! errors.

mod habits;

use std::sync::Arc;

use secrecy::SecretString;

use crate::config::{Kind, Prices, ProviderSettings, Settings};
use crate::error::{Error, Result};
use crate::llm::guard::Limits;
use crate::llm::remote::{Config, Remote};
use crate::llm::{EXTRACTIVE, Provider, Usage, anthropic, gemini, openai};

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
            let remote = connect(&provider, settings)?;
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

/// Where the protocol's own provider answers.
fn home(kind: Kind) -> &'static str {
    match kind {
        Kind::Openai => "https://api.openai.com/v1",
        Kind::Anthropic => "https://api.anthropic.com",
        Kind::Gemini => "https://generativelanguage.googleapis.com",
    }
}

/// A provider as its settings describe it.
fn connect(provider: &ProviderSettings, settings: &Settings) -> Result<Remote> {
    let of_environment = settings.providers.iter().all(|other| other.name != provider.name);
    let upper = provider.name.to_uppercase();
    let (first_token_timeout, idle_timeout) = settings.provider_timeouts();
    let api_key = match &provider.api_key_env {
        Some(variable) => {
            let key = std::env::var(variable).ok().filter(|key| !key.is_empty());
            let missing = || Error::Invalid {
                field: "providers",
                problem: format!("`{}` takes its key from {variable}, which is not set", provider.name),
            };
            Some(SecretString::from(key.ok_or_else(missing)?))
        }
        None => provider.api_key.clone(),
    };
    let setting = |what: &str, variable: String| {
        if of_environment { variable } else { format!("`{what}` of the provider `{}`", provider.name) }
    };
    let config = Config {
        name: provider.name.clone(),
        api_key,
        key_setting: setting("api_key", format!("{upper}_API_KEY")),
        url_setting: setting("base_url", format!("{upper}_BASE_URL")),
        context_window: provider.context_window,
        limits: Limits {
            requests_per_minute: provider.requests_per_minute,
            tokens_per_minute: provider.tokens_per_minute,
            concurrent: provider.concurrent,
        },
        first_token_timeout,
        idle_timeout,
        ..Config::new(provider.base_url.as_deref().unwrap_or_else(|| home(provider.kind)))
    };
    Ok(match provider.kind {
        Kind::Openai => openai::provider(config)?,
        Kind::Anthropic => anthropic::provider(config)?,
        Kind::Gemini => gemini::provider(config)?,
    })
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let providers: Vec<&str> = self.providers.iter().map(|provider| provider.remote.name()).collect();
        f.debug_struct("Models").field("providers", &providers).field("default", &self.default).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::config::Price;
    use crate::llm::{Capabilities, DeltaStream, LlmError, Request};

    struct Silent;

    impl Provider for Silent {
        fn name(&self) -> &str {
            EXTRACTIVE
        }
        fn provider(&self) -> &str {
            EXTRACTIVE
        }
        fn stream(&self, _: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
            async { Ok(futures::stream::empty().boxed()) }.boxed()
        }
        fn context_window(&self) -> usize {
            usize::MAX
        }
        fn count_tokens(&self, text: &str) -> usize {
            text.len()
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities { instructed: false, tools: false, images: false, citations: false, exact_counts: true }
        }
    }

    fn models(change: impl FnOnce(&mut Settings)) -> Result<Models> {
        let mut settings = Settings::default();
        change(&mut settings);
        Models::new(Arc::new(Silent), &settings)
    }

    fn with_provider(settings: &mut Settings) {
        settings.openai_base_url = Some("http://127.0.0.1:1/v1".into());
    }

    fn named(name: &str) -> ProviderSettings {
        let base_url = Some("http://127.0.0.1:2/v1".into());
        ProviderSettings { name: name.into(), base_url, models: vec!["small".into()], ..Default::default() }
    }

    #[test]
    fn without_a_provider_a_models_name_is_refused_with_what_to_set() {
        let models = models(|_| {}).expect("models");
        assert_eq!(models.choose(None).expect("the default").name(), EXTRACTIVE);
        let refusal = models.choose(Some("gpt-4o")).err().expect("no provider").to_string();
        assert!(refusal.contains("OPENAI_API_KEY") && refusal.contains("gpt-4o"), "{refusal}");
        assert_eq!(models.known().len(), 1);
    }

    #[test]
    fn a_default_or_fallback_that_needs_a_provider_is_refused_at_the_start() {
        assert!(models(|settings| settings.model = "gpt-4o".into()).is_err());
        assert!(models(|settings| settings.fallback_models = vec!["gpt-4o".into()]).is_err());
    }

    #[test]
    fn with_a_provider_any_name_is_its_model_but_extractive() {
        let models = models(|settings| {
            with_provider(settings);
            settings.model = "qwen3:8b".into();
        });
        let models = models.expect("models");
        assert_eq!(models.choose(None).expect("the default").name(), "qwen3:8b");
        assert_eq!(models.choose(Some("other")).expect("another").name(), "other");
        assert_eq!(models.choose(Some(EXTRACTIVE)).expect("extractive").name(), EXTRACTIVE);
        let names: Vec<String> = models.known().into_iter().map(|model| model.name).collect();
        assert_eq!(names, ["qwen3:8b", EXTRACTIVE]);
    }

    #[test]
    fn a_provider_is_chosen_by_its_name_its_list_or_the_models_name() {
        let models = models(|settings| {
            with_provider(settings);
            let claude = ProviderSettings { kind: Kind::Anthropic, ..named("own-claude") };
            settings.providers = vec![named("deepseek"), claude];
        });
        let models = models.expect("models");
        let provider = |name: &str| models.choose(Some(name)).expect("a model").provider().to_owned();
        assert_eq!(provider("deepseek/any/name"), "deepseek");
        assert_eq!(provider("small"), "deepseek");
        assert_eq!(provider("claude-x"), "own-claude");
        assert_eq!(provider("meta/llama"), "openai");
    }

    #[test]
    fn two_providers_of_one_name_are_refused() {
        let refusal = models(|settings| settings.providers = vec![named("a"), named("a")]);
        assert!(refusal.expect_err("two").to_string().contains("`a`"));
    }

    #[test]
    fn others_answer_in_their_order_and_the_documents_last() {
        let models = models(|settings| {
            with_provider(settings);
            settings.fallback_models = vec!["one".into(), "two".into()];
        });
        let models = models.expect("models");
        let names =
            |but: &str| -> Vec<String> { models.fallbacks(but).iter().map(|model| model.name().to_owned()).collect() };
        assert_eq!(names("one"), ["two", EXTRACTIVE]);
        assert_eq!(names("three"), ["one", "two", EXTRACTIVE]);
    }

    #[test]
    fn a_price_goes_by_the_full_name_first() {
        let models = models(|settings| {
            with_provider(settings);
            let price = |input| Price { input, cached: None, output: 0.0 };
            settings.prices = [("m".into(), price(1.0)), ("openai/m".into(), price(2.0))].into();
        });
        let models = models.expect("models");
        let usage = Usage { input_tokens: 1_000_000, ..Usage::default() };
        let cost = |name: &str| models.cost(models.choose(Some(name)).expect("a model").as_ref(), &usage);
        assert_eq!(cost("m"), Some(2.0));
        assert_eq!(cost("openai/m"), Some(2.0));
        assert_eq!(cost("free"), None);
    }

    #[test]
    fn models_look_at_pictures_unless_settings_say_that_they_take_none() {
        let models = models(|settings| {
            with_provider(settings);
            settings.providers = vec![named("a"), named("b")];
            settings.text_models = vec!["b/small".into(), " vendor/gpt-oss".into()];
        });
        let models = models.expect("models");
        let looks = |name: &str| models.choose(Some(name)).expect("a model").capabilities().images;
        for blind in ["b/small", "vendor/gpt-oss", "a/vendor/gpt-oss", EXTRACTIVE] {
            assert!(!looks(blind), "{blind}");
        }
        // The name alone is that of the first who lists it.
        for seeing in ["small", "a/small", "gpt-oss", "b/smaller"] {
            assert!(looks(seeing), "{seeing}");
        }
        let told: Vec<(String, bool)> = models.known().into_iter().map(|known| (known.name, known.images)).collect();
        assert_eq!(told, [(EXTRACTIVE.into(), false), ("a/small".into(), true), ("b/small".into(), false)]);
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let models = models(with_provider).expect("models");
        for name in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(models.choose(Some(name)).is_err(), "{name:?}");
        }
    }
}
