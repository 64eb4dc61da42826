//! What source code comes to.

use super::*;
use crate::document::{Span, slice};
use proptest::prelude::*;

fn names(source: &str, language: Language) -> Vec<String> {
    let parsed = parse(source, language);
    parsed.map.symbols.iter().map(|symbol| symbol.name.clone()).collect()
}

/// The symbol of that name, as the text has it.
fn body<'p>(parsed: &'p Parsed, name: &str) -> &'p str {
    let symbol = parsed.map.symbols.iter().find(|symbol| symbol.name == name);
    slice(&parsed.text, symbol.unwrap_or_else(|| panic!("{name} in {:?}", parsed.map.symbols)).span)
}

#[test]
fn rust_has_items_with_what_stands_above_them() {
    let source = "//! Ärger.\n\nuse a::b;\n\n/// Größe.\n/// More.\n#[derive(Debug)]\nstruct Store<T>(T);\n\nconst A: u8 = 1; // not of `impl`\nimpl<T> Open for Store<T> {\n    // Inner.\n    fn open(&self) {\n        fn deep() {}\n    }\n}\nmod x { macro_rules! m { () => {} } }\n";
    let parsed = parse(source, Language::Rust);
    let found: Vec<_> = parsed.map.symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(found, ["struct Store", "impl Open for Store<T>", "fn open", "fn deep", "mod x", "macro_rules! m"]);
    assert_eq!(parsed.text, source.trim_end());
    assert_eq!(body(&parsed, "struct Store"), "/// Größe.\n/// More.\n#[derive(Debug)]\nstruct Store<T>(T);");
    assert!(body(&parsed, "impl Open for Store<T>").starts_with("impl<T>"));
    assert!(body(&parsed, "fn open").starts_with("// Inner.\n    fn open"));
}

#[test]
fn python_has_classes_and_functions_with_their_decorators() {
    let source = "import a\n\n# About.\n@decorated\nclass Foo(Base):\n    @property\n    def bar(self):\n        return 1\n\n    async def baz(self): ...\n";
    assert_eq!(names(source, Language::Python), ["class Foo", "def bar", "async def baz"]);
    let parsed = parse(source, Language::Python);
    assert!(body(&parsed, "class Foo").starts_with("# About.\n@decorated\nclass Foo"));
    assert_eq!(body(&parsed, "def bar"), "@property\n    def bar(self):\n        return 1");
}

#[test]
fn scripts_have_functions_however_they_are_written() {
    let source = "/** Doc. */\nexport function one() {}\nexport const two = () => { return <b>x</b>; };\nclass A { three() {} four = () => 1; }\nfunction* five() {}\nlet x = 1;\n";
    assert_eq!(
        names(source, Language::JavaScript),
        ["function one", "const two", "class A", "three()", "four()", "function* five"]
    );
    let parsed = parse(source, Language::JavaScript);
    assert_eq!(body(&parsed, "function one"), "/** Doc. */\nexport function one() {}");
    assert!(body(&parsed, "const two").starts_with("export const two"));
    let typed = "export interface A { a: string }\ntype B = string;\nenum C { D }\nnamespace N { export abstract class E { f(): void {} } }\n";
    let found = ["interface A", "type B", "enum C", "namespace N", "class E", "f()"];
    assert_eq!(names(typed, Language::TypeScript), found);
    assert_eq!(names(typed, Language::Tsx), found);
}

#[test]
fn go_java_and_c_have_their_own_names() {
    let go = "package a\n\n// Doc.\ntype Store struct{}\n\nfunc (s *Store) Open(a int) error { return nil }\n\nfunc main() {}\n";
    assert_eq!(names(go, Language::Go), ["type Store", "func (s *Store) Open", "func main"]);
    assert!(body(&parse(go, Language::Go), "type Store").starts_with("// Doc.\ntype Store"));
    let java = "package a;\n/** Doc. */\n@X\npublic class Foo {\n  Foo() {}\n  int bar(int a) { return 1; }\n}\nrecord P(int x) {}\n";
    assert_eq!(names(java, Language::Java), ["class Foo", "Foo()", "bar()", "record P"]);
    let c = "#include <a.h>\nstruct point { int x; };\ntypedef struct { int y; } other;\nstatic char *name(struct point p) { return 0; }\n";
    assert_eq!(names(c, Language::C), ["struct point", "typedef other", "name()"]);
    assert_eq!(names(c, Language::Header), names(c, Language::C));
    let cpp = "namespace n {\ntemplate <class T>\nclass Foo { public: T &get() { return t; } };\nint Foo<int>::bar() { return 1; }\n}\n";
    assert_eq!(names(cpp, Language::Header), ["namespace n", "class Foo", "get()", "Foo<int>::bar()"]);
    assert!(body(&parse(cpp, Language::Cpp), "class Foo").starts_with("template <class T>"));
}

#[test]
fn packed_and_huge_files_have_no_symbols() {
    let packed = format!("function a() {{}}\nvar b = \"{}\";\n", "x".repeat(6000));
    assert_eq!(names(&packed, Language::JavaScript), Vec::<String>::new());
    assert_eq!(names(&"fn a() {}\n".repeat(500_000), Language::Rust), Vec::<String>::new());
}

#[test]
fn code_with_mistakes_still_has_symbols() {
    assert_eq!(names("fn a() {}\n\nfn b( {\n\nfn c() {}\n", Language::Rust)[0], "fn a");
}

#[test]
fn hostile_files_are_read_as_text() {
    for unit in ["(", "{", "[[", "<a", "\"", "a.b(", "if a:", "`${", "* & ", "#[", "fn a(", "/*"] {
        let source = (unit.repeat(100) + "\n").repeat(200);
        for language in [Language::Rust, Language::Python, Language::JavaScript, Language::Tsx, Language::Cpp] {
            assert_eq!(parse(&source, language).text, canonical::text(&source), "{unit:?} {language:?}");
        }
    }
}

proptest! {
    #[test]
    fn symbols_lie_within_each_other_or_apart(
        source in "(fn a\\(\\) \\{|\\}|class A|def f\\(\\):|\n|  |/\\*|\\*/|// é|@x|#\\[a\\]|export |struct B;|[;(=é<]){0,60}",
    ) {
        for language in [Language::Rust, Language::Python, Language::Tsx, Language::Go, Language::Java, Language::Cpp] {
            let parsed = parse(&source, language);
            let points = parsed.text.chars().count();
            let mut open: Vec<Span> = Vec::new();
            for symbol in &parsed.map.symbols {
                open.retain(|outer| outer.end > symbol.span.start);
                prop_assert!(symbol.span.end <= points && !symbol.span.is_empty());
                prop_assert!(open.last().is_none_or(|outer| symbol.span.end <= outer.end), "{:?}", parsed.map.symbols);
                open.push(symbol.span);
            }
        }
    }
}
