//! Key sets and tokens of outside issuers, good and bad.

use serde_json::json;

use super::keys::MAX_BYTES;
use super::samples::{ed_jwk, jwk_for, p256_jwk, p384_jwk, rsa_jwk, signed, signers};
use super::*;

const NOW: u64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn issuer(algorithms: &[&str]) -> Issuer {
    serde_json::from_value(json!({
        "issuer": "https://issuer.test",
        "audience": "footnote",
        "jwks_url": "https://issuer.test/keys",
        "algorithms": algorithms,
    }))
    .unwrap()
}

const ALL: [&str; 9] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

fn set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer.test",
        "aud": "footnote",
        "sub": "user-1",
        "iat": NOW - 60,
        "exp": NOW + 840,
        "name": "Ada",
        "email": "ada@issuer.test",
    })
}

/// What comes of a token by ES256 with these claims and this header.
fn verified(header: &Value, claims: &Value) -> Result<Outside, TokenError> {
    let issuer = issuer(&["ES256"]);
    let keys = KeySet::parse(&set(&[p256_jwk("a")]), &issuer).unwrap();
    let (_, algorithm, key) = signers().into_iter().find(|signer| signer.0 == "ES256").unwrap();
    issuer.verify(&keys, &signed(&header.to_string(), &claims.to_string(), &key, algorithm), now())
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "a" })
}

fn unusable(key: Value) -> Unusable {
    let keys = KeySet::parse(&set(&[key, ed_jwk("good")]), &issuer(&ALL)).unwrap();
    assert_eq!(keys.len(), 1);
    keys.unusable()[0].1
}

#[test]
fn tokens_by_every_algorithm_pass_with_its_key_and_by_no_other() {
    for (name, algorithm, key) in signers() {
        let issuer = issuer(&ALL);
        let jwk = with(jwk_for(algorithm, "a"), "alg", json!(name));
        let keys = KeySet::parse(&set(&[jwk]), &issuer).unwrap();
        for (named, ..) in signers() {
            let header = json!({ "alg": named, "kid": "a", "typ": "JWT" }).to_string();
            let outside = issuer.verify(&keys, &signed(&header, &claims().to_string(), &key, algorithm), now());
            assert_eq!(outside.is_ok(), named == name, "{name} named {named}: {outside:?}");
        }
        for secret in [samples::RSA_PUBLIC_PEM.as_bytes(), b""] {
            let header = json!({ "alg": "HS256", "kid": "a" }).to_string();
            let secret = jsonwebtoken::EncodingKey::from_secret(secret);
            let forged = signed(&header, &claims().to_string(), &secret, Algorithm::HS256);
            assert_eq!(issuer.verify(&keys, &forged, now()), Err(TokenError(Reason::Algorithm)));
        }
    }
}

#[test]
fn what_a_token_says_is_read() {
    let outside = verified(&header(), &claims()).unwrap();
    assert_eq!((outside.issuer.as_str(), outside.subject.as_str()), ("https://issuer.test", "user-1"));
    assert_eq!(outside.name.as_deref(), Some("Ada"));
    assert_eq!(outside.expires_at.timestamp(), 1_800_000_840);
    for name in [json!(null), json!(" "), json!(1), json!({})] {
        assert_eq!(verified(&header(), &with(claims(), "name", name)).unwrap().name, None);
    }
    let long = verified(&header(), &with(claims(), "name", json!("é".repeat(1000)))).unwrap().name.unwrap();
    assert_eq!(long.chars().count(), 255);
}

#[test]
fn forms_that_issuers_use_pass() {
    for (name, value) in [
        ("aud", json!(["footnote"])),
        ("aud", json!(["account", "footnote"])),
        ("nbf", json!(NOW)),
        ("typ", json!("Bearer")),
        ("token_use", json!("access")),
        ("roles", json!({ "any": ["thing"] })),
    ] {
        assert!(verified(&header(), &with(claims(), name, value)).is_ok(), "{name}");
    }
    for (name, value) in
        [("typ", json!("JWT")), ("typ", json!("at+jwt")), ("typ", json!("application/at+JWT")), ("x5t", json!("abc"))]
    {
        assert!(verified(&with(header(), name, value), &claims()).is_ok(), "{name}");
    }
}

#[test]
fn bad_claims_are_refused_though_they_are_signed() {
    let texts = |values: &[&str]| values.iter().map(|text| json!(text)).collect::<Vec<_>>();
    let other_types = [json!(null), json!(true), json!(1.5), json!({}), json!([]), json!([1]), json!("")];
    let mut cases: Vec<(&str, Value)> = vec![];
    let mut add = |name: &'static str, values: &[Value]| {
        cases.extend(values.iter().chain(&other_types).map(|value| (name, value.clone())));
    };
    add("iss", &texts(&["https://issuer.test/", "https://evil.test", "ISSUER.TEST"]));
    add("iss", &[json!(["https://issuer.test"])]);
    add("aud", &texts(&["other", "Footnote", "footnote "]));
    add("aud", &[json!(["other"]), json!([["footnote"]]), json!(["footnote", 1]), json!(vec!["footnote"; 17])]);
    add("sub", &[json!("s".repeat(256)), json!(["user-1"])]);
    for name in ["exp", "iat", "nbf"] {
        add(name, &[json!("1800000300"), json!(-1), json!(1.8e9), json!(u64::MAX), json!(253_402_300_800_u64)]);
    }
    add("exp", &[json!(NOW - 5), json!(NOW - 61), json!(0)]);
    add("iat", &[json!(NOW + 6), json!(NOW + 841)]);
    add("nbf", &[json!(NOW + 6), json!(NOW + 841)]);
    add("typ", &texts(&["Refresh", "ID", "Offline", "Logout"]));
    add("token_use", &texts(&["id", "refresh"]));
    add("use", &texts(&["refresh"]));
    add("events", &[json!("http://schemas.openid.net/event/backchannel-logout")]);
    assert!(cases.len() > 100);
    let mut again = std::collections::HashSet::new();
    cases.retain(|(name, value)| again.insert(format!("{name}{value}")));
    for (name, value) in cases {
        let refusal = verified(&header(), &with(claims(), name, value.clone())).expect_err(&format!("{name}: {value}"));
        assert_ne!(refusal.0, Reason::Signature, "{name}: {value}");
    }
    for name in ["iss", "aud", "sub", "exp", "iat"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert!(verified(&header(), &claims).is_err(), "{name}");
    }
}

#[test]
fn a_claim_or_field_that_comes_twice_is_refused() {
    let issuer = issuer(&["ES256"]);
    let keys = KeySet::parse(&set(&[p256_jwk("a")]), &issuer).unwrap();
    let (_, algorithm, key) = signers().into_iter().find(|signer| signer.0 == "ES256").unwrap();
    let twice = |text: String| text.replacen('{', "{\"aud\":\"other\",\"aud\":\"footnote\",", 1);
    let mut other = claims();
    other.as_object_mut().unwrap().remove("aud");
    for (header, claims) in
        [(header().to_string(), twice(other.to_string())), (twice(header().to_string()), claims().to_string())]
    {
        let token = signed(&header, &claims, &key, algorithm);
        assert_eq!(issuer.verify(&keys, &token, now()), Err(TokenError(Reason::Duplicate)));
    }
}

#[test]
fn bad_headers_are_refused_though_they_are_signed() {
    for field in FORBIDDEN {
        for value in [json!(null), json!("x"), json!({}), json!([]), p256_jwk("a")] {
            assert_eq!(verified(&with(header(), field, value), &claims()), Err(TokenError(Reason::Header)), "{field}");
        }
    }
    for kind in ["rt+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "JOSE", ""] {
        assert_eq!(verified(&with(header(), "typ", json!(kind)), &claims()), Err(TokenError(Reason::Type)), "{kind}");
    }
    for id in [json!(null), json!(1), json!(["a"]), json!({})] {
        assert_eq!(verified(&with(header(), "kid", id), &claims()), Err(TokenError(Reason::Header)));
    }
    for id in ["", "A", "../a", "a' or 1=1", "https://evil.test/a"] {
        assert_eq!(verified(&with(header(), "kid", json!(id)), &claims()), Err(TokenError(Reason::Key)), "{id}");
    }
    for name in ["none", "None", "es256", "RS256", "HS256", "ES256K", ""] {
        let named = with(header(), "alg", json!(name));
        assert_eq!(verified(&named, &claims()), Err(TokenError(Reason::Algorithm)), "{name}");
    }
}

#[test]
fn keys_that_are_not_safe_are_left_out_and_the_others_count() {
    let kind = |value: &str| with(rsa_jwk("a"), "kty", json!(value));
    // 1024 bits, and 2047: the sample's modulus without its first bit.
    let small = "18MvLHDBrNfP7MhiwWDbeH9iQ5JGYeN_gxfvWGndmIguqo00DxkxmjXixqCUj9Nu76KQxV-UV8IQDse90v9OhRWrYnCA4V25hm5CcHlOm1a3\
                 0IlcecnEsKOF6CHOsLIcvVH969-dRtjSSy-T7KH7MdlGS_EccXz85BhrmugXSrs";
    let shorter = samples::RSA_MODULUS.replacen("of", "If", 1);
    let cases = [
        (json!({ "kty": "oct", "kid": "a", "alg": "HS256", "k": "c2VjcmV0" }), Unusable::Secret),
        (json!({ "kty": "oct", "kid": "a", "alg": "HS256" }), Unusable::Kind),
        (with(p256_jwk("a"), "d", json!("AAAA")), Unusable::Secret),
        (with(rsa_jwk("a"), "n", json!(small)), Unusable::Numbers),
        (with(rsa_jwk("a"), "n", json!(shorter)), Unusable::Numbers),
        (with(rsa_jwk("a"), "n", json!(format!("AAAA{small}"))), Unusable::Numbers),
        (with(rsa_jwk("a"), "n", json!("")), Unusable::Numbers),
        (with(rsa_jwk("a"), "n", json!("_".repeat(4000))), Unusable::Numbers),
        (with(rsa_jwk("a"), "n", json!("not base64!")), Unusable::Numbers),
        (with(rsa_jwk("a"), "e", json!("AQ")), Unusable::Numbers),
        (with(rsa_jwk("a"), "e", json!("AAEAAA")), Unusable::Numbers),
        (with(rsa_jwk("a"), "e", json!("")), Unusable::Numbers),
        (with(rsa_jwk("a"), "e", json!("AQAAAAE")), Unusable::Numbers),
        (with(rsa_jwk("a"), "e", json!(65_537)), Unusable::Kind),
        (with(rsa_jwk("a"), "alg", json!("HS256")), Unusable::Algorithm),
        (with(rsa_jwk("a"), "alg", json!("ES256")), Unusable::Algorithm),
        (with(rsa_jwk("a"), "alg", json!("none")), Unusable::Algorithm),
        (with(rsa_jwk("a"), "alg", json!("RSA-OAEP")), Unusable::Algorithm),
        (with(p256_jwk("a"), "alg", json!("ES384")), Unusable::Algorithm),
        (with(p384_jwk("a"), "crv", json!("P-256")), Unusable::Numbers),
        (with(p256_jwk("a"), "crv", json!("P-521")), Unusable::Kind),
        (with(p256_jwk("a"), "crv", json!("secp256k1")), Unusable::Kind),
        (with(p256_jwk("a"), "x", json!("AAAA")), Unusable::Numbers),
        (with(ed_jwk("a"), "x", json!("AAAA")), Unusable::Numbers),
        (with(ed_jwk("a"), "crv", json!("X25519")), Unusable::Kind),
        (with(ed_jwk("a"), "crv", json!("Ed448")), Unusable::Kind),
        (with(rsa_jwk("a"), "use", json!("enc")), Unusable::Use),
        (with(rsa_jwk("a"), "key_ops", json!(["sign", "encrypt"])), Unusable::Use),
        (with(rsa_jwk("a"), "key_ops", json!([])), Unusable::Use),
        (with(rsa_jwk("a"), "kid", json!("")), Unusable::NoId),
        (with(rsa_jwk("a"), "kid", json!(7)), Unusable::NoId),
        (with(rsa_jwk("a"), "kid", json!("k".repeat(256))), Unusable::NoId),
        (with(rsa_jwk("good"), "alg", json!("RS256")), Unusable::Kind),
        (kind("rsa"), Unusable::Kind),
        (kind("EC"), Unusable::Kind),
        (json!("a"), Unusable::NoId),
    ];
    for (key, why) in cases {
        let text = key.to_string().chars().take(90).collect::<String>();
        if key["kid"] != "good" {
            assert_eq!(unusable(key), why, "{text}");
        }
    }
}

#[test]
fn two_keys_with_one_id_are_both_left_out() {
    let keys = KeySet::parse(&set(&[p256_jwk("a"), rsa_jwk("a"), ed_jwk("b")]), &issuer(&ALL)).unwrap();
    assert!(keys.get("a").is_none() && keys.get("b").is_some());
    assert_eq!(keys.unusable().len(), 2);
}

#[test]
fn a_key_that_names_no_algorithm_gets_the_first_that_fits() {
    for (algorithms, expected) in
        [(&["ES256", "PS256", "RS256"][..], Algorithm::PS256), (&["RS512", "PS256"], Algorithm::RS512)]
    {
        let keys = KeySet::parse(&set(&[rsa_jwk("a")]), &issuer(algorithms)).unwrap();
        assert_eq!(keys.get("a").unwrap().algorithm, expected);
    }
    assert_eq!(KeySet::parse(&set(&[rsa_jwk("a")]), &issuer(&["ES256"])).unwrap_err(), KeySetError::Empty);
}

#[test]
fn documents_that_are_no_key_sets_are_refused() {
    let parse = |document: &[u8]| KeySet::parse(document, &issuer(&ALL)).unwrap_err();
    for document in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>", r#"{"keys":"#] {
        assert_eq!(parse(document.as_bytes()), KeySetError::Form, "{document}");
    }
    assert_eq!(parse(&set(&[])), KeySetError::Empty);
    assert_eq!(parse(&set(&vec![json!({}); 65])), KeySetError::TooBig);
    assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), KeySetError::TooBig);
}

#[test]
fn settings_that_would_check_nothing_are_refused() {
    assert_eq!(issuer(&ALL).check(), Ok(()));
    for algorithms in [&[][..], &["HS256"], &["RS256", "HS512"]] {
        assert_eq!(issuer(algorithms).check(), Err(IssuerError::Algorithms));
    }
    for url in [
        "http://issuer.test/keys",
        "ftp://issuer.test",
        "issuer.test",
        "http://localhost.evil.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1:80@evil.test/",
        "file:///etc/passwd",
    ] {
        assert_eq!(Issuer { jwks_url: url.into(), ..issuer(&ALL) }.check(), Err(IssuerError::Url), "{url}");
    }
    for url in ["http://127.0.0.1:9/keys", "http://localhost/keys", "http://[::1]:9"] {
        assert_eq!(Issuer { jwks_url: url.into(), ..issuer(&ALL) }.check(), Ok(()), "{url}");
    }
    assert_eq!(Issuer { audience: String::new(), ..issuer(&ALL) }.check(), Err(IssuerError::Empty));
    assert!(
        serde_json::from_value::<Issuer>(json!({ "issuer": "a", "audience": "b", "jwks_url": "c", "alg": [] }))
            .is_err()
    );
}
