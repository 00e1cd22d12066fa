//! Serves the routes on a socket, within limits that a slow or greedy client cannot exceed.
//!
//! Called by `run` once at start; it ends when it is dropped. It knows nothing of the routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::api::error::ApiError;
use crate::api::guard::Peer;

/// How long a client may take to send a request's headers. 10 s.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a request may take. 10 s: the slowest one asks four children and Redis.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Connections at once; more wait in the socket's backlog. 256.
const CONNECTIONS: usize = 256;
/// Pause after a failed `accept`, which fails at once again when file descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the address, so that a conflict is known before anything is started.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Accepts and serves until it is dropped, with everything that is still being answered.
pub(crate) async fn serve(listener: TcpListener, routes: Router) {
    let routes = routes.layer(axum::middleware::from_fn(limit_time));
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let routes = routes.clone().layer(Extension(Peer(peer)));
                connections.spawn(async move {
                    serve_one(stream, routes).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, routes: Router) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    let service = TowerToHyperService::new(routes);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "connection ended");
    }
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_WITHIN, next.run(request)).await {
        Ok(answer) => answer,
        Err(_elapsed) => {
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "TIMEOUT", "the request took too long")
                .into_response()
        }
    }
}
