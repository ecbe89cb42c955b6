//! The pages in Markdown: they read well as files, and their links lead to files that exist.

use std::fs;

use crate::sources::{below, root};

/// The most columns of a line of text. Rows of tables, code and addresses may be wider.
const COLUMNS: usize = 120;

/// The most lines of the first page that a reader sees: two screens.
const FIRST_PAGE_LINES: usize = 130;

const LIBRARIES: [&str; 4] = [
    "core",
    "adapters/std",
    "adapters/smoltcp",
    "adapters/smoltcp/devices",
];

#[test]
fn links_lead_to_files() {
    let (mut links, mut dead) = (0, Vec::new());
    for page in below(&root(), ".md") {
        let folder = page.path.parent().expect("a file is in a folder");
        for target in targets(&page.text).filter(|target| is_relative(target)) {
            links += 1;
            let file = target.split('#').next().unwrap_or_default();
            if !folder.join(file).exists() {
                dead.push(format!("{}: {target}", page.path.display()));
            }
        }
    }
    assert!(links > 80, "only {links} links were found");
    assert!(dead.is_empty(), "links to nothing:\n{}", dead.join("\n"));
}

#[test]
fn examples_hide_no_lines() {
    let (mut lines, mut hidden) = (0, Vec::new());
    for page in below(&root(), ".md") {
        for (number, line) in rust_lines(&page.text) {
            lines += 1;
            if line == "#" || line.starts_with("# ") {
                hidden.push(format!("{}:{number}: {line}", page.path.display()));
            }
        }
    }
    assert!(lines > 80, "only {lines} lines of Rust were found");
    assert!(
        hidden.is_empty(),
        "only rustdoc hides these lines, a reader of the file sees them:\n{}",
        hidden.join("\n")
    );
}

#[test]
fn text_is_wrapped() {
    let mut wide = Vec::new();
    for page in below(&root(), ".md") {
        for (number, line) in text_lines(&page.text) {
            let columns = line.chars().count();
            if columns > COLUMNS {
                wide.push(format!(
                    "{}:{number}: {columns} columns",
                    page.path.display()
                ));
            }
        }
    }
    assert!(
        wide.is_empty(),
        "wider than {COLUMNS}:\n{}",
        wide.join("\n")
    );
}

#[test]
fn first_page_fits_on_two_screens() {
    let page = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let lines = page.lines().count();
    assert!(lines <= FIRST_PAGE_LINES, "README.md has {lines} lines");
    let widest = page.lines().map(|line| line.chars().count()).max();
    assert!(
        widest <= Some(COLUMNS),
        "README.md is {widest:?} columns wide"
    );
}

#[test]
fn readmes_of_libraries_say_what_to_depend_on() {
    for folder in LIBRARIES {
        let path = root().join(folder).join("README.md");
        let page = fs::read_to_string(&path).expect("a library has a README");
        let wanted = page.contains("```toml\n[dependencies]\nlinecho-");
        assert!(wanted, "{} has no [dependencies]", path.display());
    }
}

/// The targets of `[text](target)` and of `[text]: target`, outside of code.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    outside_code(page).flat_map(|(_, line)| {
        let inline = line.split("](").skip(1);
        let inline = inline
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target);
        let defined = line
            .starts_with('[')
            .then(|| line.split_once("]: "))
            .flatten();
        inline.chain(defined.map(|(_, target)| target))
    })
}

fn is_relative(target: &str) -> bool {
    !target.contains("://") && !target.starts_with('#')
}

/// The lines that must be wrapped.
fn text_lines(page: &str) -> impl Iterator<Item = (usize, &str)> {
    outside_code(page).filter(|(_, line)| !line.starts_with('|') && !line.contains("://"))
}

fn outside_code(page: &str) -> impl Iterator<Item = (usize, &str)> {
    with_fence(page).filter_map(|(number, line, fence)| fence.is_none().then_some((number, line)))
}

/// The lines of examples that rustdoc compiles.
fn rust_lines(page: &str) -> impl Iterator<Item = (usize, &str)> {
    with_fence(page).filter_map(|(number, line, fence)| {
        let words = fence?;
        let is_rust = words.is_empty() || words.starts_with("rust") || words.starts_with("no_run");
        is_rust.then_some((number, line))
    })
}

/// The lines of a page, each with its number and with the words after the fence of the code that
/// it is in. Fences themselves are left out.
fn with_fence(page: &str) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
    let mut fence = None;
    (1..).zip(page.lines()).filter_map(move |(number, line)| {
        let Some(words) = line.trim_start().strip_prefix("```") else {
            return Some((number, line, fence));
        };
        fence = fence.is_none().then_some(words);
        None
    })
}

#[test]
fn links_and_code_are_told_from_text() {
    let page = "A [b](c.md#d) and [e](f).\n```rust\n# hidden\n[g](h)\n```\n[i]: j\n```sh\n# seen\n```\n| k";
    let found: Vec<_> = targets(page).collect();
    assert_eq!(found, ["c.md#d", "f", "j"]);
    assert_eq!(
        rust_lines(page).collect::<Vec<_>>(),
        [(3, "# hidden"), (4, "[g](h)")]
    );
    let text: Vec<_> = text_lines(page).map(|(number, _)| number).collect();
    assert_eq!(text, [1, 6]);
    assert!(is_relative("../a.md") && !is_relative("https://a.b") && !is_relative("#c"));
}
