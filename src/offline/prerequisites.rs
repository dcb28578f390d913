use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// A program that has to be on this machine already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    Node,
    Npm,
    Java,
    Maven,
    /// A browser, for the tests of the page.
    Chromium,
    Prometheus,
}

/// Chromium by its own name, and what else it is called or built as.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Where macOS has it.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

impl Need {
    /// What the program is called on the command line.
    const fn program(self) -> &'static str {
        match self {
            Need::Node => "node",
            Need::Npm => "npm",
            Need::Java => "java",
            Need::Maven => "mvn",
            Need::Chromium => "chromium",
            Need::Prometheus => "prometheus",
        }
    }

    /// The oldest major version that will do, where age matters.
    const fn oldest(self) -> Option<u32> {
        match self {
            Need::Node => Some(20),
            Need::Java => Some(17),
            Need::Npm | Need::Maven | Need::Chromium | Need::Prometheus => None,
        }
    }

    const fn apt(self) -> &'static str {
        match self {
            // Debian's and Ubuntu's own nodejs is too old in most releases still in use.
            Need::Node => {
                "curl -fsSL https://deb.nodesource.com/setup_22.x | sudo -E bash - && sudo apt-get install -y nodejs"
            }
            Need::Npm => "sudo apt-get install -y npm",
            Need::Java => "sudo apt-get install -y openjdk-17-jre-headless",
            Need::Maven => "sudo apt-get install -y maven",
            Need::Chromium => "sudo apt-get install -y chromium",
            Need::Prometheus => "sudo apt-get install -y prometheus",
        }
    }

    const fn brew(self) -> &'static str {
        match self {
            Need::Node | Need::Npm => "brew install node",
            Need::Java => "brew install --cask temurin",
            Need::Maven => "brew install maven",
            Need::Chromium => "brew install --cask chromium",
            Need::Prometheus => "brew install prometheus",
        }
    }
}

/// Every program that is missing or too old, each with the commands that install it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTools(Vec<Lack>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Lack {
    need: Need,
    /// The version that is too old; none if there is no such program.
    found: Option<String>,
}

impl fmt::Display for MissingTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needed on this machine and not found:")?;
        for Lack { need, found } in &self.0 {
            write!(f, "\n  {}", need.program())?;
            if let Some(oldest) = need.oldest() {
                write!(f, " {oldest} or newer")?;
            }
            if let Some(found) = found {
                write!(f, " (found {found})")?;
            }
            write!(f, "\n    Debian, Ubuntu, WSL: {}\n    macOS: {}", need.apt(), need.brew())?;
        }
        Ok(())
    }
}

impl std::error::Error for MissingTools {}

/// Checks that the programs are on the PATH and new enough, all of them, before anything is started.
///
/// # Errors
/// One error that lists everything missing or too old and the commands that install it.
pub(super) fn prerequisites(needs: &[Need]) -> Result<(), MissingTools> {
    check(needs, &std::env::var_os("PATH").unwrap_or_default())
}

/// What any of the components here may need and is missing or too old.
pub fn missing_tools() -> Option<MissingTools> {
    prerequisites(&[Need::Node, Need::Npm, Need::Java, Need::Maven]).err()
}

fn check(needs: &[Need], path: &OsStr) -> Result<(), MissingTools> {
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs.dedup();
    // Java and Node take a tenth of a second each to tell their version.
    let lacks: Vec<Lack> = thread::scope(|scope| {
        let checks: Vec<_> = needs.iter().map(|&need| scope.spawn(move || lack(need, path))).collect();
        checks.into_iter().filter_map(|check| check.join().ok().flatten()).collect()
    });
    if lacks.is_empty() { Ok(()) } else { Err(MissingTools(lacks)) }
}

fn lack(need: Need, path: &OsStr) -> Option<Lack> {
    if need == Need::Chromium {
        return chromium(path).is_none().then_some(Lack { need, found: None });
    }
    let Some(program) = find(need.program(), path) else { return Some(Lack { need, found: None }) };
    let oldest = need.oldest()?;
    // `java -version` works in every release, and macOS's stand-in for a missing Java fails on it.
    let argument = if need == Need::Java { "-version" } else { "--version" };
    let output = Command::new(program).arg(argument).env("PATH", path).stdin(Stdio::null()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return Some(Lack { need, found: None });
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    match version(&text) {
        Some((major, _)) if major >= oldest => None,
        Some((_, version)) => Some(Lack { need, found: Some(version.to_owned()) }),
        None => Some(Lack { need, found: Some("an unknown version".to_owned()) }),
    }
}

/// The first thing in the text that looks like a version: its major number and the whole of it.
fn version(text: &str) -> Option<(u32, &str)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let major = word.split('.').next()?.parse().ok()?;
        Some((major, word.trim_end_matches('.')))
    })
}

/// The program that a shell would run by this name.
pub(super) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join(program)).find(|file| is_executable(file))
}

/// Chromium, or a browser that was made of it.
pub(super) fn chromium(path: &OsStr) -> Option<PathBuf> {
    let applications = || APPLICATIONS.into_iter().map(PathBuf::from).find(|file| is_executable(file));
    CHROMIUM.into_iter().find_map(|program| find(program, path)).or_else(applications)
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program(directory: &Path, name: &str, says: &str) {
        let file = directory.join(name);
        fs::write(&file, format!("#!/bin/sh\necho '{says}' >&2\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn everything_missing_or_too_old_is_told_at_once_with_its_cure() {
        let directory = tempfile::tempdir().unwrap();
        program(directory.path(), "node", "v18.19.0");
        program(directory.path(), "java", r#"openjdk version "17.0.15" 2025-04-15"#);
        let needs = [Need::Maven, Need::Java, Need::Node, Need::Node];
        let error = check(&needs, directory.path().as_os_str()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "needed on this machine and not found:\n  \
               node 20 or newer (found 18.19.0)\n    \
                 Debian, Ubuntu, WSL: curl -fsSL https://deb.nodesource.com/setup_22.x | sudo -E bash - \
                 && sudo apt-get install -y nodejs\n    \
                 macOS: brew install node\n  \
               mvn\n    \
                 Debian, Ubuntu, WSL: sudo apt-get install -y maven\n    \
                 macOS: brew install maven"
        );
    }

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(version("v20.20.2\n"), Some((20, "20.20.2")));
        assert_eq!(version(r#"openjdk version "1.8.0_412""#), Some((1, "1.8.0")));
        assert_eq!(version("java version \"21\" 2023-09-19"), Some((21, "21")));
        assert_eq!(version("no idea"), None);
    }
}
