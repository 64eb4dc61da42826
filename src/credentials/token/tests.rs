//! Tokens that pass, and the many that do not.

mod bad_claims;
mod bad_headers;
mod bad_texts;

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;

/// When the tests happen.
const NOW: u64 = 1_800_000_000;

/// Secrets of the keys `now`, `before` and `ended`.
const SECRETS: [[u8; 32]; 3] = [[7; 32], [8; 32], [9; 32]];

/// A header as ours are.
const HEADER: &str = r#"{"typ":"at+jwt","alg":"HS256","kid":"now"}"#;

/// A token that must not pass, and why it might not.
struct Bad {
    about: String,
    token: String,
    reasons: &'static [Reason],
}

fn bad(about: impl Into<String>, token: String, reasons: &'static [Reason]) -> Bad {
    Bad { about: about.into(), token, reasons }
}

fn now() -> DateTime<Utc> {
    time(NOW)
}

fn keyring() -> Keyring {
    let key = |id: &str, secret: [u8; 32], ends_at: Option<u64>| {
        json!({
            "id": id,
            "secret": URL_SAFE_NO_PAD.encode(secret),
            "made_at": time(NOW - 9000),
            "ends_at": ends_at.map(time),
        })
    };
    let [now, before, ended] = SECRETS;
    let keys = [key("now", now, None), key("before", before, Some(NOW + 600)), key("ended", ended, Some(NOW))];
    Keyring::from_json(json!({ "version": 1, "keys": keys }).to_string().as_bytes()).unwrap()
}

fn tokens() -> AccessTokens {
    AccessTokens {
        issuer: "https://footnote.test".into(),
        audience: "footnote".into(),
        lifetime: Duration::from_mins(15),
    }
}

/// Claims that pass.
fn claims() -> Value {
    json!({
        "iss": "https://footnote.test",
        "aud": "footnote",
        "sub": "01890a5d-ac96-774b-bcce-b302099a8057",
        "sid": "01890a5d-ac96-774b-bcce-b302099a8058",
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "exp": NOW + 840,
        "jti": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "use": "access",
    })
}

/// Good claims with another value of one, as it is written.
fn claims_with(claim: &str, json: &str) -> String {
    let mut claims = claims();
    claims[claim] = json!("@");
    claims.to_string().replace("\"@\"", json)
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Signs whatever it is given.
fn signed_by(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>, secret: &[u8], algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let signature = crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Signed as ours are, by the active key.
fn signed(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    signed_by(header, claims, &SECRETS[0], Algorithm::HS256)
}

fn good() -> String {
    signed(HEADER, claims().to_string())
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    tokens().verify(&keyring(), token, now())
}

#[test]
fn no_bad_token_passes() {
    let categories: [(&str, Vec<Bad>); 15] = [
        ("none as the algorithm", bad_headers::none()),
        ("another algorithm", bad_headers::algorithms()),
        ("a public key as the secret", bad_headers::confusions()),
        ("key ids", bad_headers::key_ids()),
        ("further fields", bad_headers::fields()),
        ("types", bad_headers::types()),
        ("times of other types", bad_claims::times()),
        ("wrong times", bad_claims::wrong_times()),
        ("names", bad_claims::names()),
        ("names twice", bad_claims::twice()),
        ("other uses", bad_claims::uses()),
        ("parts of tokens", bad_texts::pieces()),
        ("flipped bits", bad_texts::flips()),
        ("other spellings", bad_texts::spellings()),
        ("other JSON", bad_texts::objects()),
    ];
    let mut seen = HashSet::new();
    for (category, tokens) in categories {
        assert!(tokens.len() >= 10, "{category}: {}", tokens.len());
        for Bad { about, token, reasons } in tokens {
            let short: String = token.chars().take(300).collect();
            let refusal = verify(&token).expect_err(&format!("{category}: {about}: {short}"));
            assert!(reasons.contains(&refusal.0), "{category}: {about}: {:?}: {short}", refusal.0);
            assert_eq!(refusal.to_string(), "the token is not valid; sign in again");
            assert!(seen.insert(token), "{category}: {about} comes twice");
        }
    }
    assert!(seen.len() >= 500, "{}", seen.len());
}

#[test]
fn all_good_tokens_pass() {
    let times = |issued: u64, not_before: u64, expires: u64| {
        let mut claims = claims();
        claims["iat"] = issued.into();
        claims["nbf"] = not_before.into();
        claims["exp"] = expires.into();
        claims.to_string()
    };
    let reversed = {
        let claims = claims();
        let members: Vec<String> =
            claims.as_object().unwrap().iter().rev().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let spaced = format!(" \r\n\t{} \n", claims().to_string().replace(',', " ,\n "));
    let before = HEADER.replace("\"now\"", "\"before\"");
    let day = MAX_LIFETIME.as_secs();
    let good = [
        good(),
        signed_by(&before, claims().to_string(), &SECRETS[1], Algorithm::HS256),
        signed(HEADER, claims_with("aud", r#"["footnote"]"#)),
        signed(HEADER, &reversed),
        signed(HEADER, &spaced),
        signed(HEADER, serde_json::to_string_pretty(&claims()).unwrap()),
        signed(HEADER, claims().to_string().replace("\"iss\"", "\"\\u0069ss\"")),
        signed(HEADER, claims().to_string().replace("https://", "https:\\/\\/")),
        signed(r#"{"kid":"now","alg":"HS256","typ":"at+jwt"}"#, claims().to_string()),
        signed(r#"{"alg":"HS256","kid":"now","typ":"at+jwt"}"#, claims().to_string()),
        signed(" { \"kid\" : \"now\", \"alg\" : \"HS256\", \"typ\" : \"at+jwt\" } ", claims().to_string()),
        signed(HEADER.replace("at+jwt", "at\\u002bjwt"), claims().to_string()),
        signed(HEADER.replace("HS256", "\\u0048S256"), claims().to_string()),
        // At the edges of what clocks may differ.
        signed(HEADER, times(NOW - 900, NOW - 900, NOW)),
        signed(HEADER, times(NOW - 900, NOW - 900, NOW - 4)),
        signed(HEADER, times(NOW - 900, NOW + 5, NOW + 900)),
        signed(HEADER, times(NOW + 5, NOW - 900, NOW + 900)),
        signed(HEADER, times(NOW + 5, NOW + 5, NOW + 5)),
        signed(HEADER, times(NOW, NOW, NOW + 1)),
        signed(HEADER, times(NOW, NOW, NOW + day)),
        signed(HEADER, times(NOW + 4 - day, NOW, NOW + 4)),
        signed(HEADER, claims_with("sub", r#""00000000-0000-0000-0000-000000000000""#)),
        signed(HEADER, claims_with("jti", r#""ffffffff-ffff-ffff-ffff-ffffffffffff""#)),
    ];
    assert!(good.len() >= 20 && good.iter().collect::<HashSet<_>>().len() == good.len());
    for token in good {
        assert!(verify(&token).is_ok(), "{:?}: {token}", verify(&token));
    }
}

#[test]
fn what_is_issued_says_what_was_asked_for() {
    let (user, session) = (UserId(Uuid::now_v7()), Uuid::now_v7());
    let (token, claims) = tokens().issue(&keyring(), user, session, now()).unwrap();
    assert_eq!(verify(token.expose_secret()), Ok(claims.clone()));
    assert_eq!((claims.user, claims.session), (user, session));
    assert_eq!((claims.issued_at, claims.expires_at), (now(), time(NOW + 900)));
    let (_, next) = tokens().issue(&keyring(), user, session, now()).unwrap();
    assert_ne!(claims.id, next.id);
    assert_eq!(unproven_issuer(token.expose_secret()).as_deref(), Some("https://footnote.test"));
}

#[test]
fn a_token_ends_with_its_lifetime_and_with_its_key() {
    let (user, session) = (UserId(Uuid::now_v7()), Uuid::now_v7());
    let mut keys = keyring();
    let (token, _) = tokens().issue(&keys, user, session, now()).unwrap();
    let verify = |keys: &Keyring, after: u64| tokens().verify(keys, token.expose_secret(), time(NOW + after));
    assert!(verify(&keys, 904).is_ok());
    assert_eq!(verify(&keys, 905), Err(TokenError(Reason::Expired)));
    keys.rotate(now(), Duration::from_mins(1)).unwrap();
    assert!(verify(&keys, 59).is_ok());
    assert_eq!(verify(&keys, 60), Err(TokenError(Reason::Key)));
}

#[test]
fn a_clock_that_is_set_back_neither_prolongs_a_token_nor_fails_otherwise() {
    let hour = 3600;
    assert_eq!(tokens().verify(&keyring(), &good(), time(NOW - hour)), Err(TokenError(Reason::NotYet)));
    assert_eq!(tokens().verify(&keyring(), &good(), time(NOW + hour)), Err(TokenError(Reason::Expired)));
    let early = DateTime::from_timestamp(-1, 0).unwrap();
    assert_eq!(tokens().verify(&keyring(), &good(), early), Err(TokenError(Reason::NotYet)));
}

#[test]
fn a_lifetime_beyond_the_longest_is_cut() {
    let tokens = AccessTokens { lifetime: Duration::MAX, ..tokens() };
    let (token, claims) = tokens.issue(&keyring(), UserId(Uuid::nil()), Uuid::nil(), now()).unwrap();
    assert_eq!(claims.expires_at - claims.issued_at, chrono::TimeDelta::days(1));
    assert!(tokens.verify(&keyring(), token.expose_secret(), now()).is_ok());
}

#[test]
fn a_token_of_another_service_with_the_same_keys_is_refused() {
    for other in [
        AccessTokens { issuer: "https://other.test".into(), ..tokens() },
        AccessTokens { audience: "other".into(), ..tokens() },
    ] {
        let (token, _) = other.issue(&keyring(), UserId(Uuid::nil()), Uuid::nil(), now()).unwrap();
        assert!(other.verify(&keyring(), token.expose_secret(), now()).is_ok());
        assert!(matches!(verify(token.expose_secret()), Err(TokenError(Reason::Issuer | Reason::Audience))));
    }
}

#[test]
fn every_beginning_and_every_end_of_a_token_is_refused() {
    let token = good();
    for at in 1..token.len() {
        assert!(verify(&token[..at]).is_err() && verify(&token[at..]).is_err(), "{at}");
    }
}

#[test]
fn every_single_bit_counts() {
    let token = good();
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let other = String::from_utf8(bytes).unwrap();
            assert!(verify(&other).is_err(), "{at} {bit}");
        }
    }
}

proptest! {
    #[test]
    fn any_change_of_one_character_is_refused(at in any::<prop::sample::Index>(), other in any::<char>()) {
        let token = good();
        let at = at.index(token.len());
        prop_assume!(!token[at..].starts_with(other));
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        prop_assert!(verify(&changed).is_err());
        let longer = format!("{}{other}{}", &token[..at], &token[at..]);
        prop_assert!(verify(&longer).is_err());
    }

    #[test]
    fn any_text_is_refused(text in any::<String>(), parts in "[A-Za-z0-9_-]{0,40}[.][A-Za-z0-9_-]{0,40}[.][A-Za-z0-9_-]{0,43}") {
        prop_assert!(verify(&text).is_err());
        prop_assert!(verify(&parts).is_err());
    }

    #[test]
    fn any_value_of_a_claim_but_a_good_one_is_refused(
        claim in prop::sample::select(vec!["iss", "aud", "sub", "sid", "use", "exp", "iat", "nbf", "jti"]),
        value in prop_oneof![
            any::<f64>().prop_map(|value| json!(value)),
            any::<bool>().prop_map(|value| json!(value)),
            any::<String>().prop_map(|value| json!(value)),
            (NOW + 840 + 2 * 86_400..).prop_map(|value| json!(value)),
            (i64::MIN..0).prop_map(|value| json!(value)),
            any::<Vec<u8>>().prop_map(|value| json!(value)),
        ],
    ) {
        let mut claims = claims();
        prop_assume!(claims[claim] != value);
        claims[claim] = value;
        prop_assert!(verify(&signed(HEADER, claims.to_string())).is_err());
    }
}
