#![doc = include_str!("../README.md")]

mod address;
mod allow;
mod classify;
mod client;
mod configured;
mod dial;
mod egress;
mod error;
mod http;
mod limits;
mod outcome;
pub mod redact;
mod redis;
mod redis_target;
mod report;
mod resolver;
mod resp;
mod retry;
mod tcp;
mod tls;

pub use address::{AddressKind, kind as address_kind};
pub use classify::{request_error, status_class};
pub use client::GuardedClient;
pub use egress::{Connection, Egress, Purpose};
pub use error::Error;
pub use http::{HttpProbe, MAX_BODY, StatusRange, read_body};
pub use limits::Limits;
pub use outcome::{Class, Outcome, ReasonCode};
pub use printery_config::EgressRules;
pub use redis::RedisProbe;
pub use redis_target::RedisTarget;
pub use report::{Report, Timings};
pub use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
pub use tcp::{Expect, TcpProbe};
