//! Things that are only there when they are configured.
//!
//! Owns `skip_unless_env`. Checks, endpoints and receivers ask it. Never decides what being
//! skipped means for them.

use crate::table::Table;

/// Returns why the thing is skipped: none of the named variables is set.
pub(crate) fn unless_env(table: &mut Table<'_, '_>) -> Option<String> {
    let names: Vec<String> =
        table.texts("skip_unless_env")?.into_iter().map(|(name, _)| name).collect();
    // A twin that cannot be read is reported where its value is used.
    let unset = |name: &String| matches!(table.reader.variables.env(name), Ok(None));
    match names.as_slice() {
        [] => None,
        [name] if unset(name) => Some(format!("{name} is not set")),
        names if names.iter().all(unset) => Some(format!("none of {} is set", names.join(", "))),
        _ => None,
    }
}
