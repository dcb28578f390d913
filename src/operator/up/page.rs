//! The page of the whole pipeline, which knows more than a loader's alone: what was sent and captured.

use std::net::SocketAddr;
use std::sync::Arc;

use super::components::Page;
use super::error::UpError;
use super::pipeline::Pipeline;
use super::sent::Sent;
use crate::azure::identity::Identity;
use crate::page::{self, About, Door, PageError, Standing, Subject};
use crate::service::http::{HttpError, Status};
use crate::settings::UpSettings;
use crate::{capturer, loader};

/// Where it is served if nobody says where: the first of these that is free.
const ADDRESSES: [SocketAddr; 2] = [local(8080), local(0)];

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

struct Stages {
    sent: Arc<Sent>,
    captured: Arc<capturer::Progress>,
    loaded: Arc<loader::Progress>,
}

impl Status for Stages {
    fn readiness(&self) -> (bool, serde_json::Value) {
        self.loaded.readiness()
    }

    fn refresh_metrics(&self) {
        self.loaded.refresh_metrics();
    }
}

impl Subject for Stages {
    fn standing(&self) -> Standing {
        let mut standing = self.loaded.standing();
        let totals = &mut standing.totals;
        totals.sent = Some(self.sent.events());
        totals.captured = Some(self.captured.captured());
        totals.captured_files = Some(self.captured.files());
        standing
    }
}

/// Serves it from now on.
pub(super) async fn serve(settings: &UpSettings, pipeline: &Pipeline) -> Result<Page, UpError> {
    let addresses = match settings.http {
        Some(address) => vec![address],
        None => ADDRESSES.to_vec(),
    };
    let mut taken = None;
    for address in addresses {
        let stages = Stages {
            sent: Arc::clone(&pipeline.sent),
            captured: Arc::clone(&pipeline.captured),
            loaded: Arc::clone(&pipeline.loaded),
        };
        let loader = &pipeline.loader;
        let door =
            Door { address: loader.store.clone(), password: None, identity: Identity::new(loader.identity.clone()) };
        let about = About::loader("deltawave up", loader);
        match page::serve(address, about, Arc::new(stages), &settings.page, door).await {
            Ok(address) => return Ok(Page { address, hidden: settings.page.hidden }),
            Err(error @ PageError::Http(HttpError::Listen { .. })) => taken = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(taken.map_or_else(|| UpError::Address("no address for the page".to_owned()), UpError::from))
}
