//! As whom a request is made.
//!
//! Owns `auth` of HTTP probes. The probes crate signs in by it. Never asks for a token and never reads a key.

use std::path::PathBuf;

use serde::Serialize;

use crate::check::OAuth2Client;
use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;

/// Says as whom a request is made: what it carries, and what the connection shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HttpAuth {
    /// What stands in `Authorization`.
    pub login: Option<Login>,
    /// The certificate of the client, for a server that wants one.
    pub certificate: Option<ClientCertificate>,
}

/// Says what stands in `Authorization`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// A token.
    Bearer(Secret),
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// The token that a client is given.
    OAuth2(OAuth2Client),
}

/// Names the files of a client's certificate; they are read for each connection, since such certificates are short-lived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientCertificate {
    /// The PEM file of the certificate and what it was issued by.
    pub cert: PathBuf,
    /// The PEM file of its key.
    pub key: PathBuf,
}

impl HttpAuth {
    /// Reads one of `bearer`, `basic`, `oauth2`, and `mtls` beside it or alone.
    pub(crate) fn read(mut table: Table<'_, '_>) -> Self {
        let given = ["bearer", "basic", "oauth2"].map(|key| table.get(key).is_some());
        if given.into_iter().filter(|given| *given).count() > 1 {
            let text = "`auth` must have one of `bearer`, `basic`, `oauth2`".to_owned();
            table.reader.report(Code::Conflict, table.at, text);
        }
        let bearer = table.secret("bearer").map(Login::Bearer);
        let basic = table.table("basic").and_then(basic);
        let oauth2 = table.table("oauth2").and_then(OAuth2Client::read).map(Login::OAuth2);
        let certificate = table.table("mtls").and_then(ClientCertificate::read);
        table.close();
        Self { login: bearer.or(basic).or(oauth2), certificate }
    }
}

fn basic(mut table: Table<'_, '_>) -> Option<Login> {
    for key in ["username", "password"] {
        table.must(key);
    }
    let username = table.parse("username", |text| {
        if text.contains(':') {
            Err("must not hold a colon, which ends it".to_owned())
        } else {
            Ok(text.to_owned())
        }
    });
    let password = table.secret("password");
    table.close();
    Some(Login::Basic { username: username?, password: password? })
}

impl ClientCertificate {
    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        for key in ["cert", "key"] {
            table.must(key);
        }
        let [cert, key] = ["cert", "key"].map(|key| table.text(key).map(PathBuf::from));
        table.close();
        Some(Self { cert: cert?, key: key? })
    }
}
