#![doc = include_str!("../README.md")]

mod condition;
mod cost;
mod functions;
mod page;
mod path;
mod pattern;
mod problem;
mod tree;
mod variables;
mod version;
mod vocabulary;

pub use condition::{Condition, MAX_NESTING, MAX_TEXT};
pub use functions::Functions;
pub use page::{Fault, Page};
pub use path::Path;
pub use pattern::Pattern;
pub use problem::Problem;
pub use vocabulary::Vocabulary;
