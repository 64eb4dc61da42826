//! What is right, wrong and old.

use std::time::{Duration, Instant};

use super::*;

fn secret(text: &str) -> SecretString {
    text.into()
}

fn check(stored: &str, given: &str) -> Verdict {
    verify(Some(stored), &secret(given)).unwrap()
}

#[test]
fn a_hash_has_the_parameters_that_we_promise_and_a_salt_of_its_own() {
    let (one, two) = (hash(&secret("correct horse")).unwrap(), hash(&secret("correct horse")).unwrap());
    assert_ne!(one, two);
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    let parsed = PasswordHash::new(&one).unwrap();
    assert_eq!(parsed.salt.unwrap().len(), 16);
    assert_eq!(parsed.hash.unwrap().len(), 32);
    assert_eq!(check(&one, "correct horse"), Verdict::Right);
    assert_eq!(check(&one, "correct horsf"), Verdict::Wrong);
    assert_eq!(check(&one, ""), Verdict::Wrong);
}

#[test]
fn every_byte_matters_beyond_the_72nd_too() {
    let long = "x".repeat(1024);
    let stored = hash(&secret(&long)).unwrap();
    assert_eq!(check(&stored, &long), Verdict::Right);
    for at in [0, 63, 71, 72, 73, 255, 1023] {
        let mut other = long.clone();
        other.replace_range(at..=at, "y");
        assert_eq!(check(&stored, &other), Verdict::Wrong, "{at}");
    }
    assert_eq!(check(&stored, &long[..72]), Verdict::Wrong);
}

#[test]
fn a_zero_byte_does_not_end_a_password() {
    let stored = hash(&secret("before\0after")).unwrap();
    assert_eq!(check(&stored, "before\0after"), Verdict::Right);
    assert_eq!(check(&stored, "before\0other"), Verdict::Wrong);
}

#[test]
fn the_bounds_of_length_are_kept() {
    assert_eq!(hash(&secret("1234567")), Err(PasswordError::TooShort));
    assert!(hash(&secret("12345678")).is_ok());
    assert!(hash(&secret(&"a".repeat(1024))).is_ok());
    assert_eq!(hash(&secret(&"a".repeat(1025))), Err(PasswordError::TooLong));
    let long = secret(&"a".repeat(1025));
    assert_eq!(verify(None, &long), Err(PasswordError::TooLong));
    assert_eq!(verify(Some(NOBODY), &long), Err(PasswordError::TooLong));
}

#[test]
fn a_megabyte_is_refused_before_hashing() {
    let long = secret(&"a".repeat(1_000_000));
    let started = Instant::now();
    for _ in 0..1000 {
        assert_eq!(hash(&long), Err(PasswordError::TooLong));
        assert_eq!(verify(Some(NOBODY), &long), Err(PasswordError::TooLong));
    }
    // Two thousand hashes would take most of a minute.
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_same_password_from_another_keyboard_is_right() {
    let stored = hash(&secret("caf\u{e9} cr\u{e8}me")).unwrap();
    assert_eq!(check(&stored, "cafe\u{301} cre\u{300}me"), Verdict::Right);
    assert_eq!(check(&stored, "caf\u{e9}\u{a0}cr\u{e8}me"), Verdict::Right);
    assert_eq!(check(&stored, "cafe creme"), Verdict::Wrong);
    // Compatible forms are other characters.
    let stored = hash(&secret("ﬁne words")).unwrap();
    assert_eq!(check(&stored, "fine words"), Verdict::Wrong);
}

#[test]
fn an_account_that_does_not_exist_is_wrong_after_the_work_of_one_that_does() {
    let stored = hash(&secret("correct horse")).unwrap();
    let given = secret("wrong horse!");
    let time = |stored: Option<&str>| {
        let started = Instant::now();
        assert_eq!(verify(stored, &given), Ok(Verdict::Wrong));
        started.elapsed().as_secs_f64()
    };
    // In turns, and the least of each: other work on the machine only adds.
    let (mut known, mut unknown) = (f64::MAX, f64::MAX);
    for _ in 0..15 {
        known = known.min(time(Some(&stored)));
        unknown = unknown.min(time(None));
    }
    // Loose, for a busy machine: without the work it would be a thousandth.
    assert!((0.5..2.0).contains(&(unknown / known)), "{known} {unknown}");
    assert!(is_current(NOBODY));
}

/// Made by other programs from `correct horse`.
const BCRYPT: [&str; 3] = [
    "$2a$04$KLMNOPQRabcdefghijkluukfhZxzncWkGumqbsGDZE2pM61Zmn72W",
    "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
];

#[test]
fn hashes_of_bcrypt_are_right_but_old() {
    for stored in BCRYPT {
        assert_eq!(check(stored, "correct horse"), Verdict::RightButOld, "{stored}");
        assert_eq!(check(stored, "correct horsf"), Verdict::Wrong, "{stored}");
    }
}

#[test]
fn bcrypt_does_not_pass_what_it_does_not_look_at() {
    let stored = bcrypt::hash("x".repeat(72), 4).unwrap();
    assert_eq!(check(&stored, &"x".repeat(72)), Verdict::RightButOld);
    assert_eq!(check(&stored, &"x".repeat(73)), Verdict::Wrong);
    assert_eq!(check(&stored, &"x".repeat(71)), Verdict::Wrong);
}

#[test]
fn imported_hashes_of_unprepared_passwords_are_found() {
    let stored = bcrypt::hash("cafe\u{301} creme", 4).unwrap();
    assert_eq!(check(&stored, "cafe\u{301} creme"), Verdict::RightButOld);
    let stored = bcrypt::hash("caf\u{e9} creme", 4).unwrap();
    assert_eq!(check(&stored, "cafe\u{301} creme"), Verdict::RightButOld);
}

fn argon2(algorithm: Algorithm, version: Version, params: Params) -> String {
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password(b"correct horse").unwrap().to_string()
}

#[test]
fn other_parameters_of_argon2_are_right_but_old() {
    let params = |memory, passes, lanes, length| Params::new(memory, passes, lanes, Some(length)).unwrap();
    let ours = || params(MEMORY, PASSES, LANES, OUTPUT);
    let others = [
        argon2(Algorithm::Argon2id, Version::V0x13, params(8192, 2, 1, 32)),
        argon2(Algorithm::Argon2id, Version::V0x13, params(MEMORY, 3, 1, 32)),
        argon2(Algorithm::Argon2id, Version::V0x13, params(MEMORY, 2, 2, 32)),
        argon2(Algorithm::Argon2id, Version::V0x13, params(MEMORY, 2, 1, 16)),
        argon2(Algorithm::Argon2id, Version::V0x10, ours()),
        argon2(Algorithm::Argon2i, Version::V0x13, ours()),
        argon2(Algorithm::Argon2d, Version::V0x13, ours()),
        argon2(Algorithm::Argon2id, Version::V0x13, params(65_536, 3, 4, 32)),
    ];
    for stored in others {
        assert_eq!(check(&stored, "correct horse"), Verdict::RightButOld, "{stored}");
        assert_eq!(check(&stored, "correct horsf"), Verdict::Wrong, "{stored}");
    }
    assert_eq!(check(&argon2(Algorithm::Argon2id, Version::V0x13, ours()), "correct horse"), Verdict::Right);
}

#[test]
fn damaged_hashes_and_those_that_ask_for_too_much_are_wrong() {
    let current = hash(&secret("correct horse")).unwrap();
    let bad = [
        String::new(),
        "correct horse".into(),
        "$".into(),
        "$2b$".into(),
        "$1$salt$hash".into(),
        BCRYPT[1].replace("$04$", "$31$"),
        BCRYPT[1].replace("$2b$", "$2x$"),
        BCRYPT[1][..59].to_owned(),
        format!("$2b$04${}", "é".repeat(26)),
        current.replace("m=19456", "m=4194304"),
        current.replace("t=2", "t=4000000000"),
        current.replace("p=1", "p=64"),
        current.replace("argon2id", "scrypt"),
        current.rsplit_once('$').unwrap().0.to_owned(),
        "$argon2id$v=19$m=19456,t=2,p=1".into(),
    ];
    let started = Instant::now();
    for stored in bad {
        assert_eq!(check(&stored, "correct horse"), Verdict::Wrong, "{stored}");
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_new_hash_of_an_old_password_is_current() {
    let given = secret("correct horse");
    assert_eq!(verify(Some(BCRYPT[0]), &given), Ok(Verdict::RightButOld));
    assert_eq!(verify(Some(&hash(&given).unwrap()), &given), Ok(Verdict::Right));
}
