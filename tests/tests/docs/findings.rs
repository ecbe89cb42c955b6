//! The table in `findings/README.md` names every script, and the scripts keep their rules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use linecho_trials::{Stop, Trial, trials};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../findings");

pub(crate) fn trials() -> Vec<Trial> {
    trials![every_finding_is_in_the_table_and_keeps_the_rules]
}

fn every_finding_is_in_the_table_and_keeps_the_rules() -> Result<(), Stop> {
    let table = fs::read_to_string(Path::new(FOLDER).join("README.md")).unwrap();
    let mut scripts = 0;
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "sh") {
            continue;
        }
        scripts += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert!(
            table.contains(&format!("]({name})")),
            "{name} is not in the table"
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{name} is not executable");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() < 80, "{name} has 80 lines or more");
        assert!(
            text.contains("mktemp -d") && text.contains("trap "),
            "{name} leaves files behind"
        );
        assert!(!text.contains("linecho"), "{name} runs linecho");
    }
    assert_eq!(
        scripts,
        table.matches("| [`").count(),
        "the table names other scripts"
    );
    Ok(())
}
