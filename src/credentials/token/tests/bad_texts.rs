//! Tokens whose text is not what it should be.

use serde_json::json;

use super::*;

/// Pieces of good tokens, put together wrongly.
pub(super) fn pieces() -> Vec<Bad> {
    let token = good();
    let [header, claims, signature] = parts(&token);
    let other = signed(HEADER, super::claims().to_string().replace("8057", "8059"));
    let [_, other_claims, other_signature] = parts(&other);
    let shape: &[Reason] = &[Reason::Shape];
    let mut tokens = vec![
        bad("nothing", String::new(), shape),
        bad("one dot", ".".into(), shape),
        bad("two dots", "..".into(), shape),
        bad("three dots", "...".into(), shape),
        bad("only a header", header.clone(), shape),
        bad("a header and dots", format!("{header}.."), shape),
        bad("no header", format!(".{claims}.{signature}"), shape),
        bad("no claims", format!("{header}..{signature}"), shape),
        bad("no signature", format!("{header}.{claims}."), shape),
        bad("four parts", format!("{token}.{signature}"), shape),
        bad("five parts, as if encrypted", format!("{token}.AAAA.AAAA"), shape),
        bad("an empty fourth part", format!("{token}."), shape),
        bad("an empty part before", format!(".{token}"), shape),
        bad("twice", format!("{token}{token}"), shape),
        bad("other claims", format!("{header}.{other_claims}.{signature}"), &[Reason::Signature]),
        bad("another signature", format!("{header}.{claims}.{other_signature}"), &[Reason::Signature]),
        bad("another order", format!("{claims}.{header}.{signature}"), &[Reason::Header]),
        bad(
            "the signature twice",
            format!("{header}.{claims}.{signature}{signature}"),
            &[Reason::Encoding, Reason::Signature],
        ),
        bad("the signature as claims", format!("{header}.{signature}.{claims}"), &[Reason::Signature]),
        bad("flattened", json!({ "protected": header, "payload": claims, "signature": signature }).to_string(), shape),
        bad(
            "16 bytes of the signature",
            format!("{header}.{claims}.{}", &signature[..22]),
            &[Reason::Encoding, Reason::Signature],
        ),
    ];
    // Cut anywhere; each cut once.
    for at in (7..token.len()).step_by(13) {
        let reasons = &[Reason::Shape, Reason::Encoding, Reason::Signature];
        tokens.push(bad(format!("cut at {at}"), token[..at].to_owned(), reasons));
    }
    tokens
}

/// One bit each, in every part. What is no base64url any more is refused for
/// that, and a dot for the shape.
pub(super) fn flips() -> Vec<Bad> {
    let token = good();
    let flip = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        bad(
            format!("byte {at}"),
            String::from_utf8(bytes).unwrap(),
            &[
                Reason::Shape,
                Reason::Encoding,
                Reason::Json,
                Reason::Header,
                Reason::Type,
                Reason::Algorithm,
                Reason::Key,
                Reason::Signature,
            ],
        )
    };
    (0..token.len()).step_by(5).map(flip).collect()
}

/// The same bytes in other spellings, and more than a token.
pub(super) fn spellings() -> Vec<Bad> {
    let token = good();
    let [header, claims, signature] = parts(&token);
    let all: &[Reason] = &[Reason::Encoding, Reason::Shape];
    let mut tokens = vec![];
    for (about, end) in [
        ("a space", " "),
        ("a line", "\n"),
        ("a DOS line", "\r\n"),
        ("a tab", "\t"),
        ("a zero", "\0"),
        ("a comma", ","),
        ("a semicolon", ";"),
        ("a quote", "\""),
        ("a plus", "+"),
        ("a zero-width space", "\u{200b}"),
        ("an accent", "é"),
        ("a pad", "="),
        ("two pads", "=="),
        ("a percent", "%00"),
        ("a comment", "#x"),
        ("a tilde", "~"),
    ] {
        tokens.push(bad(format!("{about} after"), format!("{token}{end}"), all));
        tokens.push(bad(format!("{about} before"), format!("{end}{token}"), all));
        tokens.push(bad(
            format!("{about} in the claims"),
            format!("{header}.{}{end}{}.{signature}", &claims[..8], &claims[8..]),
            all,
        ));
        tokens.push(bad(format!("{about} after the header"), format!("{header}{end}.{claims}.{signature}"), all));
    }
    tokens.push(bad("with its scheme", format!("Bearer {token}"), all));
    tokens.push(bad("two tokens", format!("{token} {token}"), all));
    tokens.push(bad("dots escaped", token.replace('.', "%2E"), all));
    tokens.push(bad("other dots", token.replace('.', "\u{3002}"), all));
    tokens.push(bad("in quotes", format!("\"{token}\""), all));
    tokens.extend(spare_bits());
    // The other alphabet, in a token that has both characters.
    let wild = (0..).map(|n| {
        signed(
            format!("{HEADER}{}", " ".repeat(n % 3)),
            super::claims().to_string().replace("c3d479", &format!("{n:06x}")),
        )
    });
    let wild = wild.into_iter().find(|token| token.contains('-') && token.contains('_')).unwrap();
    assert!(verify(&wild).is_ok());
    tokens.push(bad("the other alphabet", wild.replace('-', "+").replace('_', "/"), all));
    tokens.push(bad("half the other alphabet", wild.replace('-', "+"), all));
    tokens.push(bad("the other half", wild.replace('_', "/"), all));
    tokens.extend(too_long());
    tokens
}

/// Bits that nobody reads, where a part has some.
fn spare_bits() -> Vec<Bad> {
    let token = good();
    let mut tokens = vec![];
    for (at, part) in parts(&token).iter().enumerate() {
        let last = part.chars().last().unwrap();
        let spare = ALPHABET.chars().filter(|char| {
            let other = format!("{}{char}", &part[..part.len() - 1]);
            *char != last && lenient(&other) == lenient(part)
        });
        for char in spare {
            let mut parts = parts(&token);
            parts[at] = format!("{}{char}", &part[..part.len() - 1]);
            tokens.push(bad(format!("spare bits of part {at}"), parts.join("."), &[Reason::Encoding]));
        }
    }
    tokens
}

/// More than any token of ours has, some of it signed as it should be.
fn too_long() -> Vec<Bad> {
    let token = good();
    let [header, claims, _] = parts(&token);
    let mut tokens = vec![];
    let long: &[Reason] = &[Reason::TooLong];
    tokens.push(bad("a megabyte", "a".repeat(1_000_000), long));
    tokens.push(bad("a megabyte of dots", ".".repeat(1_000_000), long));
    tokens.push(bad(
        "a megabyte of header",
        signed(format!("{HEADER}{}", " ".repeat(1_000_000)), super::claims().to_string()),
        long,
    ));
    tokens.push(bad(
        "a megabyte of claims",
        signed(HEADER, format!("{}{}", super::claims(), " ".repeat(1_000_000))),
        long,
    ));
    tokens.push(bad("a megabyte of signature", format!("{header}.{claims}.{}", "A".repeat(1_000_000)), long));
    tokens.push(bad("a little too much", signed(HEADER, format!("{}{}", super::claims(), " ".repeat(6000))), long));
    tokens
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Decodes what strict readers refuse.
fn lenient(part: &str) -> Vec<u8> {
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_encode_padding(false);
    let config = config.with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone);
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, config).decode(part).unwrap()
}

/// Headers and claims that are not one object of JSON, signed as they should be.
pub(super) fn objects() -> Vec<Bad> {
    let good = claims().to_string();
    let forms = |object: &str| {
        let value: Value = serde_json::from_str(object).unwrap();
        let values: Vec<&Value> = value.as_object().unwrap().values().collect();
        let utf16: Vec<u8> = object.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let text = |text: &str| text.as_bytes().to_vec();
        vec![
            ("a list of the values", json!(values).to_string().into_bytes()),
            ("a list of it", format!("[{object}]").into_bytes()),
            ("text of it", json!(object).to_string().into_bytes()),
            ("twice", format!("{object}{object}").into_bytes()),
            ("with a comma", format!("{object},").into_bytes()),
            ("with a comma inside", object.replace('}', ",}").into_bytes()),
            ("with a comment", format!("{object}/**/").into_bytes()),
            ("with a zero", format!("{object}\0").into_bytes()),
            ("after a byte-order mark", format!("\u{feff}{object}").into_bytes()),
            ("in UTF-16", utf16),
            ("with other quotes", object.replace('"', "'").into_bytes()),
            ("cut", object.as_bytes()[..object.len() - 1].to_vec()),
            ("with a broken character", [object.replace('}', ",\"x\":\"").as_bytes(), b"\xff\"}"].concat()),
            ("with half a character", object.replace('}', ",\"x\":\"\\ud800\"}").into_bytes()),
            ("with a line in a text", object.replace('}', ",\"x\":\"\n\"}").into_bytes()),
            ("encoded twice", encoded(object).into_bytes()),
            ("null", text("null")),
            ("a number", text("0")),
            ("a truth", text("true")),
            ("a list", text("[]")),
            ("spaces", text("   ")),
            ("deep", format!("{{\"x\":{}{}}}", "[".repeat(2000), "]".repeat(2000)).into_bytes()),
            ("deep objects", format!("{}1{}", "{\"x\":".repeat(700), "}".repeat(700)).into_bytes()),
        ]
    };
    let reasons = &[Reason::Json];
    let mut tokens: Vec<Bad> = forms(HEADER)
        .into_iter()
        .map(|(about, header)| bad(format!("header: {about}"), signed(header, &good), reasons))
        .collect();
    tokens.extend(
        forms(&good)
            .into_iter()
            .map(|(about, claims)| bad(format!("claims: {about}"), signed(HEADER, claims), reasons)),
    );
    tokens.push(bad("a token in a token", signed(HEADER, super::good()), reasons));
    tokens.push(bad("empty objects", signed("{}", "{}"), &[Reason::Header]));
    tokens.push(bad("no claims", signed(HEADER, "{}"), &[Reason::Claims]));
    let nested = json!({ "claims": claims() }).to_string();
    tokens.push(bad("claims one level down", signed(HEADER, nested), &[Reason::Claims]));
    let nested = claims_with("sub", &claims().to_string());
    tokens.push(bad("claims in a claim", signed(HEADER, nested), &[Reason::Claims]));
    tokens
}

fn parts(token: &str) -> [String; 3] {
    token.split('.').map(String::from).collect::<Vec<_>>().try_into().unwrap()
}
