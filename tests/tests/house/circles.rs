//! No file imports another that imports it, however many lie between, in any crate. A module and
//! its own parts count as one: a part may use what its module defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::sources::{below, root};

/// A module: the names from the crate's root on.
type Module = Vec<String>;

/// A crate: its modules, and in each the paths of its `use` declarations.
#[derive(Default)]
struct Crate(BTreeMap<Module, Vec<Import>>);

/// One name that a module imports.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    /// The path as it is written.
    path: Vec<String>,
    /// The name that it has in the module: other modules may import it from there.
    name: String,
}

#[test]
fn no_crate_has_an_import_circle() {
    let root = root();
    let crates = below(&root, ".rs").into_iter().map(|source| source.path);
    let crates: Vec<_> = crates.filter(|path| path.ends_with("src/lib.rs")).collect();
    assert!(crates.len() >= 5, "only {crates:?} were found");
    let mut circles = Vec::new();
    for lib in crates {
        let folder = lib.parent().expect("lib.rs is in a folder");
        for circle in Crate::read(folder).circles() {
            circles.push(format!("{}: {}", folder.display(), circle.join(" -> ")));
        }
    }
    assert!(
        circles.is_empty(),
        "import circles:\n{}",
        circles.join("\n")
    );
}

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut found = Self::default();
        for source in below(folder, ".rs") {
            let path = source.path.strip_prefix(folder).expect("it is below");
            // Programs are crates of their own, and tests may use whatever they test.
            if path.starts_with("bin") || path.ends_with("tests.rs") || path.starts_with("main.rs")
            {
                continue;
            }
            let mut module: Module = path
                .with_extension("")
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
                module.pop();
            }
            if !module.iter().any(|part| part == "tests") {
                found.0.insert(module, imports(&source.text));
            }
        }
        found
    }

    /// The module that defines what `path`, written in `module`, names; none if it is of another
    /// crate.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Module> {
        let mut at = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.to_vec(),
            first => {
                let mut child = module.to_vec();
                child.push(first.into());
                return self
                    .0
                    .contains_key(&child)
                    .then(|| self.walk(module.to_vec(), path, depth));
            }
        };
        let mut rest = &path[1..];
        if path[0] == "super" {
            at.pop();
        }
        while rest.first().is_some_and(|part| part == "super") {
            at.pop();
            rest = &rest[1..];
        }
        Some(self.walk(at, rest, depth))
    }

    /// Goes down from `at` along `rest`, and through what modules export of others.
    fn walk(&self, mut at: Module, rest: &[String], depth: usize) -> Module {
        for (index, part) in rest.iter().enumerate() {
            at.push(part.clone());
            if self.0.contains_key(&at) {
                continue;
            }
            at.pop();
            let exports = self.0.get(&at).into_iter().flatten();
            for export in exports.filter(|export| export.name == *part) {
                let mut path = export.path.clone();
                path.extend_from_slice(&rest[index + 1..]);
                // A name may be imported under itself.
                if depth < 8
                    && let Some(found) = self.resolve(&at, &path, depth + 1)
                {
                    return found;
                }
            }
            break;
        }
        at
    }

    /// Finds a circle through each module that is on one; each circle once.
    fn circles(&self) -> Vec<Vec<String>> {
        let mut edges = BTreeMap::<&Module, BTreeSet<Module>>::new();
        for (module, imports) in &self.0 {
            for import in imports {
                if let Some(target) = self.resolve(module, &import.path, 0)
                    && !module.starts_with(&target)
                {
                    edges.entry(module).or_default().insert(target);
                }
            }
        }
        let mut found = BTreeMap::new();
        for start in self.0.keys() {
            if let Some(circle) = circle(start, &edges) {
                let names: BTreeSet<_> = circle.iter().cloned().collect();
                found.entry(names).or_insert(circle);
            }
        }
        let name = |module: &Module| match module.is_empty() {
            true => "lib".into(),
            false => module.join("::"),
        };
        let circles = found.into_values();
        circles
            .map(|circle| circle.iter().map(name).collect())
            .collect()
    }
}

/// The shortest way from `start` back to it, without its end.
fn circle(start: &Module, edges: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().expect("a way has a start");
            for next in edges.get(last).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    let mut way = way.clone();
                    way.push(next.clone());
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// All names that the `use` declarations of a file import, but for its tests.
fn imports(text: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<_> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    for declaration in code.join("\n").split(';') {
        let uses = declaration.split("\n").map(str::trim_start);
        let mut lines = uses.skip_while(|line| {
            !(line.starts_with("use ") || line.starts_with("pub") && line.contains(" use "))
        });
        let declaration = lines.by_ref().collect::<Vec<_>>().join(" ");
        if let Some((_, tree)) = declaration.split_once("use ") {
            collect(Vec::new(), tree.trim(), &mut found);
        }
    }
    found
}

/// Adds the names of a tree, such as `a::{b, c as d}`, below a path.
fn collect(mut path: Vec<String>, tree: &str, found: &mut Vec<Import>) {
    let (first, rest) = match tree.split_once("::") {
        Some((first, rest)) if !first.contains(['{', ',']) => (first, Some(rest)),
        _ => (tree, None),
    };
    if let Some(inside) = first.strip_prefix('{') {
        let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
        let inside = rest.map_or(inside.to_owned(), |rest| format!("{inside}::{rest}"));
        split(&inside).for_each(|tree| collect(path.clone(), tree.trim(), found));
    } else if let Some(rest) = rest {
        path.push(first.trim().into());
        collect(path, rest.trim(), found);
    } else if !first.is_empty() {
        let (name, alias) = first.split_once(" as ").unwrap_or((first, first));
        let name = name.trim();
        if name != "self" {
            path.push(name.into());
        }
        let alias = if alias == "self" {
            path.last().map_or("", String::as_str)
        } else {
            alias
        };
        found.push(Import {
            name: alias.trim().to_owned(),
            path,
        });
    }
}

/// Splits a list at the commas that are in no braces.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    list.split(move |character| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        path.split("::")
            .filter(|part| !part.is_empty())
            .map(Into::into)
            .collect()
    }

    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let modules = files
            .iter()
            .map(|(path, text)| (module(path), imports(text)));
        let circles = Crate(modules.collect()).circles();
        circles
            .into_iter()
            .map(|circle| circle.join(" -> "))
            .collect()
    }

    #[test]
    fn circles_are_found_through_exports_and_lists() {
        let lib = ("", "mod a;\npub use a::A;\npub(crate) use b::{self, B};\n");
        let a = ("a", "// comment\nuse crate::{\n    other::X, B,\n};\n");
        let b = ("b", "use std::io;\nuse super::A as Mine;\n");
        assert_eq!(check(&[lib, a, b]), ["a -> b"]);
        let straight = ("b", "use std::io;\n\nfn b() {}\n");
        assert!(check(&[lib, a, straight]).is_empty());
    }

    #[test]
    fn longer_circles_are_found_once_and_parts_may_use_their_module() {
        let files = [
            ("", ""),
            ("a", "use self::part::P;\nuse crate::b;\n"),
            ("a::part", "use super::A;\n"),
            ("b", "use super::c::{deep::D, C};\n"),
            ("c", "use crate::a::part::P;\n"),
        ];
        assert!(check(&files).is_empty());
        let back = [
            files[0],
            files[1],
            files[2],
            files[3],
            ("c", "use crate::a;\n"),
        ];
        assert_eq!(check(&back), ["a -> b -> c"]);
    }
}
