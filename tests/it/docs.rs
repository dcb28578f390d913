//! What README.md and docs/ say of commands, files and flags is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags in the documentation that belong to other programs.
const FOREIGN: [&str; 34] = [
    "--account-name",    // az
    "--backlog",         // the bench `latency`
    "--bench",           // cargo
    "--bin",             // cargo
    "--build",           // docker compose
    "--cask",            // brew
    "--command",         // psql
    "--container-name",  // az
    "--detach",          // docker compose
    "--eventhub-name",   // az
    "--exec-command",    // az
    "--file",            // az
    "--force",           // brew
    "--function-name",   // az
    "--install",         // xcode-select
    "--name",            // az
    "--namespace-name",  // az
    "--output",          // az
    "--platform",        // docker buildx
    "--processes",       // benches/peers/loader.py
    "--profile",         // docker compose
    "--push",            // docker buildx
    "--query",           // az
    "--resource-group",  // az
    "--runtime",         // az
    "--runtime-version", // az
    "--seconds",         // the bench `latency`
    "--shutdown",        // wsl
    "--tag",             // docker buildx
    "--test",            // cargo
    "--tier",            // az
    "--vault-name",      // az
    "--version",         // node, and ours
    "--volumes",         // docker compose
];

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- .ci/run runs this block. -->\n```sh\n").expect("the marker, then a block");
    let (block, _) = rest.split_once("\n```").expect("the end of the block");
    assert_eq!(block, "cargo test");
    let output = Command::new("bash").args([".ci/run", "--print-test-command"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), block);
}

#[test]
fn the_page_of_settings_is_what_the_programs_declare() {
    let page = deltawave::settings::settings_page();
    if read("docs/settings.md") != page {
        let written = root().join("target/settings.md");
        fs::write(&written, page).unwrap();
        panic!("docs/settings.md is out of date: cp target/settings.md docs/settings.md");
    }
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages().into_iter().chain(["CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from)) {
        let text = read(&page);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = root().join(&path).exists() && (anchor.is_empty() || has_heading(&read(&path), anchor));
            if !found {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn flags_exist() {
    let producer = help(env!("CARGO_BIN_EXE_producer"), &[]);
    let capture = help(env!("CARGO_BIN_EXE_capture"), &[]);
    let loader = help(env!("CARGO_BIN_EXE_loader"), &[]);
    let deltawave =
        ["up", "init", "guard", "backfill", "status", "verify", "replay", "prune", "table", "inspect", "doctor"]
            .map(|command| help(env!("CARGO_BIN_EXE_deltawave"), &[command]));
    let known: BTreeSet<String> =
        [producer, capture, loader].iter().chain(&deltawave).flat_map(|text| flags(text)).collect();
    assert!(known.contains("--store-url") && known.contains("--until-end"), "{known:?}");
    for page in pages() {
        for flag in flags(&read(&page)) {
            assert!(known.contains(&flag) || FOREIGN.contains(&&*flag), "{}: no program has {flag}", page.display());
        }
    }
}

#[test]
fn deployment_files_name_variables_and_flags_that_programs_have() {
    let producer = help(env!("CARGO_BIN_EXE_producer"), &[]);
    let capture = help(env!("CARGO_BIN_EXE_capture"), &[]);
    let loader = help(env!("CARGO_BIN_EXE_loader"), &[]);
    let deltawave = ["init", "guard"].map(|command| help(env!("CARGO_BIN_EXE_deltawave"), &[command])).concat();
    let known = variables(&[&*producer, &capture, &loader, &deltawave].concat());
    for file in [
        "deploy/Dockerfile",
        "deploy/health.sh",
        "deploy/local/compose.yaml",
        "deploy/aks/guard.yaml",
        "deploy/aks/loader.yaml",
        "infra/modules/group.bicep",
    ] {
        let named = variables(&read(file));
        assert!(!named.is_empty(), "{file} names no variable");
        for variable in named {
            assert!(known.contains(&variable), "{file}: no program has {variable}");
        }
    }
    // Which of a container's variables its program reads, infra/check looks at.
    for module in fs::read_dir(root().join("infra/modules")).unwrap() {
        let module = module.unwrap().path();
        for variable in variables(&read(&module)) {
            assert!(known.contains(&variable), "{}: no program has {variable}", module.display());
        }
    }
}

/// README.md and docs/*.md, from the root.
fn pages() -> Vec<PathBuf> {
    let docs =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [PathBuf::from("README.md")].into_iter().chain(docs).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn help(program: &str, command: &[&str]) -> String {
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{program} {command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a heading of the page gets this anchor: lowercase, spaces as hyphens, no punctuation.
fn has_heading(page: &str, anchor: &str) -> bool {
    let anchor_of = |title: &str| -> String {
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    page.lines().filter(|line| line.starts_with('#')).any(|line| anchor_of(line.trim_start_matches('#')) == anchor)
}

/// Everything that looks like `--flag`.
fn flags(text: &str) -> BTreeSet<String> {
    let is_flag = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let words = text.split(|c: char| !is_flag(c));
    let flags = words.filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c != '-')));
    flags.map(|flag| flag.trim_end_matches('-').to_owned()).collect()
}

/// Everything that looks like `DELTAWAVE_NAME`.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("DELTAWAVE_")).map(str::to_owned).collect()
}
