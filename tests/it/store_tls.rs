//! TLS to the store: every mode, on a PostgreSQL that speaks it, with certificates good and bad.

use std::path::PathBuf;
use std::time::SystemTime;

use deltawave::offline::{Access, Authority, Issued, Postgres};
use deltawave::store::{Fault, Session, StoreAddress};

use crate::support::{TestStore, postgres, postgres_for, program, run};

/// A PostgreSQL with that certificate.
async fn server(issued: Issued) -> Postgres {
    postgres_for(&Access { tls: Some(issued), rules: None, logical: false }).await
}

/// Files of roots.
struct Roots(tempfile::TempDir);

impl Roots {
    fn new() -> Roots {
        Roots(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, authority: &Authority) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, authority.pem().unwrap()).unwrap();
        path.display().to_string()
    }
}

/// Whether a session that comes about is encrypted; else the reason, after the store's address.
async fn encrypted(url: &str) -> Result<bool, String> {
    let address: StoreAddress = url.parse().unwrap();
    let session = Session::connect(&address).await.map_err(|error| {
        assert_eq!(error.fault(), Fault::Permanent, "{error}");
        assert!(error.to_string().starts_with(&format!("store {address}: ")), "{error}");
        error.reason().to_owned()
    })?;
    let sql = "SELECT ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(session.query_number(sql).await.unwrap() == 1)
}

#[tokio::test]
async fn every_mode_does_what_libpq_does() {
    let (ours, others, roots) = (Authority::new("ours").unwrap(), Authority::new("others").unwrap(), Roots::new());
    let server = server(ours.issue(&["localhost"]).unwrap()).await;
    let by_address = server.url();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let (ours, others) = (roots.file("ours.pem", &ours), roots.file("others.pem", &others));

    assert_eq!(encrypted(&format!("{by_address}?sslmode=disable")).await, Ok(false));
    for mode in ["prefer", "require"] {
        assert_eq!(encrypted(&format!("{by_address}?sslmode={mode}")).await, Ok(true), "{mode} verifies nothing");
    }
    assert_eq!(encrypted(&by_address).await, Ok(true), "prefer is the default");
    for mode in ["require", "verify-ca"] {
        let url = |roots: &str| format!("{by_address}?sslmode={mode}&sslrootcert={roots}");
        assert_eq!(encrypted(&url(&ours)).await, Ok(true), "{mode} takes any host's");
        let refused = encrypted(&url(&others)).await.unwrap_err();
        assert!(refused.starts_with("its certificate is not signed by anyone trusted here: name "), "{refused}");
    }
    assert_eq!(encrypted(&format!("{by_name}?sslmode=verify-full&sslrootcert={ours}")).await, Ok(true));
    let port = by_name.rsplit_once(':').unwrap().1.trim_end_matches("/dev");
    let keywords = format!("host=localhost port={port} user=root sslrootcert='{ours}' sslmode = verify-full");
    assert_eq!(encrypted(&keywords).await, Ok(true));
    let refused = encrypted(&format!("{by_address}?sslmode=verify-full&sslrootcert={ours}")).await.unwrap_err();
    assert!(refused.starts_with("its certificate is for another host: connect by a name that "), "{refused}");
    let refused = encrypted(&format!("{by_name}?sslmode=verify-full&sslrootcert={others}")).await.unwrap_err();
    assert!(refused.contains("sslrootcert"), "{refused}");
    // No public authority signed it.
    let refused = encrypted(&format!("{by_name}?sslmode=verify-full")).await.unwrap_err();
    assert!(refused.starts_with("its certificate is not signed by anyone trusted here"), "{refused}");
    let refused = encrypted(&format!("{by_name}?sslmode=verify-full&sslrootcert=/nowhere.pem")).await.unwrap_err();
    assert_eq!(refused, "sslrootcert /nowhere.pem cannot be read: No such file or directory (os error 2)");
}

#[tokio::test]
async fn an_address_in_the_certificate_is_a_name_too_and_an_expired_one_is_told() {
    let (authority, roots) = (Authority::new("ours").unwrap(), Roots::new());
    let file = roots.file("ours.pem", &authority);
    let valid = server(authority.issue(&["127.0.0.1"]).unwrap()).await;
    assert_eq!(encrypted(&format!("{}?sslmode=verify-full&sslrootcert={file}", valid.url())).await, Ok(true));
    let expired = server(authority.issue_until(SystemTime::now(), &["127.0.0.1"]).unwrap()).await;
    let refused = encrypted(&format!("{}?sslmode=verify-ca&sslrootcert={file}", expired.url())).await.unwrap_err();
    assert!(refused.starts_with("its certificate has expired: renew it there"), "{refused}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let url = postgres().await.url();
    assert_eq!(encrypted(&format!("{url}?sslmode=prefer")).await, Ok(false));
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = encrypted(&format!("{url}?sslmode={mode}")).await.unwrap_err();
        assert!(refused.starts_with("it speaks no TLS, but sslmode asks for it: switch TLS on"), "{refused}");
    }
}

/// As in the images of this program's users: the roots are where `SSL_CERT_FILE` says.
#[tokio::test]
async fn the_roots_of_the_system_are_found() {
    let (authority, roots) = (Authority::new("ours").unwrap(), Roots::new());
    let file = roots.file("ours.pem", &authority);
    let server = server(authority.issue(&["localhost"]).unwrap()).await;
    let store = TestStore::on(&server.url()).await;
    let url = format!("{}?sslmode=verify-full", store.url().replace("127.0.0.1", "localhost"));
    let mut init = program(env!("CARGO_BIN_EXE_deltawave"), &["init", "--log", "off", "--store-url", &url]);
    init.env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR");
    let ended = run(init).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains(&format!("look at it with: psql '{url}'")), "{}", ended.out);
    let mut init = program(env!("CARGO_BIN_EXE_deltawave"), &["init", "--log", "off", "--store-url", &url]);
    init.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    let ended = run(init).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("not signed by anyone trusted here"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}
