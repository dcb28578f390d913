use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use deltawave::offline::{Authority, Issued};

use crate::support::home;

/// A certificate authority, and a server's certificate by it for this machine and for Azure's names.
pub struct Certificates {
    /// What a program trusts by `SSL_CERT_FILE`.
    pub authority: PathBuf,
    pub server: Issued,
}

const NAMES: [&str; 8] = [
    "localhost",
    "127.0.0.1",
    "*.vault.azure.net",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "*.servicebus.windows.net",
    "*.in.applicationinsights.azure.com",
    "login.microsoftonline.com",
];

impl Certificates {
    pub fn get() -> &'static Certificates {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (authority, path) = (Authority::new("the tests' authority").unwrap(), home("authority.pem"));
            fs::write(&path, authority.pem().unwrap()).unwrap();
            Certificates { authority: path, server: authority.issue(&NAMES).unwrap() }
        })
    }
}
