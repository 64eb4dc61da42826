//! Headers that try to choose how they are checked. All claims are good.

use serde_json::{Value, json};

use super::*;

/// The header with another value of a field, as it is written.
fn header_with(field: &str, json: &str) -> String {
    let mut header: Value = serde_json::from_str(HEADER).unwrap();
    header[field] = json!("@");
    header.to_string().replace("\"@\"", json)
}

fn header_without(field: &str) -> String {
    let mut header: Value = serde_json::from_str(HEADER).unwrap();
    header.as_object_mut().unwrap().remove(field);
    header.to_string()
}

/// What JSON can hold besides the text that belongs there.
const OTHER_TYPES: [&str; 9] =
    ["null", "true", "256", "1.5", "[]", "{}", r#"["HS256"]"#, r#"{"alg":"HS256"}"#, r#"[["HS256","now"]]"#];

/// `none` in all spellings, with and without signatures.
pub(super) fn none() -> Vec<Bad> {
    let spellings = (0..16_u8).map(|upper| {
        let letter = |(at, char): (usize, char)| {
            if upper >> at & 1 == 1 { char.to_ascii_uppercase() } else { char }
        };
        "none".chars().enumerate().map(letter).collect::<String>()
    });
    let padded = ["none ", " none", "none\\u0000", "\\u006eone", "none=", "nonexistent", "n\\u043ene", ""];
    let mut tokens = vec![];
    for spelling in spellings.chain(padded.map(String::from)) {
        let header = header_with("alg", &format!("\"{spelling}\""));
        let message = format!("{}.{}", encoded(&header), encoded(claims().to_string()));
        let reasons = &[Reason::Shape, Reason::Algorithm];
        tokens.push(bad(format!("{spelling}, empty"), format!("{message}."), reasons));
        tokens.push(bad(format!("{spelling}, no signature"), message.clone(), reasons));
        tokens.push(bad(format!("{spelling}, zero"), format!("{message}.AA"), reasons));
        tokens.push(bad(format!("{spelling}, padding"), format!("{message}.="), &[Reason::Encoding]));
        tokens.push(bad(format!("{spelling}, signed"), signed(&header, claims().to_string()), reasons));
    }
    tokens
}

/// Another algorithm, also with the right signature of that one.
pub(super) fn algorithms() -> Vec<Bad> {
    let claims = claims().to_string();
    let mut tokens = vec![];
    let reasons = &[Reason::Algorithm, Reason::Header];
    for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let header = header_with("alg", &format!("\"{name}\""));
        tokens.push(bad(name, signed_by(&header, &claims, &SECRETS[0], algorithm), reasons));
        tokens.push(bad(format!("{name} by HS256"), signed(&header, &claims), reasons));
        let hidden = signed_by(HEADER, &claims, &SECRETS[0], algorithm);
        tokens.push(bad(format!("{name} hidden"), hidden, &[Reason::Signature]));
    }
    let names = [
        "hs256",
        "Hs256",
        "HS256 ",
        " HS256",
        "HS-256",
        "HS256,none",
        "HS256\\n",
        "HS256\\u0000",
        "HMAC",
        "SHA256",
        "HS1",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "RS1",
        "dir",
        "A128KW",
        "RSA-OAEP",
        "PBES2-HS256+A128KW",
        "ECDH-ES",
    ];
    for name in names {
        let header = header_with("alg", &format!("\"{name}\""));
        tokens.push(bad(name, signed(header, &claims), reasons));
    }
    for json in OTHER_TYPES {
        tokens.push(bad(json, signed(header_with("alg", json), &claims), reasons));
    }
    tokens.push(bad("missing", signed(header_without("alg"), &claims), reasons));
    tokens.push(bad("in capitals", signed(HEADER.replace("\"alg\"", "\"ALG\""), &claims), reasons));
    tokens
}

/// Signed with what everybody knows or may guess.
pub(super) fn confusions() -> Vec<Bad> {
    use crate::credentials::jwks::samples;
    let pem = samples::RSA_PUBLIC_PEM;
    let json = samples::rsa_jwk("a").to_string();
    let dos = pem.replace('\n', "\r\n");
    let modulus = URL_SAFE_NO_PAD.decode(samples::RSA_MODULUS).unwrap();
    let text = encoded(SECRETS[0]);
    let secrets: [(&str, &[u8]); 11] = [
        ("PEM", pem.as_bytes()),
        ("PEM without its last line end", pem.trim_end().as_bytes()),
        ("PEM with other line ends", dos.as_bytes()),
        ("JWK", json.as_bytes()),
        ("modulus as text", samples::RSA_MODULUS.as_bytes()),
        ("modulus", &modulus),
        ("nothing", b""),
        ("ones", &[1; 32]),
        ("secret", b"secret"),
        ("the key's id", b"now"),
        ("the secret as text", text.as_bytes()),
    ];
    let mut tokens = vec![];
    for (about, secret) in secrets {
        for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)]
        {
            let header = header_with("alg", &format!("\"{name}\""));
            let token = signed_by(header, claims().to_string(), secret, algorithm);
            tokens.push(bad(format!("{about} {name}"), token, &[Reason::Signature, Reason::Algorithm]));
        }
    }
    for (name, algorithm, key) in samples::signers() {
        for alg in [name, "HS256"] {
            let header = header_with("alg", &format!("\"{alg}\""));
            let token = samples::signed(&header, &claims().to_string(), &key, algorithm);
            tokens.push(bad(format!("{name} as {alg}"), token, &[Reason::Signature, Reason::Algorithm]));
        }
    }
    tokens
}

/// Ids of keys that are not there, or not any more.
pub(super) fn key_ids() -> Vec<Bad> {
    let claims = claims().to_string();
    let ids = [
        "",
        " ",
        "now ",
        " now",
        "NOW",
        "now\\u0000",
        "now/",
        "./now",
        "../now",
        "../../../../dev/null",
        "/dev/null",
        "/proc/self/environ",
        "C:\\\\now",
        "now' OR '1'='1",
        "'; drop table users; --",
        "x' union select 'secret",
        "https://evil.test/keys",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "data:,secret",
        "now\\nbefore",
        "now,before",
        "*",
        "%",
        "%6eow",
        "n\\u043ew",
        "${now}",
        "{{now}}",
        "$(id)",
        "|id",
        "0",
        "-1",
        "undefined",
        "null",
        "\\ud83d\\ude00",
    ];
    let mut tokens: Vec<Bad> = ids
        .iter()
        .map(|id| bad(*id, signed(header_with("kid", &format!("\"{id}\"")), &claims), &[Reason::Key]))
        .collect();
    for json in OTHER_TYPES {
        tokens.push(bad(json, signed(header_with("kid", json), &claims), &[Reason::Header]));
    }
    let long = format!("\"{}\"", "k".repeat(5000));
    tokens.push(bad("long", signed(header_with("kid", &long), &claims), &[Reason::Key]));
    tokens.push(bad("missing", signed(header_without("kid"), &claims), &[Reason::Header]));
    let ended = header_with("kid", "\"ended\"");
    tokens.push(bad("ended", signed_by(&ended, &claims, &SECRETS[2], Algorithm::HS256), &[Reason::Key]));
    let other = signed_by(HEADER, &claims, &SECRETS[1], Algorithm::HS256);
    tokens.push(bad("the older key's signature", other, &[Reason::Signature]));
    let other = signed(header_with("kid", "\"before\""), &claims);
    tokens.push(bad("the older key's id", other, &[Reason::Signature]));
    tokens
}

/// Fields that ours never have. Everything is signed as it should be.
pub(super) fn fields() -> Vec<Bad> {
    let url = r#""https://evil.test/keys.json""#;
    let key = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let fields = [
        ("jku", url),
        ("jku", r#""http://localhost/""#),
        ("jku", "null"),
        ("jku", r#""""#),
        ("x5u", url),
        ("x5u", "null"),
        ("x5u", r#""file:///etc/passwd""#),
        ("jwk", key),
        ("jwk", "{}"),
        ("jwk", "null"),
        ("jwk", r#""now""#),
        ("x5c", r#"["MIIB"]"#),
        ("x5c", "[]"),
        ("x5t", r#""AAAA""#),
        ("x5t#S256", r#""AAAA""#),
        ("crit", r#"["exp"]"#),
        ("crit", "[]"),
        ("crit", r#"["b64"]"#),
        ("crit", r#"["unknown"]"#),
        ("crit", "null"),
        ("crit", r#""exp""#),
        ("b64", "false"),
        ("b64", "true"),
        ("zip", r#""DEF""#),
        ("zip", r#""none""#),
        ("zip", "null"),
        ("enc", r#""A256GCM""#),
        ("cty", r#""JWT""#),
        ("cty", "null"),
        ("epk", "{}"),
        ("p2c", "2147483647"),
        ("p2s", r#""AAAA""#),
        ("iv", r#""AAAA""#),
        ("tag", r#""AAAA""#),
        ("apu", r#""AAAA""#),
        ("nonce", r#""AAAA""#),
        ("url", url),
        ("k", r#""AAAA""#),
        ("key", key),
        ("secret", r#""AAAA""#),
        ("exp", "1900000000"),
        ("iss", r#""https://footnote.test""#),
        ("sub", r#""admin""#),
        ("", r#""""#),
        ("Alg", r#""none""#),
        ("alg ", r#""none""#),
        ("KID", r#""now""#),
        ("__proto__", r#"{"alg":"none"}"#),
    ];
    let token = |(field, json): &(&str, &str)| {
        bad(format!("{field}: {json}"), signed(header_with(field, json), claims().to_string()), &[Reason::Header])
    };
    fields.iter().map(token).collect()
}

/// Types of other tokens.
pub(super) fn types() -> Vec<Bad> {
    let claims = claims().to_string();
    let types = [
        "JWT",
        "jwt",
        "AT+JWT",
        "at+JWT",
        "At+Jwt",
        "application/at+jwt",
        "at+jwt ",
        " at+jwt",
        "at jwt",
        "at%2Bjwt",
        "at+jwt;v=1",
        "rt+jwt",
        "refresh+jwt",
        "id+jwt",
        "id_token",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "JOSE",
        "JOSE+JSON",
        "kb+jwt",
        "",
    ];
    let mut tokens: Vec<Bad> = types
        .iter()
        .map(|kind| bad(*kind, signed(header_with("typ", &format!("\"{kind}\"")), &claims), &[Reason::Type]))
        .collect();
    for json in OTHER_TYPES {
        tokens.push(bad(json, signed(header_with("typ", json), &claims), &[Reason::Header]));
    }
    tokens.push(bad("missing", signed(header_without("typ"), &claims), &[Reason::Header]));
    tokens
}
