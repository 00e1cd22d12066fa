//! The delivery engine against a real Redis: every command and script, and what it leaves behind.
//!
//! One file per subject, one private server per test. What Redis holds is compared whole, before
//! and after; nothing here imitates Redis, and nothing waits without looking.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

mod contents;
mod line_scene;
mod scene;

mod admit;
mod adopt;
mod audit;
mod bury;
mod cluster;
mod commit;
mod connection;
mod defer;
mod duplicates;
mod durability;
mod fetch;
mod fetch_troubles;
mod fetch_waits;
mod follow_up;
mod foreign_names;
mod group;
mod inspect;
mod order;
mod order_looks;
mod order_mend;
mod order_model;
mod order_take;
mod order_troubles;
mod promote;
mod publish;
mod reclaim;
mod redrive;
mod refusals;
mod release;
mod renew;
mod sentinel;
mod tls;
mod trim;
