//! What a client needs while nobody asks it anything.

use std::ffi::{CStr, CString};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings;
use rdkafka::client::Client;
use tokio::task::JoinHandle;

use super::endpoint::Endpoint;
use crate::base::Secret;

/// How often an idle client's events are served.
const PERIOD: Duration = Duration::from_millis(500);

/// Hands new passwords to one client, and serves its events, until it or the client is dropped.
pub(super) struct Attendant(JoinHandle<()>);

impl Attendant {
    /// None for a client that needs none. Call inside a runtime.
    pub fn of<T, C>(
        endpoint: &Endpoint,
        client: &Arc<T>,
        native: fn(&T) -> &Client<C>,
        serve: fn(&T),
    ) -> Option<Attendant>
    where
        T: Send + Sync + 'static,
        C: ClientContext + 'static,
    {
        let mut password = endpoint.login()?.password();
        // A password that came while the client was made is given to it now.
        password.mark_changed();
        let client: Weak<T> = Arc::downgrade(client);
        Some(Attendant(tokio::spawn(async move {
            let mut tick = tokio::time::interval(PERIOD);
            loop {
                let is_new = tokio::select! { new = password.changed() => new.is_ok(), _ = tick.tick() => false };
                let Some(client) = client.upgrade() else { return };
                let new = password.borrow_and_update().clone();
                if let (true, Some(new)) = (is_new, new) {
                    set_password(native(&client), &new);
                }
                serve(&client);
            }
        })))
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes a running client use this password for every connection that it opens from now on.
fn set_password<C: ClientContext>(client: &Client<C>, password: &Secret) {
    let (user, Ok(password)) = (c"$ConnectionString", CString::new(password.expose())) else {
        tracing::error!("the new connection string holds a zero byte: it cannot be used");
        return;
    };
    // SAFETY: the client lives as long as the borrow of `client`, the texts as long as the call, which copies them
    // under the library's own lock and may be made from any thread. The error, if any, is ours to destroy.
    let refused = unsafe {
        let error = bindings::rd_kafka_sasl_set_credentials(client.native_ptr(), user.as_ptr(), password.as_ptr());
        (!error.is_null()).then(|| {
            let text = CStr::from_ptr(bindings::rd_kafka_error_string(error)).to_string_lossy().into_owned();
            bindings::rd_kafka_error_destroy(error);
            text
        })
    };
    if let Some(refused) = refused {
        tracing::error!("the new connection string cannot be used: {refused}");
    }
}
