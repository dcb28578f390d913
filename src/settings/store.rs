use clap::Args;

use super::Faults;
use crate::base::{Secret, SecretSource};
use crate::store::StoreAddress;

/// Flags of every program that connects to a store.
#[derive(Debug, Clone, Args)]
pub(super) struct StoreArgs {
    /// The store: a libpq URL of RisingWave or PostgreSQL, with sslmode and sslrootcert (docs/store.md)
    #[arg(
        long,
        env = "DELTAWAVE_STORE_URL",
        value_name = "URL",
        default_value = "postgresql://root@localhost:4566/dev",
        hide_env_values = true
    )]
    store_url: Secret,
    /// Password of the URL's user: as it is, file:PATH, or keyvault:NAME; read again when it is refused
    #[arg(long, env = "DELTAWAVE_STORE_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    store_password: Option<SecretSource>,
}

/// Where the store is, and where the password is read.
pub(super) struct Store {
    pub(super) address: StoreAddress,
    pub(super) password: Option<SecretSource>,
}

impl StoreArgs {
    pub(super) fn check(self, faults: &mut Faults) -> Option<Store> {
        let address: Option<StoreAddress> = faults.check("--store-url", self.store_url.expose().parse());
        let password = self.store_password;
        if password.is_some() && address.as_ref().is_some_and(StoreAddress::has_password) {
            faults.add("--store-password", "--store-url holds a password too; take it out there");
            return None;
        }
        Some(Store { address: address?, password })
    }
}
