//! Reads a stream from end to end, of each entry only what tells it from others.
//!
//! A million entries are little more than their ids on the way here, whatever their bodies are.

use redis::Value;

use crate::connection::Session;
use crate::error::Error;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries of a page at most: bounds the time the server is busy with it.
const PAGE: usize = 256;
/// Bytes that the server should look at for a page, for the same reason.
const PAGE_BYTES: usize = 1 << 20;
/// Entries of the first page, before anything is known of their size.
const FIRST_PAGE: usize = 16;

static TRACES: Script = script!("read traces", ["traces.lua"]);

/// What is read of each entry.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a, const N: usize> {
    /// Only of entries where this field begins with this text; others have empty values.
    pub guard: (&'a str, &'a str),
    /// The fields, of several with one name the last.
    pub names: [&'a str; N],
}

/// Reads a stream from its oldest entry to what is youngest then.
#[derive(Debug, Clone)]
pub struct Traces<'a, const N: usize> {
    stream: &'a str,
    wanted: Wanted<'a, N>,
    next: Option<EntryId>,
    count: usize,
}

impl<'a, const N: usize> Traces<'a, N> {
    /// Begins at the oldest entry.
    pub fn new(stream: &'a str, wanted: Wanted<'a, N>) -> Self {
        Self { stream, wanted, next: Some(EntryId::default()), count: FIRST_PAGE }
    }

    /// The next page, each entry with a value per name; empty at the end.
    ///
    /// # Redis
    /// One script call, which writes nothing.
    pub async fn next(
        &mut self,
        session: &mut Session,
    ) -> Result<Vec<(EntryId, [String; N])>, Error> {
        let Some(from) = self.next else { return Ok(Vec::new()) };
        let mut call = TRACES.call(&[self.stream]);
        call.arg(from.to_string()).arg("+").arg(self.count);
        call.arg(self.wanted.guard.0).arg(self.wanted.guard.1);
        for name in &self.wanted.names {
            call.arg(name);
        }
        let origin = Origin { operation: "read traces", key: self.stream };
        let mut values = origin.array(session.run(&call).await?)?.into_iter();
        let bytes = values.next().map(|bytes| origin.count(&bytes)).transpose()?.unwrap_or(0);
        let mut page = Vec::with_capacity(self.count);
        while let Some(id) = values.next() {
            let texts: Vec<String> = values
                .by_ref()
                .take(N)
                .map(|value| text(origin, value))
                .collect::<Result<_, _>>()?;
            let texts =
                <[String; N]>::try_from(texts).map_err(|_few| origin.bad("a short trace"))?;
            page.push((origin.id(id)?, texts));
        }
        self.next = page.last().filter(|_| page.len() == self.count).map(|(id, _)| id.next());
        let fitting = PAGE_BYTES.saturating_mul(page.len());
        let fitting = fitting.checked_div(usize::try_from(bytes).unwrap_or(usize::MAX));
        self.count = fitting.unwrap_or(PAGE).clamp(1, (self.count * 2).min(PAGE));
        Ok(page)
    }
}

/// Texts of strangers may be anything; one that is no text is as good as none.
fn text(origin: Origin<'_>, value: Value) -> Result<String, Error> {
    Ok(String::from_utf8(origin.bytes(value)?).unwrap_or_default())
}
