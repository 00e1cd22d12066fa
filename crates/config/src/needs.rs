//! What services stand on, and who is to blame when some of it is down.
//!
//! Owns the two pure steps of every dependency check: which edges and targets a question is about, and what an answer means for
//! them. The dependency-checker judges by it; so does `config test`, without asking anybody. Never probes.

mod blame;
mod depth;
mod plan;

pub use blame::{Blame, blame};
pub use depth::{Depth, FollowDepth};
pub use plan::{Edge, Plan};
