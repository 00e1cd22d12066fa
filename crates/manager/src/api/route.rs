//! One route: where it is, what it needs and takes, and who answers it.
//!
//! The table in [`crate::api::table`] is made of these; router and `OpenAPI` document are made from
//! that table, so that neither can know a route that the other does not.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, options, post};

use crate::api::Api;
use crate::api::access::Need;
use crate::api::guard::permit;

/// A way to ask.
pub(crate) struct Route {
    /// `get`, `post` or `options`, as `OpenAPI` writes it.
    pub(crate) method: &'static str,
    /// Its path; `{name}` stands for a part of it.
    pub(crate) path: &'static str,
    /// What it needs of its caller.
    pub(crate) need: Need,
    /// What it is for, in a sentence without its full stop.
    pub(crate) summary: &'static str,
    /// Words after `?`, each with what it means.
    pub(crate) query: &'static [(&'static str, &'static str)],
    /// Media types of a body; none takes none.
    pub(crate) takes: &'static [&'static str],
    /// The media type of its answer.
    pub(crate) gives: &'static str,
    /// The status of its usual answer.
    pub(crate) status: u16,
    handler: MethodRouter<Api>,
}

impl Route {
    /// A question.
    pub(crate) fn get<H, T>(
        path: &'static str,
        need: Need,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self::of("get", path, need, summary, get(handler))
    }

    /// A change.
    pub(crate) fn post<H, T>(
        path: &'static str,
        need: Need,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self::of("post", path, need, summary, post(handler))
    }

    /// A question about a route.
    pub(crate) fn options<H, T>(
        path: &'static str,
        need: Need,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        Self::of("options", path, need, summary, options(handler))
    }

    fn of(
        method: &'static str,
        path: &'static str,
        need: Need,
        summary: &'static str,
        handler: MethodRouter<Api>,
    ) -> Self {
        let gives = "application/json";
        Self { method, path, need, summary, query: &[], takes: &[], gives, status: 200, handler }
    }

    /// Names what may stand after `?`.
    pub(crate) fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// Names the media types of its body.
    pub(crate) fn takes(self, takes: &'static [&'static str]) -> Self {
        Self { takes, ..self }
    }

    /// Names the media type of its answer, where it is not JSON.
    pub(crate) fn gives(self, gives: &'static str) -> Self {
        Self { gives, ..self }
    }

    /// Names the status of its usual answer, where it is not 200.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Adds it to a router, behind what it needs.
    pub(crate) fn onto(self, router: Router<Api>) -> Router<Api> {
        let permitted = self.handler.route_layer(from_fn_with_state(self.need, permit));
        router.route(self.path, permitted)
    }
}
