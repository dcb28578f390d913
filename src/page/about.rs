use super::assets;
use crate::settings::LoaderSettings;

/// What the page says of the program, which stays the same.
#[derive(Debug, Clone)]
pub struct About {
    /// Which program it is.
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    /// Of the page itself.
    pub(super) build: String,
    pub(super) shard: String,
    /// Hub and table of each route.
    pub(super) routes: Vec<(String, String)>,
    pub(super) store: String,
    pub(super) blob: String,
    /// In bytes.
    pub(super) memory: usize,
}

impl About {
    /// Of a loader with these settings.
    pub fn loader(program: &'static str, settings: &LoaderSettings) -> Self {
        About {
            program,
            version: env!("CARGO_PKG_VERSION"),
            build: assets::build(),
            shard: settings.scope.shard.to_string(),
            routes: settings.routes.iter().map(|route| (route.hub.name().to_owned(), route.table.clone())).collect(),
            store: settings.store.to_string(),
            blob: settings.blob.to_string(),
            memory: settings.memory,
        }
    }
}
