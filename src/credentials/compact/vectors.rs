//! Published examples, one for each algorithm that has one: what others signed
//! must verify here, and nothing near it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Value, json};

use super::Compact;
use crate::credentials::jwks::samples;

/// The claims of RFC 7515's examples.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// The payload of RFC 7520's examples: a sentence, not claims.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg\
cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB\
0by4";

/// The key of RFC 7520, section 3.3.
const BILBO: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRB\
SFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJl\
sde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP\
5zw";

struct Example {
    about: &'static str,
    algorithm: Algorithm,
    key: Value,
    header: &'static str,
    payload: &'static str,
    signature: &'static str,
}

fn examples() -> [Example; 5] {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    [
        Example {
            about: "RFC 7515, A.1",
            algorithm: Algorithm::HS256,
            key: json!({ "kty": "oct", "k": secret }),
            header: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            payload: JOE,
            signature: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        },
        Example {
            about: "RFC 7515, A.2",
            algorithm: Algorithm::RS256,
            key: samples::rsa_jwk("a"),
            header: "eyJhbGciOiJSUzI1NiJ9",
            payload: JOE,
            signature: "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds\
                        9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_e\
                        SN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AX\
                        LIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        },
        Example {
            about: "RFC 7515, A.3",
            algorithm: Algorithm::ES256,
            key: samples::p256_jwk("a"),
            header: "eyJhbGciOiJFUzI1NiJ9",
            payload: JOE,
            signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        },
        Example {
            about: "RFC 7520, 4.2",
            algorithm: Algorithm::PS384,
            key: json!({ "kty": "RSA", "n": BILBO, "e": "AQAB" }),
            header: "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            payload: FRODO,
            signature: "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItl\
                        lVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrx\
                        UeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH51\
                        0a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        },
        Example {
            about: "RFC 8037, A.4",
            algorithm: Algorithm::EdDSA,
            key: samples::ed_jwk("a"),
            header: "eyJhbGciOiJFZERTQSJ9",
            payload: "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        },
    ]
}

fn key(example: &Example) -> DecodingKey {
    let jwk: Jwk = serde_json::from_value(example.key.clone()).unwrap();
    DecodingKey::from_jwk(&jwk).unwrap()
}

#[test]
fn published_examples_verify() {
    for example in examples() {
        let Example { about, algorithm, header, payload, signature, .. } = example;
        let message = format!("{header}.{payload}");
        let verified = crypto::verify(signature, message.as_bytes(), &key(&example), algorithm);
        assert!(verified.unwrap(), "{about}");
        let token = format!("{message}.{signature}");
        let claims = Compact::parse(&token).unwrap().claims(&key(&example), algorithm);
        // Those that hold claims are read, and a sentence is none.
        assert_eq!(claims.is_ok(), payload == JOE, "{about}: {claims:?}");
    }
}

#[test]
fn published_examples_with_one_bit_changed_do_not() {
    for example in examples() {
        let message = format!("{}.{}", example.header, example.payload);
        let signature = URL_SAFE_NO_PAD.decode(example.signature).unwrap();
        for at in 0..signature.len() {
            let mut other = signature.clone();
            other[at] ^= 1;
            let other = URL_SAFE_NO_PAD.encode(other);
            let verified = crypto::verify(&other, message.as_bytes(), &key(&example), example.algorithm);
            assert!(!verified.unwrap(), "{} {at}", example.about);
        }
        let message = message.replacen('e', "f", 1);
        let verified = crypto::verify(example.signature, message.as_bytes(), &key(&example), example.algorithm);
        assert!(!verified.unwrap(), "{}", example.about);
    }
}

#[test]
fn published_examples_verify_by_no_other_algorithm() {
    for example in examples() {
        for (name, algorithm, _) in samples::signers() {
            if algorithm != example.algorithm {
                let token = format!("{}.{}.{}", example.header, example.payload, example.signature);
                let claims = Compact::parse(&token).unwrap().claims(&key(&example), algorithm);
                assert!(claims.is_err(), "{} {name}", example.about);
            }
        }
    }
}
