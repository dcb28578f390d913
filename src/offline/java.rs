use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::process::{Recipe, User};
use super::unix::Signal;

/// For a short life with little to do: the quick compiler and the plain collector start fastest.
const FLAGS: [&str; 3] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/// What Kafka's programs say.
const WARNINGS: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";

/// The arguments of a Java that is told this.
pub(super) fn arguments(more: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    FLAGS.map(OsString::from).into_iter().chain(more).collect()
}

/// The arguments of one of Kafka's programs, which says warnings, and what is below them in `told`.
pub(super) fn of_kafka(libraries: &Path, told: &str, main: &str) -> Vec<OsString> {
    arguments([WARNINGS.into(), told.into(), "-cp".into(), libraries.into(), main.into()])
}

/// A Java with these arguments, ended by SIGTERM.
pub(super) fn recipe(arguments: Vec<OsString>, directory: &Path) -> Recipe {
    Recipe {
        program: "java".into(),
        arguments,
        set: Vec::new(),
        unset: Vec::new(),
        directory: directory.to_owned(),
        user: User::Ours,
        stop: Signal::Terminate,
        grace: Duration::from_secs(10),
    }
}
