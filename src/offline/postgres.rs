use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::parts::{Part, Parts, postgres_package};
use super::ports::on_free_ports;
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::{self, NOBODY, Signal};
use super::{Issued, OfflineError, Persistence, Progress, Scratch, write};

/// PostgreSQL on this machine: user `root` without a password and database `dev`, as RisingWave has them, so that
/// `psql -h localhost -p PORT -U root -d dev` reaches either.
#[derive(Debug)]
pub struct Postgres {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    port: u16,
    /// The programs, where the user they run as cannot reach the fetched ones. It must outlive the service.
    _copy: Option<Scratch>,
}

/// Who may connect to a PostgreSQL, and how. By default anyone on this machine, without TLS.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The server's certificate. Without one it speaks no TLS.
    pub tls: Option<Issued>,
    /// What `pg_hba.conf` says: who is asked for a password.
    pub rules: Option<String>,
    /// Whether its changes can be followed by logical replication.
    pub logical: bool,
}

impl Access {
    /// Writes the files, and gives the settings that name them.
    fn settings(&self, directory: &Path, user: User) -> Result<Vec<String>, OfflineError> {
        let mut settings = Vec::new();
        if self.logical {
            settings.push("wal_level=logical".to_owned());
        }
        if let Some(Issued { certificate, key }) = &self.tls {
            let paths = [("certificate.pem", certificate, 0o644), ("key.pem", key, 0o600)];
            for (name, content, mode) in paths {
                let path = directory.join(name);
                write(&path, content)?;
                fs::set_permissions(&path, Permissions::from_mode(mode))
                    .map_err(OfflineError::file("set the mode of", &path))?;
                if user == User::Nobody {
                    chown(&path, Some(NOBODY), Some(NOBODY))
                        .map_err(OfflineError::file("change the owner of", &path))?;
                }
            }
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", directory.join("certificate.pem").display()));
            settings.push(format!("ssl_key_file={}", directory.join("key.pem").display()));
        }
        if let Some(rules) = &self.rules {
            let path = directory.join("pg_hba.conf");
            write(&path, rules)?;
            settings.push(format!("hba_file={}", path.display()));
        }
        Ok(settings)
    }
}

impl Postgres {
    /// Starts one on a free port, its data and log in the directory, where it finds its data again.
    ///
    /// # Errors
    /// For root also when the user nobody, which then runs PostgreSQL, cannot reach the directory.
    pub async fn start(
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        Self::start_for(&Access::default(), parts, directory, persistence, progress).await
    }

    /// As [`start`](Self::start), for those who may connect.
    ///
    /// # Errors
    /// Also when the access's files cannot be written.
    pub async fn start_for(
        access: &Access,
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let package = postgres_package(&parts.get(Part::Postgres, progress).await?)?;
        let home = Home::make(directory)?;
        let user = if unix::is_root() { User::Nobody } else { User::Ours };
        let fetched = package.join("native");
        let (programs, copy) = match user {
            User::Nobody => {
                if let Some(closed) = closed_to_others(&home.directory)? {
                    return Err(OfflineError::Closed { closed, path: home.directory });
                }
                reachable(fetched)?
            }
            User::Ours => (fetched, None),
        };
        let data = home.directory.join("data");
        if !data.is_dir() {
            create(&programs, &home.directory, user).await?;
        }
        let settings = access.settings(&home.directory, user)?;
        let (service, [port]) = on_free_ports(|[port]| {
            let fsync = if persistence == Persistence::Memory { "off" } else { "on" };
            let mut arguments: Vec<OsString> = vec!["-D".into(), data.clone().into()];
            let ours = [
                format!("port={port}"),
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                "max_connections=200".to_owned(),
                "timezone=UTC".to_owned(),
                format!("fsync={fsync}"),
                format!("synchronous_commit={fsync}"),
                format!("full_page_writes={fsync}"),
                "log_checkpoints=off".to_owned(),
            ];
            for setting in ours.iter().chain(&settings) {
                arguments.extend(["-c".into(), setting.into()]);
            }
            let recipe = Recipe {
                program: programs.join("bin/postgres"),
                arguments,
                set: vec![("LC_ALL", "C".to_owned())],
                unset: Vec::new(),
                directory: data.clone(),
                user,
                stop: Signal::Interrupt,
                grace: Duration::from_secs(10),
            };
            Ok(Launch {
                name: "PostgreSQL",
                recipe,
                ready: Ready::Says("database system is ready to accept connections"),
                // The children of a killed server take a moment to notice.
                settling: Some("is still in use"),
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Self { service, port, _copy: copy })
    }

    /// `postgresql://root@127.0.0.1:PORT/dev`
    pub fn url(&self) -> String {
        format!("postgresql://root@127.0.0.1:{}/dev", self.port)
    }
}

/// Makes `data` in the directory, in one piece: nobody finds a half-made one after a crash.
async fn create(programs: &Path, directory: &Path, user: User) -> Result<(), OfflineError> {
    let half = directory.join("data.new");
    match fs::remove_dir_all(&half) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(OfflineError::file("remove", &half)(error));
        }
        _ => {}
    }
    fs::create_dir(&half).map_err(OfflineError::file("create", &half))?;
    fs::set_permissions(&half, Permissions::from_mode(0o700)).map_err(OfflineError::file("set the mode of", &half))?;
    if user == User::Nobody {
        chown(&half, Some(NOBODY), Some(NOBODY)).map_err(OfflineError::file("change the owner of", &half))?;
    }
    let cluster =
        ["--username=root", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"];
    run(programs, "initdb", &cluster, &half, user, "").await?;
    let single = ["--single", "-c", "fsync=off", "template1"];
    run(programs, "postgres", &single, &half, user, "CREATE DATABASE dev\n").await?;
    let data = directory.join("data");
    fs::rename(&half, &data).map_err(OfflineError::file("move the new data directory to", &data))
}

/// Runs one of PostgreSQL's programs on the data directory to its end.
async fn run(
    programs: &Path,
    program: &str,
    arguments: &[&str],
    data: &Path,
    user: User,
    input: &str,
) -> Result<(), OfflineError> {
    let failed = |source| OfflineError::Run { program: program.to_owned(), source };
    let mut command = Command::new(programs.join("bin").join(program));
    command
        .args(arguments)
        .env("PGDATA", data)
        .env("LC_ALL", "C")
        .current_dir(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if user == User::Nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(OfflineError::Command {
        program: program.to_owned(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

/// The programs where the user nobody can run them: as they are, or copied.
fn reachable(fetched: PathBuf) -> Result<(PathBuf, Option<Scratch>), OfflineError> {
    for inner in ["bin", "lib/postgresql", "share/postgresql"] {
        if closed_to_others(&fetched.join(inner))?.is_some() {
            let copy = Scratch::new()?;
            copy_open(&fetched, &copy.path().join("native"))?;
            return Ok((copy.path().join("native"), Some(copy)));
        }
    }
    Ok((fetched, None))
}

/// The outermost directory on the way to the path, itself included, that not everybody may enter.
fn closed_to_others(path: &Path) -> Result<Option<PathBuf>, OfflineError> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    for directory in way {
        let metadata = fs::metadata(directory).map_err(OfflineError::file("read the mode of", directory))?;
        if metadata.mode() & 0o001 == 0 && metadata.uid() != NOBODY {
            return Ok(Some(directory.to_owned()));
        }
    }
    Ok(None)
}

/// Copies a tree so that everybody may read and run what is in it.
fn copy_open(from: &Path, to: &Path) -> Result<(), OfflineError> {
    let reading = || OfflineError::file("read", from);
    fs::create_dir(to).map_err(OfflineError::file("create", to))?;
    for entry in fs::read_dir(from).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(reading())?;
        if kind.is_dir() {
            copy_open(&source, &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(&source).map_err(OfflineError::file("read", &source))?;
            std::os::unix::fs::symlink(link, &target).map_err(OfflineError::file("create", &target))?;
        } else {
            fs::copy(&source, &target).map_err(OfflineError::file("copy", &source))?;
            open(&target)?;
        }
    }
    open(to)
}

fn open(path: &Path) -> Result<(), OfflineError> {
    fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(OfflineError::file("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_directory_on_the_way_is_named_and_a_copy_is_open() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        open(&root).unwrap();
        let (closed, inside) = (root.join("closed"), root.join("closed/inside"));
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("program"), "x").unwrap();
        fs::set_permissions(&inside, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(closed_to_others(&inside).unwrap(), Some(closed.clone()));

        let copy = root.join("copy");
        copy_open(&closed, &copy).unwrap();
        let mode = fs::metadata(copy.join("inside/program")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(closed_to_others(&copy.join("inside")).unwrap(), None);
    }
}
