//! The voice of the comments: docs begin with a noun phrase or a verb, never with a hidden
//! question, and no comment is wider than a page.

use crate::sources::{below, root};

/// Of 1,000 docs, so many may begin with a question.
const QUESTIONS_PER_THOUSAND: usize = 30;

/// The most columns of a line that holds a comment and nothing else.
const COLUMNS: usize = 100;

const QUESTION_WORDS: [&str; 11] = [
    "What", "How", "Whether", "When", "Where", "Why", "Who", "Whom", "Whose", "Which", "If",
];

#[test]
fn docs_do_not_begin_with_a_question() {
    let (mut docs, mut questions) = (0, Vec::new());
    for source in below(&root(), ".rs") {
        for (number, line) in first_lines(&source.text) {
            docs += 1;
            if is_question(line) {
                questions.push(format!("{}:{number}: {line}", source.path.display()));
            }
        }
    }
    assert!(docs > 1000, "only {docs} docs were found");
    assert!(
        questions.len() * 1000 < docs * QUESTIONS_PER_THOUSAND,
        "{} of {docs} docs begin with a hidden question; begin with a noun or a verb in the third person:\n{}",
        questions.len(),
        questions.join("\n")
    );
}

#[test]
fn comments_fit_on_a_page() {
    let mut wide = Vec::new();
    for source in below(&root(), ".rs") {
        for (number, line) in (1..).zip(source.text.lines()) {
            let columns = line.chars().count();
            // Neither an address nor the row of a table can be wrapped.
            let text = line.trim_start().trim_start_matches(['/', '!', ' ']);
            let wraps = !line.contains("://") && !text.starts_with('|');
            if line.trim_start().starts_with("//") && columns > COLUMNS && wraps {
                wide.push(format!(
                    "{}:{number}: {columns} columns",
                    source.path.display()
                ));
            }
        }
    }
    assert!(
        wide.is_empty(),
        "{} lines of comments are wider than {COLUMNS} columns:\n{}",
        wide.len(),
        wide.join("\n")
    );
}

/// The first line of each doc comment, with its number.
fn first_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_inside = false;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let line = line.trim_start();
        let doc = line.strip_prefix("/// ").or(line.strip_prefix("//! "));
        let was_inside = is_inside;
        is_inside = line.starts_with("///") || line.starts_with("//!");
        doc.filter(|_| !was_inside).map(|doc| (number, doc))
    })
}

fn is_question(line: &str) -> bool {
    let word = line.split(|character: char| !character.is_alphabetic());
    word.take(1).any(|word| QUESTION_WORDS.contains(&word))
}

#[test]
fn questions_are_told_from_statements() {
    assert!(is_question("What the kernel answered."));
    assert!(is_question("How many seeds to play"));
    assert!(!is_question("Whatever comes."));
    assert!(!is_question("The number of seeds."));
    let text =
        "//! A file.\n//! How so?\n\n/// Whom it is with.\n///\n/// More.\nfn a() {}\n    /// B.\n";
    let found: Vec<_> = first_lines(text).collect();
    assert_eq!(found, [(1, "A file."), (4, "Whom it is with."), (8, "B.")]);
}
