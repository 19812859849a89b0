//! The languages that rules are written in, and the program code that none of ours reads.

/// A language that semgrep reads by rules of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    Java,
    JavaScript,
    TypeScript,
    Python,
    Go,
}

impl Language {
    pub(super) const ALL: [Self; 5] = [Self::Java, Self::JavaScript, Self::TypeScript, Self::Python, Self::Go];

    /// Its name in a rule.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
        }
    }

    /// The ends of names that semgrep knows it by; the first is that of copies.
    pub(super) fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Java => &["java"],
            Self::JavaScript => &["js", "jsx", "cjs", "mjs"],
            Self::TypeScript => &["ts", "tsx"],
            Self::Python => &["py", "pyi"],
            Self::Go => &["go"],
        }
    }

    /// The language of a file with that end of its name.
    pub(super) fn of(ending: &str) -> Option<Self> {
        match ending {
            "mts" | "cts" => Some(Self::TypeScript),
            "es" | "es6" | "jsm" => Some(Self::JavaScript),
            "pyw" => Some(Self::Python),
            _ => Self::ALL.into_iter().find(|language| language.endings().contains(&ending)),
        }
    }
}

/// What a program's first line says that runs it.
pub(super) enum Script {
    Known(Language),
    Unknown,
}

/// The language of a program that begins with `#!`. A shell's is none: such scripts build and start things, and no rule is about them.
pub(super) fn script(bytes: &[u8]) -> Option<Script> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = String::from_utf8_lossy(&line[..line.len().min(300)]).to_lowercase();
    let words = || line.split(|c: char| c.is_whitespace() || c == '/' || c == '=');
    let any = |names: &[&str]| {
        words().any(|word| {
            names.iter().any(|name| word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == *name)
        })
    };
    if any(&["node", "nodejs", "bun", "deno"]) {
        Some(Script::Known(Language::JavaScript))
    } else if any(&["ts-node", "tsx"]) {
        Some(Script::Known(Language::TypeScript))
    } else if any(&["python", "pypy"]) {
        Some(Script::Known(Language::Python))
    } else {
        any(&[
            "ruby", "perl", "php", "lua", "java", "jshell", "groovy", "kotlin", "scala", "tclsh", "rscript", "raku",
            "elixir",
        ])
        .then_some(Script::Unknown)
    }
}

/// Code that runs in or beside an application and that no rule of ours reads: ends of names.
const OTHERS: [&str; 108] = [
    // On the Java machine, with the pages and templates that become code there.
    "aj",
    "bsh",
    "class",
    "clj",
    "cljc",
    "cljs",
    "drl",
    "ftl",
    "ftlh",
    "ftlx",
    "groovy",
    "gsh",
    "gsp",
    "gvy",
    "gy",
    "jad",
    "jsh",
    "jsp",
    "jspf",
    "jspx",
    "kt",
    "kts",
    "sc",
    "scala",
    "tag",
    "tagf",
    "tagx",
    "vm",
    "xtend",
    "zul",
    // What becomes JavaScript.
    "astro",
    "coffee",
    "ejs",
    "eta",
    "hbs",
    "iced",
    "jade",
    "jse",
    "litcoffee",
    "marko",
    "mdx",
    "njk",
    "pug",
    "svelte",
    "vue",
    "wsf",
    // Other languages.
    "asm",
    "asp",
    "aspx",
    "bas",
    "c",
    "cbl",
    "cc",
    "cfm",
    "cgi",
    "cob",
    "cpp",
    "cr",
    "cs",
    "cshtml",
    "cxx",
    "dart",
    "erb",
    "erl",
    "ex",
    "exs",
    "f90",
    "fs",
    "fsx",
    "gleam",
    "heex",
    "hpp",
    "hs",
    "jl",
    "lua",
    "ml",
    "mm",
    "nim",
    "pas",
    "phar",
    "php",
    "php5",
    "php7",
    "php8",
    "phtml",
    "pl",
    "pm",
    "pony",
    "pyx",
    "r",
    "rake",
    "raku",
    "rb",
    "rkt",
    "rs",
    "s",
    "sol",
    "swift",
    "tcl",
    "vb",
    "vbs",
    "zig",
    // Compiled.
    "apk",
    "dex",
    "node",
    "pyc",
    "pyd",
    "wasm",
];

/// Whether a file with that end of its name is program code that no rule reads.
pub(super) fn is_other(name: &str, ending: &str) -> bool {
    OTHERS.contains(&ending) && !name.ends_with(".gradle.kts")
}

/// What compiled programs begin with, whatever they are called.
pub(super) fn compiled(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"\xca\xfe\xba\xbe", "a Java class"),
        (b"\x7fELF", "a compiled program"),
        (b"\0asm", "a compiled program"),
        (b"\xcf\xfa\xed\xfe", "a compiled program"),
        (b"\xce\xfa\xed\xfe", "a compiled program"),
        (b"dex\n", "a compiled program"),
        (b"BC\xc0\xde", "a compiled program"),
        (b"\x1bLua", "a compiled program"),
    ];
    let windows = bytes.starts_with(b"MZ") && bytes.len() > 64 && bytes.contains(&0);
    windows
        .then_some("a compiled program")
        .or_else(|| MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_tells_the_language() {
        for (line, expected) in [
            ("#!/usr/bin/env node\n", Some(Language::JavaScript)),
            ("#!/usr/bin/env -S ts-node --x\n", Some(Language::TypeScript)),
            ("#!/usr/bin/python3.11", Some(Language::Python)),
        ] {
            assert!(matches!(script(line.as_bytes()), Some(Script::Known(found)) if Some(found) == expected), "{line}");
        }
        assert!(matches!(script(b"#!/usr/bin/perl -w\n"), Some(Script::Unknown)));
        assert!(script(b"#!/bin/sh\n# node\n").is_none() && script(b"node").is_none());
    }
}
