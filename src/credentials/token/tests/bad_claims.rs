//! Claims that must not pass, under headers and signatures that are good.

use super::*;

fn claims_without(claim: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(claim);
    claims.to_string()
}

/// Times that are no whole numbers of seconds since 1970.
pub(super) fn times() -> Vec<Bad> {
    let values = [
        r#""1800000000""#,
        r#""1800000300""#,
        "1800000000.0",
        "1800000000.5",
        "1.8e9",
        "1800000000e0",
        "18E8",
        "1e300",
        "-1",
        "-1800000000",
        "-0",
        "-0.0",
        "0.0",
        "99999999999999999999",
        "18446744073709551616",
        "1000000000000000000000000000000",
        "253402300800",
        "18446744073709551615",
        "9223372036854775807",
        "9223372036854775808",
        "null",
        "true",
        "false",
        "[]",
        "[1800000000]",
        "{}",
        r#"{"seconds":1800000000}"#,
        r#""""#,
        r#""never""#,
        r#""2027-01-15T08:00:00Z""#,
        r#"" 1800000000""#,
        r#""0x6b49d200""#,
    ];
    let mut tokens = vec![];
    for claim in ["exp", "nbf", "iat"] {
        for json in values {
            let token = signed(HEADER, claims_with(claim, json));
            tokens.push(bad(format!("{claim}: {json}"), token, &[Reason::Claims]));
        }
        tokens.push(bad(format!("no {claim}"), signed(HEADER, claims_without(claim)), &[Reason::Claims]));
        // Not even JSON.
        for json in
            ["01800000000", "+1800000000", "0x6b49d200", "NaN", "Infinity", "1_800_000_000", "1800000000.", ".5"]
        {
            let token = signed(HEADER, claims_with(claim, json));
            tokens.push(bad(format!("{claim}: {json}"), token, &[Reason::Json]));
        }
    }
    tokens
}

/// Whole numbers, at the wrong time.
pub(super) fn wrong_times() -> Vec<Bad> {
    let day = MAX_LIFETIME.as_secs();
    let cases: [(u64, u64, u64, Reason); 14] = [
        (NOW - 900, NOW - 900, NOW - 5, Reason::Expired),
        (NOW - 900, NOW - 900, NOW - 6, Reason::Expired),
        (NOW - 9000, NOW - 9000, NOW - 8000, Reason::Expired),
        (0, 0, 0, Reason::Expired),
        (0, 0, 1, Reason::Expired),
        (NOW - 60, NOW + 6, NOW + 840, Reason::NotYet),
        (NOW + 6, NOW - 60, NOW + 840, Reason::NotYet),
        (NOW + 3600, NOW + 3600, NOW + 4000, Reason::NotYet),
        (NOW, NOW, NOW + day + 1, Reason::Lifetime),
        (0, NOW, NOW + 60, Reason::Lifetime),
        (NOW, NOW, 253_402_300_799, Reason::Lifetime),
        (NOW + 3, NOW, NOW + 2, Reason::Claims),
        (NOW, NOW + 3, NOW + 2, Reason::Claims),
        (u64::MAX, u64::MAX, u64::MAX, Reason::Claims),
    ];
    let token = |(issued, not_before, expires, _): (u64, u64, u64, Reason)| {
        let mut claims = claims();
        claims["iat"] = issued.into();
        claims["nbf"] = not_before.into();
        claims["exp"] = expires.into();
        signed(HEADER, claims.to_string())
    };
    cases
        .into_iter()
        .map(|case| {
            let reasons: &'static [Reason] = match case.3 {
                Reason::Expired => &[Reason::Expired],
                Reason::NotYet => &[Reason::NotYet],
                Reason::Lifetime => &[Reason::Lifetime],
                _ => &[Reason::Claims],
            };
            bad(format!("{case:?}"), token(case), reasons)
        })
        .collect()
}

/// Texts that name somebody or something else.
pub(super) fn names() -> Vec<Bad> {
    let issuers = [
        "https://evil.test",
        "https://footnote.test/",
        "http://footnote.test",
        "HTTPS://footnote.test",
        "footnote.test",
        "https://footnote.test ",
        " https://footnote.test",
        "https://footnote.test\\u0000",
        "https://footnote.test.evil.test",
        "https://footnote.tes",
        "",
    ];
    let audiences =
        ["other", "Footnote", "footnote ", "footnot", "footnotes", "footnote,other", "footnote other", "*", ""];
    let lists = [
        "[]",
        r#"["other"]"#,
        r#"["footnote","other"]"#,
        r#"["other","footnote"]"#,
        r#"["footnote","footnote"]"#,
        r#"[["footnote"]]"#,
        "[null]",
        r#"[{"footnote":1}]"#,
        r#"["footnote",null]"#,
    ];
    let uses = ["refresh", "id", "Access", "access ", "ACCESS", "guest", "api", ""];
    let ids = [
        "",
        "admin",
        "1",
        "*",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057 ",
        "01890a5d-ac96-774b-bcce-b302099a805",
        "' or 1=1 --",
        "01890a5d-ac96-774b-bcce-b302099a80570",
        "01890a5d-ac96-774b-bcce-b302099a8057\\u0000",
    ];
    let mut tokens = vec![];
    let mut add = |claim: &str, json: &str, reasons: &'static [Reason]| {
        tokens.push(bad(format!("{claim}: {json}"), signed(HEADER, claims_with(claim, json)), reasons));
    };
    for (claim, texts, reasons) in [
        ("iss", &issuers[..], &[Reason::Issuer] as &[Reason]),
        ("aud", &audiences, &[Reason::Audience]),
        ("use", &uses, &[Reason::Use]),
        ("sub", &ids, &[Reason::Claims]),
        ("sid", &ids, &[Reason::Claims]),
        ("jti", &ids, &[Reason::Claims]),
    ] {
        for text in texts {
            add(claim, &format!("\"{text}\""), reasons);
        }
    }
    for list in lists {
        add("aud", list, &[Reason::Audience, Reason::Claims]);
    }
    tokens.extend(no_names());
    tokens
}

/// What is no text where one belongs.
fn no_names() -> Vec<Bad> {
    let mut tokens = vec![];
    for claim in ["iss", "aud", "sub", "sid", "jti", "use"] {
        for json in ["null", "true", "0", "1.5", "{}"] {
            let token = signed(HEADER, claims_with(claim, json));
            tokens.push(bad(format!("{claim}: {json}"), token, &[Reason::Claims]));
        }
    }
    for claim in ["iss", "aud", "sub", "sid", "jti", "use"] {
        tokens.push(bad(format!("no {claim}"), signed(HEADER, claims_without(claim)), &[Reason::Claims]));
    }
    for claim in ["iss", "sub", "sid", "jti", "use"] {
        let listed = format!("[{}]", claims()[claim]);
        tokens.push(bad(format!("{claim}: {listed}"), signed(HEADER, claims_with(claim, &listed)), &[Reason::Claims]));
    }
    tokens
}

/// A name twice: the good value first, last, and under an escaped name.
pub(super) fn twice() -> Vec<Bad> {
    let twice = |good: &str| {
        let object: Value = serde_json::from_str(good).unwrap();
        let names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
        let mut texts = vec![];
        for name in names {
            let value = &object[&name];
            let escaped: String = name.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect();
            let inner = &good[1..good.len() - 1];
            texts.push((name.clone(), format!("{{{inner},\"{name}\":{value}}}")));
            texts.push((name.clone(), format!("{{{inner},\"{name}\":null}}")));
            texts.push((name.clone(), format!("{{\"{name}\":\"none\",{inner}}}")));
            texts.push((name, format!("{{\"{escaped}\":{value},{inner}}}")));
        }
        texts
    };
    let claims = claims().to_string();
    let headers = twice(HEADER).into_iter().map(|(name, header)| (name, signed(header, &claims)));
    let bodies = twice(&claims).into_iter().map(|(name, body)| (name, signed(HEADER, body)));
    headers.chain(bodies).map(|(name, token)| bad(name, token, &[Reason::Duplicate])).collect()
}

/// Whole tokens of other kinds, and claims that ours never have.
pub(super) fn uses() -> Vec<Bad> {
    let reasons: &[Reason] = &[Reason::Claims];
    let further = [
        ("scope", json!("admin")),
        ("roles", json!(["admin"])),
        ("admin", json!(true)),
        ("azp", json!("footnote")),
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("events", json!({})),
        ("cnf", json!({})),
        ("act", json!({})),
        ("typ", json!("Refresh")),
        ("token_use", json!("refresh")),
        ("exp ", json!(NOW)),
        ("EXP", json!(NOW)),
        ("", json!(1)),
    ];
    let mut tokens: Vec<Bad> = further
        .into_iter()
        .map(|(name, value)| {
            let mut claims = claims();
            claims[name] = value;
            bad(format!("with {name}"), signed(HEADER, claims.to_string()), reasons)
        })
        .collect();
    let refresh =
        json!({ "iss": "https://footnote.test", "aud": "footnote", "sub": claims()["sub"], "exp": NOW + 99_999 });
    tokens.push(bad("a refresh token", signed(HEADER, refresh.to_string()), reasons));
    let id = json!({ "iss": "https://footnote.test", "aud": "footnote", "sub": "x", "exp": NOW + 9, "iat": NOW, "email": "a@b" });
    tokens.push(bad("an id token", signed(HEADER, id.to_string()), reasons));
    tokens.push(bad(
        "an id token with its type",
        signed(HEADER.replace("at+jwt", "JWT"), id.to_string()),
        &[Reason::Type],
    ));
    tokens.push(bad("an opaque refresh token", encoded([5; 32]), &[Reason::Shape]));
    tokens.push(bad("an API key", "fn_0123456789abcdefghijkl_".to_owned() + &"a".repeat(43), &[Reason::Shape]));
    tokens
}
