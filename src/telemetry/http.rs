//! `/metrics`, `/livez`, `/readyz` and `/-/info`.
//!
//! They are served by a thread and a runtime of their own, so that a worker that is wedged still
//! says that it is. Everything here only reads; [`guard`] stands in front of the router so that a
//! route that changes state can never be added without its check.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::health::{Health, Reason};
use super::metrics::Metrics;
use crate::settings::Secret;

#[cfg(test)]
mod tests;

/// What the endpoint shows and whom it trusts.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "it holds the token")]
pub struct Endpoint {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Liveness and readiness.
    pub health: Arc<Health>,
    /// Bearer token for requests that change state from elsewhere than loopback. Without one they
    /// are refused.
    pub token: Option<Secret>,
}

/// The running endpoint. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens and serves on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be listened on, or the thread cannot be started.
    pub fn start(listen: SocketAddr, endpoint: Endpoint) -> io::Result<Self> {
        // Bound here, not on the thread, so that the caller hears of an address that is taken.
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let service = router(endpoint).into_make_service_with_connect_info::<SocketAddr>();
        let serve = move || {
            let serving = async {
                let listener = TcpListener::from_std(listener)?;
                tokio::select! {
                    served = axum::serve(listener, service) => served,
                    // Sent, or the server was dropped. Nobody waits for a scrape to finish.
                    _ = stopped => Ok(()),
                }
            };
            if let Err(error) = runtime.block_on(serving) {
                tracing::error!(%error, "the metrics endpoint ended");
            }
        };
        let thread = std::thread::Builder::new()
            .name("dmwatch-http".to_owned())
            .spawn(serve)?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens: the port that was given out if the settings ask for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

fn router(endpoint: Endpoint) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/-/info", get(info))
        .layer(axum::middleware::from_fn_with_state(
            endpoint.clone(),
            check,
        ))
        .with_state(endpoint)
}

async fn metrics(State(endpoint): State<Endpoint>) -> Response {
    match endpoint.metrics.render() {
        Ok(text) => {
            let plain = "text/plain; version=0.0.4; charset=utf-8";
            ([(CONTENT_TYPE, plain)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn livez(State(endpoint): State<Endpoint>) -> Response {
    probe(endpoint.health.liveness())
}

async fn readyz(State(endpoint): State<Endpoint>) -> Response {
    probe(endpoint.health.readiness())
}

async fn info(State(endpoint): State<Endpoint>) -> Response {
    json(StatusCode::OK, &endpoint.metrics.info())
}

#[derive(Serialize)]
struct Probe {
    status: &'static str,
    reasons: Vec<Reason>,
}

fn probe(reasons: Vec<Reason>) -> Response {
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failed")
    };
    json(code, &Probe { status, reasons })
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => {
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-store"),
            ];
            (status, headers, body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn check(
    State(endpoint): State<Endpoint>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let token = endpoint.token.as_ref().map(Secret::reveal);
    match guard(request.method(), peer.ip(), request.headers(), token) {
        Ok(()) => next.run(request).await,
        Err(status) => status.into_response(),
    }
}

/// Whether a request may go on: one that only reads always, one that changes state from loopback,
/// or with the bearer token.
///
/// # Errors
/// 401 without the token, 403 for a web page of another site that makes its reader's browser call
/// loopback.
pub fn guard(
    method: &Method,
    peer: IpAddr,
    headers: &HeaderMap,
    token: Option<&str>,
) -> Result<(), StatusCode> {
    if method.is_safe() {
        return Ok(());
    }
    // A proxy on the same machine connects from loopback on behalf of somebody who does not.
    let forwarded = headers.contains_key("forwarded") || headers.contains_key("x-forwarded-for");
    if peer.to_canonical().is_loopback() && !forwarded {
        let foreign_page = headers.contains_key(ORIGIN);
        return if foreign_page {
            Err(StatusCode::FORBIDDEN)
        } else {
            Ok(())
        };
    }
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let matches = |(given, token): (&[u8], &str)| {
        aws_lc_rs::constant_time::verify_slices_are_equal(given, token.as_bytes()).is_ok()
    };
    match given.zip(token).is_some_and(matches) {
        true => Ok(()),
        false => Err(StatusCode::UNAUTHORIZED),
    }
}
