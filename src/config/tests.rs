use footnote_ingest::quota::{Quota, Quotas};

use super::*;

fn from(variables: &[(&str, &str)]) -> Result<Settings> {
    Settings::load(None, variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

#[test]
fn the_environment_stands_over_the_defaults() {
    let settings =
        from(&[("FOOTNOTE_MAX_FILE_BYTES", "1000"), ("OPENAI_BASE_URL", "http://localhost:1/v1")]).expect("settings");
    assert_eq!(settings.max_file_bytes, 1000);
    let providers = settings.all_providers();
    assert_eq!(providers.len(), 1);
    assert_eq!(providers[0].base_url.as_deref(), Some("http://localhost:1/v1"));
}

#[test]
fn folders_are_set_apart_by_commas() {
    let settings = from(&[("FOOTNOTE_SYNC_ROOTS", "/srv/a,/srv/b"), ("OCR_COMMAND", "tesseract {input} stdout")]);
    let settings = settings.expect("settings");
    assert_eq!(settings.sync_roots, [PathBuf::from("/srv/a"), PathBuf::from("/srv/b")]);
    assert_eq!(settings.ocr_command.as_deref(), Some("tesseract {input} stdout"));
    assert!(from(&[]).expect("settings").sync_roots.is_empty());
}

#[test]
fn models_that_take_no_pictures_are_set_apart_by_commas() {
    let settings = from(&[("FOOTNOTE_TEXT_MODELS", "gpt-oss:20b,deepseek/deepseek-chat")]).expect("settings");
    assert_eq!(settings.text_models, ["gpt-oss:20b", "deepseek/deepseek-chat"]);
}

#[test]
fn what_is_opened_to_fetches_is_a_list_of_networks_and_hosts() {
    let settings = from(&[("FOOTNOTE_FETCH_ALLOW", "10.1.0.0/16, wiki.internal")]).expect("settings");
    assert_eq!(settings.fetch_allow.len(), 2);
    settings.fetcher(&[]).expect("a fetcher");
    let wrong = from(&[("FOOTNOTE_FETCH_ALLOW", "10.1.0.0/99")]).expect("settings");
    let refusal = wrong.fetcher(&[]).expect_err("no network").to_string();
    assert!(refusal.contains("fetch_allow") && refusal.contains("10.1.0.0/99"), "{refusal}");
}

#[test]
fn quotas_are_none_unless_set_but_for_guests() {
    let quotas = from(&[]).expect("settings").corpus().quotas;
    assert_eq!(quotas.regular, Quotas::default());
    for quota in Quota::ALL {
        assert!(quotas.guest.limit(quota).is_some(), "guests have a limit of {}", quota.name());
    }
    let settings = from(&[("FOOTNOTE_QUOTA_DOCUMENTS", "10"), ("FOOTNOTE_QUOTA_GUEST_DOCUMENTS", "3")]);
    let quotas = settings.expect("settings").corpus().quotas;
    assert_eq!(quotas.regular, Quotas { documents: 10, ..Quotas::default() });
    assert_eq!(quotas.guest.limit(Quota::Documents), Some(3));
}

#[test]
fn a_wrong_value_is_refused_by_its_name() {
    let refusal = from(&[("FOOTNOTE_CONTEXT_WINDOW", "many")]).expect_err("no number").to_string();
    assert!(refusal.contains("context_window"), "{refusal}");
}

#[test]
fn an_unknown_key_of_the_file_is_refused_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("footnote.toml");
    std::fs::write(&file, "modle = \"x\"\n").expect("written");
    let refusal = Settings::load(Some(&file), []).expect_err("a typing error").to_string();
    assert!(refusal.contains("modle"), "{refusal}");
}

#[test]
fn secrets_are_not_printed() {
    let settings = from(&[("OPENAI_API_KEY", "sk-canary")]).expect("settings");
    assert!(!format!("{settings:?}").contains("canary"));
}

#[test]
fn every_field_can_be_set_from_the_environment() {
    // A key that is no field is refused, so each name must be one.
    let file: String = environment::FIELDS.iter().map(|name| format!("# {name}\n")).collect();
    assert_eq!(file.lines().count(), environment::FIELDS.len());
    let debug = format!("{:?}", Settings::default());
    for name in environment::FIELDS {
        let own = name.rsplit('.').next().expect("a name");
        assert!(debug.contains(&format!("{own}:")), "`{name}` is no setting");
    }
    // The two tables themselves are none.
    assert_eq!(debug.matches(": ").count(), environment::FIELDS.len() + 2, "a setting has no variable");
}

#[test]
fn providers_and_prices_of_the_file_stand_beside_those_of_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("footnote.toml");
    let text = r#"
        fallback_models = ["deepseek/deepseek-chat"]
        [[providers]]
        name = "deepseek"
        base_url = "http://localhost:2/v1"
        api_key_env = "DEEPSEEK_API_KEY"
        requests_per_minute = 60
        [prices."deepseek/deepseek-chat"]
        input = 0.27
        output = 1.1
    "#;
    std::fs::write(&file, text).expect("written");
    let settings = Settings::load(Some(&file), [("ANTHROPIC_API_KEY".into(), "sk-canary".into())]).expect("settings");
    let names: Vec<String> = settings.all_providers().into_iter().map(|provider| provider.name).collect();
    assert_eq!(names, ["anthropic", "deepseek"]);
    assert_eq!(settings.prices.len(), 1);
    assert_eq!(settings.fallback_models, ["deepseek/deepseek-chat"]);
}

#[test]
fn limits_are_a_table_of_the_file_and_variables_of_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("footnote.toml");
    std::fs::write(&file, "[limits]\nguest_requests = 7\nrequests = 8\n").expect("written");
    let variables = [("FOOTNOTE_LIMITS_REQUESTS", "9"), ("FOOTNOTE_TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1")];
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let settings = Settings::load(Some(&file), variables).expect("settings");
    let expected = LimitSettings { guest_requests: 7, requests: 9, ..LimitSettings::default() };
    assert_eq!(settings.limits, expected);
    assert_eq!(settings.trusted_proxies, ["10.0.0.0/8", "192.0.2.1"]);
    assert!(from(&[("FOOTNOTE_LIMITS_STREAMS", "many")]).is_err());
}
