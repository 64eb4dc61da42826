use proptest::prelude::*;

use super::*;

fn is(kind: &str, key: &str, value: impl Into<Value>) -> Value {
    json!({ "type": kind, "key": key, "value": value.into() })
}

fn split(filter: &Value) -> (Value, Option<Filter>) {
    let (told, rest) = Filter::read(filter, "filters").expect("a filter").split();
    (serde_json::to_value(told).expect("JSON"), rest)
}

#[test]
fn the_index_is_told_what_it_can_tell() {
    let all = json!({ "type": "and", "filters": [
        is("eq", "kind", json!("manual")), is("gte", "year", json!(2020)), is("lt", "year", json!(2025.5)),
        is("in", "language", json!(["de", "en"])), is("eq", "size", json!(4)),
    ] });
    let (told, rest) = split(&all);
    let expected = json!({
        "kind": "manual", "year": { "gte": 2020.0, "lt": 2025.5 }, "language": ["de", "en"],
        "size": { "gte": 4.0, "lte": 4.0 },
    });
    assert_eq!((told, rest), (expected, None));
}

#[test]
fn the_rest_is_looked_at_afterwards() {
    for filter in [
        is("ne", "kind", json!("manual")),
        is("nin", "kind", json!(["manual"])),
        is("in", "year", json!([2020, 2021])),
        is("eq", "a.b", json!("c")),
        json!({ "type": "or", "filters": [is("eq", "a", json!(1)), is("eq", "b", json!(2))] }),
    ] {
        let (told, rest) = split(&filter);
        assert_eq!((told, rest.is_some()), (json!({}), true), "{filter}");
    }
    // A key that comes twice: the first goes to the index.
    let twice = json!({ "type": "and", "filters": [is("eq", "a", json!("x")), is("eq", "a", json!("y"))] });
    let (told, rest) = split(&twice);
    assert_eq!(told, json!({ "a": "x" }));
    assert_eq!(rest, Some(Filter::Is { how: How::Eq, key: "a".into(), value: json!("y") }));
}

#[test]
fn attributes_fit_or_do_not() {
    let attributes = json!({ "kind": "manual", "year": 2024, "tags": ["a", "b"], "public": true });
    for (filter, fits) in [
        (is("eq", "year", json!(2024.0)), true),
        (is("eq", "year", json!("2024")), false),
        (is("ne", "kind", json!("note")), true),
        (is("ne", "nothing", json!("x")), true),
        (is("eq", "nothing", json!("x")), false),
        (is("gt", "year", json!(2023)), true),
        (is("gt", "kind", json!(1)), false),
        (is("in", "year", json!([1, 2024])), true),
        (is("nin", "kind", json!(["manual"])), false),
        (is("eq", "tags", json!("b")), true),
        (is("ne", "tags", json!("b")), false),
        (is("eq", "public", json!(true)), true),
        (json!({ "type": "or", "filters": [] }), false),
        (json!({ "type": "and", "filters": [] }), true),
    ] {
        assert_eq!(Filter::read(&filter, "filters").expect("a filter").fits(&attributes), fits, "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_named() {
    let deep = (0..12).fold(is("eq", "a", json!(1)), |filter, _| json!({ "type": "and", "filters": [filter] }));
    let wide = json!({ "type": "or", "filters": vec![is("eq", "a", json!(1)); 65] });
    for (filter, param) in [
        (json!({}), "filters.type"),
        (json!({ "type": "eq" }), "filters.key"),
        (is("like", "a", json!("b")), "filters.type"),
        (is("gt", "a", json!("b")), "filters.value"),
        (is("in", "a", json!("b")), "filters.value"),
        (is("eq", "a", json!({})), "filters.value"),
        (json!({ "type": "and" }), "filters.filters"),
        (json!({ "type": "and", "filters": [is("eq", "", json!(1))] }), "filters.filters[0].key"),
    ] {
        assert_eq!(Filter::read(&filter, "filters").expect_err("refused").surface, param, "{filter}");
    }
    assert!(Filter::read(&deep, "f").is_err() && Filter::read(&wide, "f").is_err());
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..3).prop_map(|n| json!(n)),
        "[ab]".prop_map(|text| json!(text)),
        any::<bool>().prop_map(|b| json!(b))
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    let key = || prop_oneof![Just("a"), Just("b")];
    let one = (prop_oneof![Just("eq"), Just("ne")], key(), scalar()).prop_map(|(how, key, value)| is(how, key, value));
    let bound = (prop_oneof![Just("gt"), Just("lte")], key(), 0..3).prop_map(|(how, key, n)| is(how, key, json!(n)));
    let list = (prop_oneof![Just("in"), Just("nin")], key(), proptest::collection::vec(scalar(), 0..3))
        .prop_map(|(how, key, values)| is(how, key, json!(values)));
    prop_oneof![one, bound, list].prop_recursive(3, 12, 3, |inner| {
        let kind = prop_oneof![Just("and"), Just("or")];
        (kind, proptest::collection::vec(inner, 0..3))
            .prop_map(|(kind, filters)| json!({ "type": kind, "filters": filters }))
    })
}

/// As the index compares.
fn told_fits(told: &Value, attributes: &Value) -> bool {
    told.as_object().expect("conditions").iter().all(|(key, condition)| {
        let held = &attributes[key];
        match condition {
            Value::Object(bounds) => held.as_f64().is_some_and(|held| {
                bounds.iter().all(|(how, bound)| {
                    let bound = bound.as_f64().expect("a number");
                    match how.as_str() {
                        "gt" => held > bound,
                        "gte" => held >= bound,
                        "lt" => held < bound,
                        _ => held <= bound,
                    }
                })
            }),
            Value::Array(values) => values.contains(held),
            value => held == value,
        }
    })
}

proptest! {
    #[test]
    fn what_is_told_and_what_is_left_say_together_what_was_said(
        filter in filter(),
        attributes in proptest::collection::hash_map("[ab]", scalar(), 0..3),
    ) {
        let attributes = json!(attributes);
        let read = Filter::read(&filter, "filters").expect("a filter");
        let expected = read.fits(&attributes);
        let (told, rest) = split(&filter);
        let found = told_fits(&told, &attributes) && rest.is_none_or(|rest| rest.fits(&attributes));
        prop_assert_eq!(found, expected);
    }
}
