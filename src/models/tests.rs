use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::*;
use crate::config::{Price, ProviderSettings};
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
