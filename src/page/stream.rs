//! What one viewer is sent, on and on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures::stream::{self, Stream};
use tokio::sync::watch;

use super::clock::Viewer;
use super::frame::Frame;
use crate::service::gate::Gate;

struct State {
    frames: watch::Receiver<Frame>,
    sent: Frame,
    queued: Vec<Event>,
    /// Who it is, and how many frames ago that was asked.
    guest: (Arc<Gate>, HeaderMap, u32),
    _viewer: Viewer,
}

/// After so many frames it is looked again whether the viewer may look: its token may have been replaced.
const CHECK: u32 = 15;

/// How soon a browser comes back after the connection broke.
const RETRY: Duration = Duration::from_secs(1);

/// Each part of a frame as an event of its name, when it is another than before.
pub(super) fn events(
    viewer: Viewer,
    mut frames: watch::Receiver<Frame>,
    guest: (Arc<Gate>, HeaderMap),
) -> impl Stream<Item = Result<Event, Infallible>> {
    // What is there may be of an hour ago, when someone looked last.
    frames.borrow_and_update();
    let first = Event::default().retry(RETRY).comment("hello");
    let state =
        State { frames, sent: Frame::default(), queued: vec![first], guest: (guest.0, guest.1, 0), _viewer: viewer };
    stream::unfold(state, async |mut state| {
        loop {
            if let Some(event) = state.queued.pop() {
                return Some((Ok(event), state));
            }
            state.frames.changed().await.ok()?;
            let (gate, headers, frames) = &mut state.guest;
            *frames += 1;
            if *frames % CHECK == 0 && !gate.admits(headers).await {
                return None;
            }
            let frame = state.frames.borrow_and_update().clone();
            for (name, text, sent) in [
                ("rejected", &frame.rejected, &state.sent.rejected),
                ("files", &frame.files, &state.sent.files),
                ("lag", &frame.lag, &state.sent.lag),
                ("now", &frame.now, &state.sent.now),
            ] {
                if !Arc::ptr_eq(text, sent) && text != sent {
                    state.queued.push(Event::default().event(name).data(&**text));
                }
            }
            state.sent = frame;
        }
    })
}
