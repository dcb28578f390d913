//! What is served: the page to whoever may look, its parts to everybody, and what it shows.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::assets::{LOGIN, PAGE, PARTS};
use super::clock::Clock;
use super::desk::Unanswered;
use super::hosts;
use super::rows::{Look, Rows};
use super::stream::events;
use crate::service::gate::Gate;
use crate::store::Tail;

/// Nothing but our own files, and nothing of ours in another's page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// A token in a form, and the words around it.
const FORM: usize = 4096;

/// How long whoever shows a wrong token waits.
const WRONG: std::time::Duration = std::time::Duration::from_millis(500);

#[derive(Clone)]
struct Shared {
    clock: Arc<Clock>,
    rows: Arc<Rows>,
    gate: Arc<Gate>,
}

pub(super) fn router(clock: Arc<Clock>, rows: Arc<Rows>, gate: Arc<Gate>) -> Router {
    let shared = Shared { clock, rows, gate };
    let guarded = Router::new()
        .route("/", get(page))
        .route("/page/events", get(watch))
        .route("/page/rows", get(look))
        .layer(middleware::from_fn_with_state(shared.clone(), guard));
    let mut open = Router::new().route(LOGIN.path, get(form).post(login));
    for part in &PARTS {
        open = open.route(part.path, get(async move |headers: HeaderMap| part.answer(&headers, StatusCode::OK)));
    }
    guarded.merge(open).layer(middleware::map_response(shield)).with_state(shared)
}

async fn page(headers: HeaderMap) -> Response {
    PAGE.answer(&headers, StatusCode::OK)
}

async fn form(headers: HeaderMap) -> Response {
    LOGIN.answer(&headers, StatusCode::OK)
}

async fn watch(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    match shared.clock.enter() {
        Some((viewer, frames)) => Sse::new(events(viewer, frames, (shared.gate, headers))).into_response(),
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, "too many look at this page; try again in a while"),
    }
}

async fn look(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let Some((route, look)) = Look::parse(query.as_deref().unwrap_or_default()) else {
        return refuse(StatusCode::BAD_REQUEST, "this cannot be looked up");
    };
    let tails = |hub: &str, table: &str| tails(&shared.clock, hub, table);
    match shared.rows.look(route, look, tails).await {
        Ok(Some(answer)) => Json(&*answer).into_response(),
        Ok(None) => refuse(StatusCode::NOT_FOUND, "there is no such route"),
        Err(error @ Unanswered::Busy) => refuse(StatusCode::TOO_MANY_REQUESTS, &error.to_string()),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// Where the partitions of a hub end, as far as they are in a table: what files gave, and live rows.
fn tails(clock: &Clock, hub: &str, table: &str) -> Vec<Tail> {
    let mut tails = std::collections::BTreeMap::new();
    let mut there = |partition, last: Option<i64>| {
        let tail: &mut i64 = tails.entry(partition).or_insert(-1);
        *tail = last.unwrap_or(-1).max(*tail);
    };
    for place in clock.rota.seen().places.iter().flat_map(|places| &**places) {
        if place.hub == hub && place.target == table {
            there(place.partition, place.last);
        }
    }
    for place in clock.subject.standing().places.iter().filter(|place| place.hub == hub) {
        there(place.partition, place.live_next.map(|next| next - 1).max(place.last));
    }
    let tail = |(partition, last)| Tail { hub: hub.to_owned(), partition, last };
    tails.into_iter().filter(|(_, last)| *last >= 0).map(tail).collect()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// Lets through whoever may look.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !shared.gate.is_guarded() {
        if hosts::is_private(host) {
            return next.run(request).await;
        }
        let why = "without --http-token this page is shown by an address or by a name of this network only: set a token, \
                   and it is shown by any name";
        return refuse(StatusCode::MISDIRECTED_REQUEST, why);
    }
    if shared.gate.admits(headers).await {
        return next.run(request).await;
    }
    if request.uri().path() != "/" {
        return refuse(StatusCode::UNAUTHORIZED, "the token of --http-token is needed");
    }
    let query = request.uri().query().unwrap_or_default();
    if let Some((_, token)) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token") {
        return enter(&shared.gate, headers, &token).await;
    }
    LOGIN.answer(headers, StatusCode::UNAUTHORIZED)
}

async fn login(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, FORM).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "this is no token");
    };
    let token = url::form_urlencoded::parse(&body).find(|(name, _)| name == "token").map(|(_, token)| token);
    enter(&shared.gate, &parts.headers, token.as_deref().unwrap_or_default()).await
}

/// Changes a token for a cookie.
async fn enter(gate: &Gate, headers: &HeaderMap, token: &str) -> Response {
    if !gate.is_token(token.trim()).await {
        tokio::time::sleep(WRONG).await;
        return Redirect::to("/page/login?wrong").into_response();
    }
    let over_tls = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https");
    let mut answer = Redirect::to("/").into_response();
    if let Some(cookie) = gate.cookie(over_tls) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

async fn shield(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
