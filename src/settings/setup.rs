use clap::Args;

use super::Faults;
use super::identity::IdentityArgs;
use super::store::StoreArgs;
use crate::azure::identity::IdentitySettings;
use crate::base::SecretSource;
use crate::store::{StoreAddress, check_password};

/// Flags of those who set up a store.
#[derive(Debug, Clone, Args)]
pub(super) struct SetupArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Set this password for the URL's user and RisingWave's own superusers, whether or not they have one yet: as it is,
    /// file:PATH, or keyvault:NAME
    #[arg(long, env = "DELTAWAVE_ROOT_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    root_password: Option<SecretSource>,
    /// Make the user `loader`, who may do what a loader does, or set its password
    #[arg(long, env = "DELTAWAVE_LOADER_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    loader_password: Option<SecretSource>,
    /// Make the user `reader`, who may read every table and view, or set its password
    #[arg(long, env = "DELTAWAVE_READER_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    reader_password: Option<SecretSource>,
    /// Leave out what shows the latest state, for now: a large history is loaded faster without, and read once after
    #[arg(long, env = "DELTAWAVE_WITHOUT_LATEST")]
    without_latest: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// What is done about what shows the latest state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// It is made if it is not there.
    Made,
    /// It is left as it is.
    Left,
}

/// How to set up a store.
#[derive(Debug, Clone)]
pub struct SetupSettings {
    /// The store.
    pub store: StoreAddress,
    /// The password to connect with, where it is not to be changed.
    pub store_password: Option<SecretSource>,
    /// The password to set for the user that connects.
    pub root_password: Option<SecretSource>,
    /// The password of the user `loader`, who is made.
    pub loader_password: Option<SecretSource>,
    /// The password of the user `reader`, who is made.
    pub reader_password: Option<SecretSource>,
    /// Whether what shows the latest state is made.
    pub latest: Latest,
    /// Who this is towards Azure.
    pub identity: IdentitySettings,
}

impl SetupArgs {
    /// The settings, given every secret flag beside those here.
    pub(super) fn check(self, others: &[(&str, Option<&SecretSource>)], faults: &mut Faults) -> Option<SetupSettings> {
        let store = self.store.check(faults);
        let (root_password, loader_password, reader_password) =
            (self.root_password, self.loader_password, self.reader_password);
        for (flag, password) in [
            ("--root-password", &root_password),
            ("--loader-password", &loader_password),
            ("--reader-password", &reader_password),
        ] {
            if let Some(SecretSource::Literal(literal)) = password {
                faults.check(flag, check_password(literal));
            }
        }
        if root_password.is_some() && store.as_ref().is_some_and(|store| store.address.has_password()) {
            faults.add("--root-password", "--store-url holds a password too; take it out there");
        }
        let store_password = store.as_ref().and_then(|store| store.password.clone());
        let secrets = [
            ("--store-password", store_password.as_ref()),
            ("--root-password", root_password.as_ref()),
            ("--loader-password", loader_password.as_ref()),
            ("--reader-password", reader_password.as_ref()),
        ];
        let identity = self.identity.check(&[&secrets, others].concat(), faults)?;
        Some(SetupSettings {
            store: store?.address,
            store_password,
            root_password,
            loader_password,
            reader_password,
            latest: if self.without_latest { Latest::Left } else { Latest::Made },
            identity,
        })
    }
}
