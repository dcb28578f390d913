//! A Delta table of the test's own, loaders into it, and what others read of it.

use std::path::PathBuf;
use std::process::Stdio;

use deltawave::azure::blob::Container;
use deltawave::lake::{Blueprint, LakeAddress, NewColumn};
use deltawave::rows::ColumnType;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::support::{Ended, Files, azurite, home, program, run, unique};

/// What reads Delta tables beside us, from PyPI.
const READERS: [&str; 3] = ["deltalake==1.6.6", "duckdb==2.0.1", "pyarrow==26.0.1"];

/// The emulator's, which everybody knows.
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A Python that has them.
pub async fn python() -> PathBuf {
    static MADE: OnceCell<PathBuf> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let home = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/offline/lake-readers");
        let python = home.join("bin/python");
        let (mark, wanted) = (home.join("made"), READERS.join("\n"));
        if std::fs::read_to_string(&mark).is_ok_and(|made| made == wanted) {
            return python;
        }
        let must = async |mut command: Command| {
            let output = command.stdin(Stdio::null()).output().await.unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&home);
        must(venv).await;
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(READERS);
        must(install).await;
        std::fs::write(mark, wanted).unwrap();
        python
    })
    .await
    .clone()
}

/// Capture files and a Delta table.
pub struct LakeBench {
    pub files: Files,
    /// As a route has it, behind `delta:`.
    pub table: String,
}

fn columns() -> Vec<NewColumn> {
    let column = |(name, kind)| NewColumn::new(name, kind);
    let columns = [
        ("id", ColumnType::Integer),
        ("name", ColumnType::Varchar),
        ("age", ColumnType::Integer),
        ("op", ColumnType::Varchar),
        ("event_order", ColumnType::BigInt),
        ("ts", ColumnType::Timestamp),
    ];
    columns.map(column).into()
}

impl LakeBench {
    /// With files and a table in Azurite, the table in a container of its own.
    pub async fn new() -> LakeBench {
        let table = format!("{}/{}/events", azurite().await.blob_endpoint(), unique("lake"));
        LakeBench { files: Files::new().await, table }
    }

    /// The table in a directory.
    pub async fn in_directory() -> LakeBench {
        let table = home(&unique("lake")).join("events").display().to_string();
        LakeBench { files: Files::new().await, table }
    }

    /// The same with the table of the users' events made.
    pub async fn made(self) -> LakeBench {
        let address: LakeAddress = self.table.parse().unwrap();
        assert!(Blueprint::new(columns(), Vec::new(), false).make(&address, None).await.unwrap());
        self
    }

    /// The container that the table is to be in.
    pub async fn ensure_container(&self) {
        let address: LakeAddress = self.table.parse().unwrap();
        Container::open(address.container(), None).unwrap().ensure().await.unwrap();
    }

    pub fn route(&self) -> String {
        format!("user-events=delta:{}", self.table)
    }

    pub fn loader(&self, flags: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_loader"), flags);
        command.env("DELTAWAVE_BLOB", self.files.url()).env("DELTAWAVE_ROUTE", self.route());
        // Nothing is there: a loader of Delta tables needs no store.
        command.env("DELTAWAVE_STORE_URL", "postgresql://nobody@127.0.0.1:1/none");
        command
    }

    /// Loads what is there; it must end well.
    pub async fn once(&self, flags: &[&str]) -> Ended {
        let ended = run(self.loader(&[&["--once"], flags].concat())).await;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended
    }

    /// The operator's tool.
    pub async fn deltawave(&self, arguments: &[&str]) -> Ended {
        let mut command = program(env!("CARGO_BIN_EXE_deltawave"), arguments);
        command.env("DELTAWAVE_STORE_URL", "postgresql://nobody@127.0.0.1:1/none");
        run(command).await
    }

    /// Runs a script of `tests/it/lake` with what it needs to open the table, and gives the JSON that it prints.
    pub async fn ask(&self, script: &str, more: Value) -> Value {
        let output = self.script(script, more).await.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{said}", String::from_utf8_lossy(&output.stdout)))
    }

    pub async fn script(&self, script: &str, more: Value) -> Command {
        let (uri, options) = match self.table.strip_prefix("http://") {
            Some(rest) => {
                let mut parts = rest.splitn(4, '/');
                let (host, account) = (parts.next().unwrap(), parts.next().unwrap());
                let (container, folder) = (parts.next().unwrap(), parts.next().unwrap());
                let options = json!({
                    "account_name": account,
                    "account_key": DEVELOPMENT_KEY,
                    "endpoint": format!("http://{host}/{account}"),
                    "azure_storage_use_emulator": "false",
                    "allow_http": "true",
                });
                (format!("az://{container}/{folder}"), options)
            }
            None => (self.table.clone(), json!({})),
        };
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/lake").join(script);
        let mut command = Command::new(python().await);
        let request = json!({"table": uri, "options": options, "more": more});
        // The scripts share one, of which nothing is to be left in the tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(path).arg(request.to_string()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What `deltalake` and DuckDB count, each by itself.
    pub async fn counted(&self) -> Value {
        self.ask("count.py", json!({})).await
    }

    /// Asserts that the table has the numbers 0 to `records` of each partition, each once, and nothing else.
    pub async fn assert_all(&self, partitions: i32, records: i64) {
        let counted = self.counted().await;
        let row = |partition: i32| json!([i64::from(partition), records, records, 0, records - 1]);
        let wanted: Vec<_> = (0..partitions).map(row).collect();
        assert_eq!(counted["partitions"], json!(wanted), "{counted}");
        assert_eq!(counted["rejected"], json!(0), "{counted}");
        assert_eq!(counted["loaded"], json!(i64::from(partitions) * records), "{counted}");
    }
}
