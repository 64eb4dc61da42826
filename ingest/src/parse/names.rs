//! Which format a file's name stands for: extensions and well-known names.
//! Imports the languages of source code.

use super::code::Language;

/// What a name says of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Cells between delimiters; `tabs` if the name says so.
    Delimited {
        tabs: bool,
    },
    Json,
    /// A JSON value on each line.
    JsonLines,
    Notebook,
    Xml,
    Rst,
    AsciiDoc,
    Org,
    /// Source code whose syntax is known.
    Code(Language),
    /// Text that is read as it is: source code and settings of all kinds.
    Plain,
}

impl Named {
    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delimited { .. } => "CSV",
            Self::Json => "JSON",
            Self::JsonLines => "JSON Lines",
            Self::Notebook => "notebook",
            Self::Xml => "XML",
            Self::Rst => "reStructuredText",
            Self::AsciiDoc => "AsciiDoc",
            Self::Org => "Org",
            Self::Code(_) => "source code",
            Self::Plain => "text",
        }
    }
}

/// Names of files that say more than their extension.
const WHOLE: &[(&str, Named)] = &[
    ("dockerfile", Named::Plain),
    ("containerfile", Named::Plain),
    ("makefile", Named::Plain),
    ("gnumakefile", Named::Plain),
    ("cmakelists.txt", Named::Plain),
    ("rakefile", Named::Plain),
    ("gemfile", Named::Plain),
    ("vagrantfile", Named::Plain),
    ("jenkinsfile", Named::Plain),
    ("procfile", Named::Plain),
    ("justfile", Named::Plain),
    ("licence", Named::Plain),
    ("license", Named::Plain),
    ("readme", Named::Plain),
    ("changelog", Named::Plain),
    ("authors", Named::Plain),
    ("notice", Named::Plain),
    ("build", Named::Plain),
    ("workspace", Named::Plain),
    (".gitignore", Named::Plain),
    (".dockerignore", Named::Plain),
    (".editorconfig", Named::Plain),
    // JSON with comments.
    ("tsconfig.json", Named::Plain),
    ("jsconfig.json", Named::Plain),
    ("devcontainer.json", Named::Plain),
    (".eslintrc.json", Named::Plain),
];

/// Extensions of text that is read as it is.
const PLAIN: &[&str] = &[
    "log",
    "conf",
    "cfg",
    "ini",
    "toml",
    "yaml",
    "yml",
    "properties",
    "env",
    "jsonc",
    "json5",
    "css",
    "scss",
    "sass",
    "less",
    "sql",
    "sh",
    "bash",
    "zsh",
    "fish",
    "ps1",
    "psm1",
    "bat",
    "cmd",
    "awk",
    "sed",
    "php",
    "rb",
    "cs",
    "fs",
    "fsx",
    "vb",
    "kt",
    "kts",
    "swift",
    "scala",
    "sc",
    "groovy",
    "gradle",
    "clj",
    "cljs",
    "edn",
    "lua",
    "pl",
    "pm",
    "r",
    "jl",
    "dart",
    "ex",
    "exs",
    "erl",
    "hrl",
    "hs",
    "lhs",
    "ml",
    "mli",
    "elm",
    "nim",
    "zig",
    "v",
    "sv",
    "vhd",
    "vhdl",
    "d",
    "pas",
    "f",
    "f90",
    "f95",
    "for",
    "cob",
    "cbl",
    "asm",
    "s",
    "lisp",
    "lsp",
    "el",
    "scm",
    "rkt",
    "tcl",
    "m",
    "mm",
    "cu",
    "cl",
    "glsl",
    "hlsl",
    "wgsl",
    "proto",
    "thrift",
    "graphql",
    "gql",
    "tf",
    "tfvars",
    "hcl",
    "nix",
    "cmake",
    "mk",
    "bzl",
    "star",
    "vue",
    "svelte",
    "astro",
    "tex",
    "bib",
    "sty",
    "rtx",
    "diff",
    "patch",
    "srt",
    "vtt",
    "po",
    "pot",
    "strings",
    "lock",
    "xsd",
    "xsl",
    "xslt",
    "wsdl",
    "csproj",
    "vbproj",
    "fsproj",
    "vcxproj",
    "props",
    "targets",
    "xaml",
    "sol",
    "move",
    "pyx",
];

/// What the name of a file says; nothing where it is not known here.
pub(super) fn of(name: &str) -> Option<Named> {
    let file = name.rsplit(['/', '\\']).next()?.to_ascii_lowercase();
    if let Some((_, named)) = WHOLE.iter().find(|(whole, _)| *whole == file) {
        return Some(*named);
    }
    let (stem, extension) = file.rsplit_once('.')?;
    let named = match extension {
        "csv" => Named::Delimited { tabs: false },
        "tsv" | "tab" => Named::Delimited { tabs: true },
        "json" | "geojson" | "webmanifest" | "har" => Named::Json,
        "jsonl" | "ndjson" | "jsonlines" | "ldjson" => Named::JsonLines,
        "ipynb" => Named::Notebook,
        "xml" | "rss" | "atom" | "rdf" | "dita" | "ditamap" | "dbk" | "docbook" | "tei" | "plist" | "svg" | "kml"
        | "gpx" | "opml" => Named::Xml,
        "rst" | "rest" => Named::Rst,
        "adoc" | "asciidoc" | "asc" => Named::AsciiDoc,
        "org" => Named::Org,
        _ => match Language::of_extension(extension) {
            Some(language) => Named::Code(language),
            // `Dockerfile.dev`, `app.dockerfile`.
            None if PLAIN.contains(&extension) => Named::Plain,
            None if [stem, extension].iter().any(|part| matches!(*part, "dockerfile" | "makefile")) => Named::Plain,
            None => return None,
        },
    };
    Some(named)
}

/// The same for a media type, in lower case and without parameters.
pub(super) fn of_media_type(media_type: &str) -> Option<Named> {
    Some(match media_type {
        "text/csv" => Named::Delimited { tabs: false },
        "text/tab-separated-values" => Named::Delimited { tabs: true },
        "application/json" | "text/json" | "application/geo+json" | "application/ld+json" => Named::Json,
        "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" | "application/json-lines" => {
            Named::JsonLines
        }
        "application/x-ipynb+json" => Named::Notebook,
        "application/xml" | "text/xml" | "application/rss+xml" | "application/atom+xml" => Named::Xml,
        "text/x-rst" | "text/prs.fallenstein.rst" => Named::Rst,
        "text/asciidoc" | "text/x-asciidoc" => Named::AsciiDoc,
        "text/org" | "text/x-org" => Named::Org,
        "text/x-rust" | "text/rust" => Named::Code(Language::Rust),
        "text/x-python" | "text/x-script.python" => Named::Code(Language::Python),
        "text/javascript" | "application/javascript" => Named::Code(Language::JavaScript),
        "text/x-go" => Named::Code(Language::Go),
        "text/x-java" | "text/x-java-source" => Named::Code(Language::Java),
        "text/x-c" | "text/x-csrc" => Named::Code(Language::C),
        "text/x-c++src" => Named::Code(Language::Cpp),
        "application/yaml" | "text/yaml" | "application/toml" | "text/css" | "application/sql" | "application/x-sh" => {
            Named::Plain
        }
        _ => return None,
    })
}

/// What the start of a text says, for a file whose name and media type say
/// nothing. Only what can hardly be something else; `whole` if there is no more.
pub(super) fn by_content(start: &str, whole: bool) -> Option<Named> {
    let text = start.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<?xml") {
        return Some(Named::Xml);
    }
    // A short text is JSON if it is valid; of a long one only the start is here.
    if text.starts_with(['{', '[']) && whole {
        return match super::json::looks_like(text) {
            Some(true) => Some(Named::Json),
            Some(false) => Some(Named::JsonLines),
            None => None,
        };
    }
    super::delimited::is_table(start).then_some(Named::Delimited { tabs: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_decide() {
        let cases = [
            ("a/B.CSV", Some(Named::Delimited { tabs: false })),
            ("x.tsv", Some(Named::Delimited { tabs: true })),
            ("x.html.json", Some(Named::Json)),
            ("x.ndjson", Some(Named::JsonLines)),
            ("src\\main.rs", Some(Named::Code(Language::Rust))),
            ("Makefile", Some(Named::Plain)),
            ("Dockerfile.dev", Some(Named::Plain)),
            ("app.dockerfile", Some(Named::Plain)),
            ("tsconfig.json", Some(Named::Plain)),
            ("notes.txt", None),
            ("none", None),
            ("", None),
        ];
        for (name, named) in cases {
            assert_eq!(of(name), named, "{name}");
        }
    }

    #[test]
    fn content_says_only_what_is_sure() {
        assert_eq!(by_content("<?xml version='1.0'?><a/>", true), Some(Named::Xml));
        assert_eq!(by_content("{\"a\": 1}", true), Some(Named::Json));
        assert_eq!(by_content("{\"a\": 1}\n{\"a\": 2}\n", true), Some(Named::JsonLines));
        assert_eq!(by_content("[note] not JSON", true), None);
        assert_eq!(by_content("a;b;c\n1;2;3\n1;2;3\n1;2;3\n1;2;3\n", true), Some(Named::Delimited { tabs: false }));
        assert_eq!(by_content("Some words, and more, of text.\n", true), None);
    }
}
