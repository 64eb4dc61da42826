//! What the description of the API says that callers may send: for each place of
//! a text a request that is otherwise as it should be.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request};
use serde_json::{Map, Value, json};

use crate::estate::{CANARY, Estate};
use crate::harness::request;
use crate::random::Random;

/// Stands where a text goes.
const HERE: &str = "\u{e000}";
/// Objects in objects that are looked into.
const DEPTH: usize = 6;
/// Routes that are asked without having signed in: otherwise they would end it.
const FOR_NOBODY: &str = "/api/v1/auth/";
/// Headers that each route reads, whatever is described.
const HEADERS: [&str; 3] = ["x-request-id", "accept-language", "user-agent"];

/// How a body is written.
#[derive(Debug, Clone)]
enum Shape {
    Nothing,
    Json(Value),
    /// A field of a form.
    Field(String),
}

/// A place where a text may stand in a request.
#[derive(Debug, Clone)]
pub struct Place {
    /// `GET /api/v1/documents`.
    pub route: String,
    /// For people: `query collection`.
    pub name: String,
    path: String,
    header: Option<String>,
    shape: Shape,
}

/// A route, as it is described, and the path and body of a good request.
pub struct Route<'d> {
    pub name: String,
    pub path: String,
    pub body: Value,
    operation: &'d Value,
    pattern: String,
}

/// The routes of a description, over the things of an estate.
pub fn routes<'d>(document: &'d Value, estate: &Estate) -> Vec<Route<'d>> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let methods = paths.flat_map(|(pattern, methods)| {
        methods.as_object().expect("methods").iter().map(move |(method, operation)| (pattern, method, operation))
    });
    let of = |(pattern, method, operation): (&String, &String, &'d Value)| {
        let name = format!("{} {pattern}", method.to_uppercase());
        let (path, body) = estate.call(&name).unwrap_or_else(|| (pattern.clone(), Value::Null));
        let parts: Vec<String> = path.split('/').map(|part| filled(part, estate)).collect();
        let body = good(&name).unwrap_or(body);
        Route { path: parts.join("/"), name, body, operation, pattern: pattern.clone() }
    };
    methods.map(of).collect()
}

/// A part of a path without a name in braces.
fn filled(part: &str, estate: &Estate) -> String {
    match part {
        "{user_id}" => estate.owner.id.clone(),
        _ if part.starts_with('{') => uuid::Uuid::now_v7().to_string(),
        _ => part.to_owned(),
    }
}

/// Bodies that the estate has no need of.
fn good(route: &str) -> Option<Value> {
    let model = format!("kb/{CANARY}");
    let said = json!([{ "role": "user", "content": "What does the pump hold?" }]);
    let part = json!([{ "type": "text", "text": "What does the pump hold?" }]);
    Some(match route {
        "POST /api/v1/search" => json!({ "query": CANARY }),
        "POST /v1/chat/completions" => json!({ "model": model, "messages": said }),
        "POST /v1/responses" => json!({ "model": model, "input": "What does the pump hold?" }),
        "POST /v1/embeddings" => json!({ "model": "any", "input": "The pump." }),
        "POST /api/chat" => json!({ "id": "chat", "message": { "id": "u1", "role": "user", "parts": part } }),
        _ => return None,
    })
}

impl Route<'_> {
    pub fn method(&self) -> &str {
        self.name.split_once(' ').expect("a method").0
    }

    /// All places of texts: of the path, the query, the headers and the body.
    pub fn places(&self, document: &Value) -> Vec<Place> {
        let whole = Place {
            route: self.name.clone(),
            name: String::new(),
            path: self.path.clone(),
            header: None,
            shape: if self.body.is_null() { Shape::Nothing } else { Shape::Json(self.body.clone()) },
        };
        let mut places = Vec::new();
        // What a header leaves as it is would be deleted.
        let headers = HEADERS.iter().filter(|_| self.method() != "DELETE");
        for &header in headers {
            places.push(Place { name: format!("header {header}"), header: Some(header.into()), ..whole.clone() });
        }
        for parameter in self.operation["parameters"].as_array().into_iter().flatten() {
            let (kind, name) = (parameter["in"].as_str().expect("a kind"), parameter["name"].as_str().expect("a name"));
            let named = Place { name: format!("{kind} {name}"), ..whole.clone() };
            places.push(match kind {
                "path" => Place { path: self.with_part(name), ..named },
                "query" => Place { path: format!("{}?{name}={HERE}", self.path), ..named },
                "header" => Place { header: Some(name.to_owned()), ..named },
                _ => continue,
            });
        }
        let content = &self.operation["requestBody"]["content"];
        let schemas = Schemas(&document["components"]["schemas"]);
        for mut skeleton in schemas.skeletons(&content["application/json"]["schema"], DEPTH) {
            complete(&mut skeleton, &self.body);
            let name = format!("body {}", shown(&skeleton));
            places.push(Place { name, shape: Shape::Json(skeleton), ..whole.clone() });
        }
        for field in schemas.fields(&content["multipart/form-data"]["schema"]) {
            places.push(Place { name: format!("form {field}"), shape: Shape::Field(field), ..whole.clone() });
        }
        places
    }

    /// The path with the place of a text in the part of this name.
    fn with_part(&self, name: &str) -> String {
        let parts = self.pattern.split('/').zip(self.path.split('/'));
        let named = format!("{{{name}}}");
        parts.map(|(pattern, part)| if pattern == named { HERE } else { part }).collect::<Vec<_>>().join("/")
    }
}

impl Place {
    /// The request with a text at its place, from somewhere else each time. None
    /// where such a text cannot be written.
    pub fn request(&self, text: &str, estate: &Estate, random: &mut Random) -> Option<Request<Body>> {
        let (method, _) = self.route.split_once(' ')?;
        let mut request = request(method, &self.path.replace(HERE, &encoded(text)));
        if !self.path.starts_with(FOR_NOBODY) {
            request = request.header("authorization", format!("Bearer {}", estate.owner.access));
        }
        if let Some(header) = &self.header {
            request = request.header(header, HeaderValue::from_bytes(text.as_bytes()).ok()?);
        }
        let body = match &self.shape {
            Shape::Nothing => Body::empty(),
            Shape::Json(body) => {
                request = request.header("content-type", "application/json");
                Body::from(with(body, text).to_string())
            }
            Shape::Field(field) => {
                request = request.header("content-type", "multipart/form-data; boundary=bound");
                Body::from(form(field, text))
            }
        };
        let mut request = request.body(body).ok()?;
        let mut byte = || u8::try_from(1 + random.below(250)).unwrap_or(1);
        let from = std::net::SocketAddr::from(([10, byte(), byte(), byte()], 4000));
        request.extensions_mut().insert(ConnectInfo(from));
        Some(request)
    }
}

/// A form with a field, and a file behind it.
fn form(field: &str, text: &str) -> String {
    let part = |head: &str, text: &str| format!("--bound\r\ncontent-disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let name = uuid::Uuid::now_v7();
    let field = part(&format!("name=\"{field}\""), text);
    let file = part(&format!("name=\"file\"; filename=\"{name}.txt\""), &format!("The pump {name} holds 4 bar."));
    let purpose = part("name=\"purpose\"", "assistants");
    if field.contains("name=\"purpose\"") {
        format!("{field}{file}--bound--\r\n")
    } else {
        // What nobody knows is refused, alike for all texts.
        format!("{field}{purpose}{file}--bound--\r\n")
    }
}

/// As URLs write it, to the last letter.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A value with a text at its place.
fn with(value: &Value, text: &str) -> Value {
    match value {
        Value::String(known) => json!(known.replace(HERE, text)),
        Value::Array(items) => items.iter().map(|item| with(item, text)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.replace(HERE, text), with(value, text)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// Adds what a good body has, but for what holds the place of the text.
fn complete(skeleton: &mut Value, good: &Value) {
    let (Some(fields), Some(good)) = (skeleton.as_object_mut(), good.as_object()) else { return };
    for (name, value) in good {
        let holds = fields.get(name).is_some_and(|known| known.to_string().contains(HERE));
        if !holds {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// A body for people, with the place of the text as `*`.
fn shown(body: &Value) -> String {
    let text = body.to_string().replace(HERE, "*");
    text.chars().take(200).collect()
}

/// The schemas by their names.
struct Schemas<'d>(&'d Value);

impl Schemas<'_> {
    /// Values with one place of a text each, and nothing else that is not required.
    fn skeletons(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let Some(depth) = depth.checked_sub(1) else { return vec![] };
        let Some(schema) = self.resolved(schema) else { return vec![] };
        let alternatives = alternatives(&schema);
        if !alternatives.is_empty() {
            return alternatives.iter().flat_map(|schema| self.skeletons(schema, depth)).collect();
        }
        match kind(&schema) {
            // What may be anything may be a text.
            "string" | "" => vec![json!(HERE)],
            "array" => self.skeletons(&schema["items"], depth).into_iter().map(|item| json!([item])).collect(),
            "object" => self.objects(&schema, depth),
            _ => vec![],
        }
    }

    fn objects(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let least = self.least(schema, depth);
        let least = least.as_object().cloned().unwrap_or_default();
        let known = schema["properties"].as_object().cloned().unwrap_or_default();
        let mut all = Vec::new();
        for (name, property) in &known {
            for value in self.skeletons(property, depth) {
                let mut object = least.clone();
                object.insert(name.clone(), value);
                all.push(Value::Object(object));
            }
        }
        let others = &schema["additionalProperties"];
        if *others != json!(false) && (others.is_object() || known.is_empty()) {
            all.push(json!({ "name": HERE }));
            all.push(json!({ HERE: "value" }));
        }
        all
    }

    /// The least that fits.
    fn least(&self, schema: &Value, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        let Some(schema) = self.resolved(schema) else { return Value::Null };
        if let Some(value) = schema["enum"].get(0) {
            return value.clone();
        }
        if let Some(first) = alternatives(&schema).first() {
            return self.least(first, depth);
        }
        match kind(&schema) {
            "string" if schema["format"] == "uuid" => json!(uuid::Uuid::now_v7()),
            "string" | "" => json!("words"),
            "integer" | "number" => json!(1),
            "boolean" => json!(false),
            "array" => json!([]),
            "object" => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let names = required.iter().filter_map(Value::as_str);
                let fields = names.map(|name| (name.to_owned(), self.least(&schema["properties"][name], depth)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            _ => Value::Null,
        }
    }

    /// The fields of a form.
    fn fields(&self, schema: &Value) -> Vec<String> {
        let resolved = self.resolved(schema).unwrap_or_default();
        let fields = resolved["properties"].as_object().cloned().unwrap_or_default();
        fields.into_iter().filter(|(_, field)| field["format"] != "binary").map(|(name, _)| name).collect()
    }

    /// What a reference names; none for no schema.
    fn resolved(&self, schema: &Value) -> Option<Value> {
        let named = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let found = named.map_or(schema, |name| &self.0[name]);
        (!found.is_null()).then(|| merged(self, found))
    }
}

/// One schema of all that must hold.
fn merged(schemas: &Schemas<'_>, schema: &Value) -> Value {
    let Some(all) = schema["allOf"].as_array() else { return schema.clone() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in all.iter().filter_map(|part| schemas.resolved(part)) {
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn alternatives(schema: &Value) -> Vec<Value> {
    let either = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    either.into_iter().flatten().filter(|schema| schema["type"] != "null").cloned().collect()
}

/// The type, whether or not null is allowed too.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default(),
        _ => "",
    }
}
