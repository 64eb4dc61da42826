use std::os::unix::fs::PermissionsExt;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn keys_are_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing-keys.json");
    let made = Keyring::load_or_create(&path, at(0)).unwrap();
    let found = Keyring::load_or_create(&path, at(9)).unwrap();
    assert_eq!(made.active.id, found.active.id);
    assert_eq!(made.active.secret.expose_secret(), found.active.secret.expose_secret());
    assert_eq!(found.active_since(), at(0));
    assert_eq!(found.active.secret.expose_secret().len(), 32);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn two_services_never_have_the_same_keys() {
    let (one, two) = (Keyring::generate(at(0)).unwrap(), Keyring::generate(at(0)).unwrap());
    assert_ne!(one.active.id, two.active.id);
    assert_ne!(one.active.secret.expose_secret(), two.active.secret.expose_secret());
}

#[test]
fn a_file_that_others_can_read_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing-keys.json");
    Keyring::load_or_create(&path, at(0)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refusal = Keyring::load_or_create(&path, at(0)).unwrap_err();
    assert!(matches!(refusal, KeyringError::File(SecretFileError::Open { .. })));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_key_that_was_replaced_verifies_until_its_end() {
    let mut keys = Keyring::generate(at(0)).unwrap();
    let first = keys.active.id.clone();
    keys.rotate(at(10), HOUR).unwrap();
    let second = keys.active.id.clone();
    assert_ne!(first, second);
    assert!(keys.verifying(&first, at(3609)).is_some());
    assert!(keys.verifying(&first, at(3610)).is_none());
    assert!(keys.verifying(&second, at(1_000_000)).is_some());
    keys.rotate(at(3610), HOUR).unwrap();
    assert_eq!(keys.older.len(), 1);
    assert!(keys.verifying("", at(0)).is_none());
}

#[test]
fn a_rotation_is_kept_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing-keys.json");
    let mut keys = Keyring::load_or_create(&path, at(0)).unwrap();
    let first = keys.active.id.clone();
    keys.rotate(at(10), HOUR).unwrap();
    keys.save(&path).unwrap();
    let found = Keyring::load_or_create(&path, at(20)).unwrap();
    assert_eq!(found.active.id, keys.active.id);
    assert!(found.verifying(&first, at(20)).is_some());
    assert!(found.verifying(&first, at(4000)).is_none());
}

#[test]
fn of_many_that_find_the_active_key_old_one_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing-keys.json");
    let age = chrono::TimeDelta::minutes(10);
    let first = Keyring::load_young(&path, at(0), age, HOUR).unwrap().active.id;
    assert_eq!(Keyring::load_young(&path, at(600), age, HOUR).unwrap().active.id, first);
    let young = || Keyring::load_young(&path, at(601), age, HOUR).unwrap();
    let found: Vec<Keyring> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(young)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_ne!(found[0].active.id, first);
    for keys in &found {
        assert_eq!((&keys.active.id, keys.older.len()), (&found[0].active.id, 1));
        assert!(keys.verifying(&first, at(602)).is_some());
    }
}

#[test]
fn rotating_too_often_is_refused_and_changes_nothing() {
    let mut keys = Keyring::generate(at(0)).unwrap();
    for _ in 1..MAX_KEYS {
        keys.rotate(at(0), HOUR).unwrap();
    }
    let active = keys.active.id.clone();
    assert!(matches!(keys.rotate(at(0), HOUR), Err(KeyringError::TooMany)));
    assert_eq!(keys.active.id, active);
    let json = keys.to_json().unwrap();
    assert_eq!(Keyring::from_json(json.expose_secret()).unwrap().older.len(), MAX_KEYS - 1);
    keys.rotate(at(3600), HOUR).unwrap();
    assert_eq!(keys.older.len(), 1);
}

#[test]
fn damaged_files_are_refused_without_quoting_them() {
    let secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";
    let key = |id: &str, secret: &str, end: &str| {
        format!(r#"{{"id":"{id}","secret":"{secret}","made_at":"2026-01-01T00:00:00Z","ends_at":{end}}}"#)
    };
    let file = |keys: &[String]| format!(r#"{{"version":1,"keys":[{}]}}"#, keys.join(","));
    let end = r#""2026-01-02T00:00:00Z""#;
    assert!(Keyring::from_json(file(&[key("a", secret, "null"), key("b", secret, end)]).as_bytes()).is_ok());
    let bad = [
        String::new(),
        "{}".into(),
        file(&[]),
        file(&[key("a", secret, end)]),
        file(&[key("a", secret, "null"), key("b", secret, "null")]),
        file(&[key("a", secret, "null"), key("a", secret, end)]),
        file(&[key("", secret, "null")]),
        file(&[key(&"a".repeat(65), secret, "null")]),
        file(&[key("a b", secret, "null")]),
        file(&[key("a", &secret[..42], "null")]),
        file(&[key("a", &format!("{secret}AA"), "null")]),
        file(&[key("a", &"A".repeat(43), "null")]),
        file(&[key("a", "", "null")]),
        file(&[key("a", secret, "null")]).replace("\"version\":1", "\"version\":2"),
        file(&[key("a", secret, "null")]).replace("\"id\"", "\"alg\":\"none\",\"id\""),
        file(&vec![key("a", secret, end); 17]),
    ];
    for json in bad {
        let refusal = Keyring::from_json(json.as_bytes()).expect_err(&json);
        assert!(matches!(refusal, KeyringError::Damaged(_)));
        assert!(!format!("{refusal} {refusal:?}").contains("c2Vj"));
    }
}

#[test]
fn nothing_shows_when_printed() {
    assert_eq!(format!("{:?}", Keyring::generate(at(0)).unwrap()), "Keyring");
}
