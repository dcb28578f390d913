//! No two files of `src/` need each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_files_import_each_other_in_a_circle() {
    let house = House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let imports = house.imports();
    assert!(imports.len() > 100 && imports.values().map(BTreeSet::len).sum::<usize>() > 300, "the files are not read");
    let found: BTreeMap<String, Vec<String>> = circles(&imports)
        .into_iter()
        .map(|circle| {
            let arrows = circle.iter().flat_map(|from| {
                let to = imports[from].iter().filter(|to| circle.contains(*to));
                to.map(move |to| format!("  {from} imports {to}"))
            });
            (circle.iter().cloned().collect::<Vec<_>>().join(", "), arrows.collect())
        })
        .collect();
    let told: Vec<_> = found.iter().map(|(circle, arrows)| format!("{circle}\n{}", arrows.join("\n"))).collect();
    assert!(told.is_empty(), "files that import each other in a circle:\n{}", told.join("\n"));
}

#[test]
fn every_form_of_an_import_is_followed() {
    let house = House::of(&[
        ("lib.rs", "pub mod a; mod b;"),
        ("a/mod.rs", "mod one; mod two; pub use one::One; pub use two::{Two as Second, deep::*}; const HERE: u8 = 1;"),
        (
            "a/one.rs",
            "use super::two::{self, Two}; // use super::three::Three;\nfn f() { two::g(\"use crate::b::B\") }",
        ),
        ("a/two.rs", "pub mod deep; use super::HERE; #[cfg(test)]\nmod tests { use super::super::One; }"),
        ("a/two/deep.rs", "use crate::a::{One, Second};"),
        ("b.rs", "pub(crate) fn f() -> crate::a::Second { crate :: a :: one :: f() }"),
    ]);
    let imports = house.imports();
    let of = |file: &str| imports[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("a/one.rs"), ["a/two.rs"]);
    assert_eq!(of("a/two.rs"), ["a/mod.rs"]);
    assert_eq!(of("a/two/deep.rs"), ["a/one.rs", "a/two.rs"]);
    assert_eq!(of("b.rs"), ["a/one.rs", "a/two.rs"]);
    // Handing names on is no import.
    assert!(of("a/mod.rs").is_empty() && of("lib.rs").is_empty());
    let arrows = |arrows: &[(&str, &str)]| {
        let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in arrows {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            graph.entry((*to).to_owned()).or_default();
        }
        circles(&graph).into_iter().map(|circle| circle.into_iter().collect::<String>()).collect::<Vec<_>>()
    };
    assert!(arrows(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(arrows(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")]), ["abc", "de"]);
}

/// A module's path below the crate.
type Module = Vec<String>;

/// The files, by the module that each is.
struct House {
    files: BTreeMap<Module, File>,
}

struct File {
    name: String,
    /// Paths that it names, as they stand there, each with whether that only hands the name on.
    paths: Vec<Named>,
}

struct Named {
    path: Vec<String>,
    /// Under which name it is known here.
    alias: String,
    handed_on: bool,
}

impl House {
    fn read(root: &Path) -> House {
        let mut sources = Vec::new();
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") && !path.starts_with(root.join("bin")) {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    sources.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let sources: Vec<_> = sources.iter().map(|(name, text)| (&**name, &**text)).collect();
        House::of(&sources)
    }

    fn of(sources: &[(&str, &str)]) -> House {
        let file = |(name, text): &(&str, &str)| {
            let mut module: Module = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            (module, File { name: (*name).to_owned(), paths: paths(&words(text)) })
        };
        House { files: sources.iter().map(file).collect() }
    }

    /// Which files each file imports something of.
    fn imports(&self) -> BTreeMap<String, BTreeSet<String>> {
        let of = |(module, file): (&Module, &File)| {
            let named = file.paths.iter().filter(|named| !named.handed_on);
            let mut to: BTreeSet<_> = named.filter_map(|named| self.file_of(module, &named.path, 0)).collect();
            to.remove(&file.name);
            (file.name.clone(), to)
        };
        self.files.iter().map(of).collect()
    }

    /// The file that a path names something of, as seen from a module; none if it is not ours.
    fn file_of(&self, from: &Module, path: &[String], depth: usize) -> Option<String> {
        let mut at = match path.first()?.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            child => [from.as_slice(), &[child.to_owned()]].concat(),
        };
        if !self.files.contains_key(&at) {
            return None;
        }
        let mut rest = &path[1..];
        while let Some((next, behind)) = rest.split_first() {
            let below = if next == "super" {
                at.split_last()?.1.to_vec()
            } else {
                [at.as_slice(), std::slice::from_ref(next)].concat()
            };
            if !self.files.contains_key(&below) {
                break;
            }
            (at, rest) = (below, behind);
        }
        // Who hands a name on has not made it.
        if let Some(name) = rest.first()
            && depth < 8
            && let Some(named) = self.files[&at].paths.iter().find(|named| named.handed_on && named.alias == *name)
            && let Some(file) = self.file_of(&at, &named.path, depth + 1)
        {
            return Some(file);
        }
        Some(self.files[&at].name.clone())
    }
}

/// The words and signs of a source, without comments, texts and the tests at its end.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("#[cfg(test)]") {
            break;
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if ["'\"'", "'\\''"].iter().any(|quote| rest.starts_with(quote)) {
            rest[1..].find('\'').unwrap_or_default() + 2
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if end > 0 { end } else { first.len_utf8() };
            if !first.is_whitespace() {
                words.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[taken..];
    }
    words
}

/// What a source names of other modules: by `use`, and by paths in the code that begin with `crate` or `super`.
fn paths(words: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let starts = matches!(&**word, "crate" | "super") && words.get(at + 1).is_some_and(|next| next == ":");
        if word == "use" {
            let handed_on = at > 0 && matches!(&*words[at - 1], "pub" | ")");
            let end = words[at..].iter().position(|word| word == ";").map_or(words.len(), |end| at + end);
            tree(&words[at + 1..end], &mut Vec::new(), handed_on, &mut found);
            at = end;
        } else if starts {
            let mut path = vec![word.clone()];
            while let [colon, other, name, ..] = &words[at + 1..]
                && (&**colon, &**other) == (":", ":")
            {
                path.push(name.clone());
                at += 3;
            }
            found.push(Named { path, alias: String::new(), handed_on: false });
        }
        at += 1;
    }
    found
}

/// What one `use` names; `words` are those of a tree up to its end.
fn tree(words: &[String], before: &mut Vec<String>, handed_on: bool, found: &mut Vec<Named>) {
    let depth = before.len();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match &**word {
            "{" => {
                let (mut open, mut start) = (0, at + 1);
                for (place, word) in words.iter().enumerate().skip(at) {
                    match &**word {
                        "{" => open += 1,
                        "}" => open -= 1,
                        _ => {}
                    }
                    if open == 0 || (open == 1 && word == ",") {
                        if start < place {
                            tree(&words[start..place], before, handed_on, found);
                        }
                        start = place + 1;
                    }
                }
                before.truncate(depth);
                return;
            }
            "as" => break,
            ":" => {}
            name => before.push(name.to_owned()),
        }
        at += 1;
    }
    let mut path = before.clone();
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let alias = words.get(at + 1).or(path.last()).cloned().unwrap_or_default();
    found.push(Named { path, alias, handed_on });
    before.truncate(depth);
}

/// The sets of files of which each can be reached from each other one.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            for to in imports.get(file).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<_, _> = imports.keys().map(|file| (file.clone(), reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, reached) in &reach {
        if reached.contains(file) {
            found.insert(reached.iter().filter(|to| reach[*to].contains(file)).cloned().collect::<BTreeSet<_>>());
        }
    }
    found.into_iter().collect()
}
