//! The settings that every session of ours has, sent as `SET` after connecting: poolers refuse start-up options.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::error::Error;
use crate::pg::{Literal, Sql, Version};
use crate::safety::Address;
use crate::sql;

/// In which encoding a session speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, for SQL.
    Utf8,
    /// The named one: both ends of a COPY speak the source database's own (`server_encoding`), so nothing is
    /// converted on the source and each byte once at most.
    Named(String),
    /// This server's own.
    Server,
    /// UTF-8; but where the server's database has no encoding (`SQL_ASCII`) its bytes as they are, which may be no UTF-8: for rows
    /// that come in between the rest.
    Rows,
}

/// What differs between sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The client encoding.
    pub encoding: Encoding,
    /// Give up waiting for a lock after this long: on the source and in the swap.
    pub lock_timeout: Option<Duration>,
    /// Quote every name in printed definitions: for catalog reads when the other server's keywords differ.
    pub quote_all_identifiers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { encoding: Encoding::Utf8, lock_timeout: None, quote_all_identifiers: false }
    }
}

/// Settings with their values, and the first major version that has them.
const SETTINGS: &[(u32, &str)] = &[
    (14, "SET statement_timeout = 0;"),
    (14, "SET idle_in_transaction_session_timeout = 0;"),
    (14, "SET idle_session_timeout = 0;"),
    (17, "SET transaction_timeout = 0;"),
    // Compiling costs more than our catalog queries.
    (14, "SET jit = off;"),
    (14, "SET TimeZone = 'UTC';"),
    (14, "SET DateStyle = 'ISO';"),
    (14, "SET IntervalStyle = 'postgres';"),
    (14, "SET extra_float_digits = 3;"),
    (14, "SET bytea_output = 'hex';"),
    (14, "SET xmloption = 'content';"),
    (14, "SET lc_monetary = 'C';"),
    // What a server prints and what it reads must mean the same on both sides.
    (14, "SET standard_conforming_strings = on;"),
    (14, "SET array_nulls = on;"),
    (14, "SET transform_null_equals = off;"),
    // A policy becomes an error, never missing rows.
    (14, "SET row_security = off;"),
    // What somebody has set for a database, and a clone brought with it, is for its applications.
    (14, "SET default_transaction_isolation = 'read committed';"),
    (14, "SET default_transaction_deferrable = off;"),
    // SET takes no empty list.
    (14, "SELECT pg_catalog.set_config('search_path', '', false);"),
];

/// Waits for the answer to them: a session is ready with it, so `connect_timeout` holds. A connection pooler lets
/// everybody in, and whoever asks for something then waits for a free connection to the server.
pub(super) async fn ready<T>(
    settings: impl Future<Output = Result<T, Error>>,
    limit: Option<Duration>,
    endpoint: &Endpoint,
    address: &Address,
) -> Result<T, Error> {
    let Some(after) = limit else { return settings.await };
    let late = |_| Error::Timeout { endpoint: endpoint.clone(), address: address.to_string(), after };
    tokio::time::timeout(after, settings).await.map_err(late)?
}

/// The statements, to be sent as one simple query. `server_encoding` is the server's own.
pub(super) fn statements(
    settings: &Settings,
    read_only: bool,
    version: Version,
    server_encoding: &str,
) -> Sql {
    let mut sql = Sql::default();
    for (_, statement) in SETTINGS.iter().filter(|(major, _)| version.at_least(*major)) {
        sql.push_fixed(statement);
    }
    sql.push_fixed(match read_only {
        true => "SET default_transaction_read_only = on;",
        false => "SET default_transaction_read_only = off;",
    });
    let lock_timeout = settings.lock_timeout.unwrap_or_default().as_millis();
    let lock_timeout = u32::try_from(lock_timeout).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs());
    sql.push(&sql!("SET lock_timeout = {ms};", ms = lock_timeout));
    if settings.quote_all_identifiers {
        sql.push_fixed("SET quote_all_identifiers = on;");
    }
    match &settings.encoding {
        Encoding::Rows if server_encoding == "SQL_ASCII" => {
            sql.push_fixed("SET client_encoding = 'SQL_ASCII';");
        }
        Encoding::Utf8 | Encoding::Rows => {}
        Encoding::Named(name) => sql.push(&sql!("SET client_encoding = {name};", name = Literal(name))),
        Encoding::Server => sql.push(&sql!("SET client_encoding = {name};", name = Literal(server_encoding))),
    }
    sql
}

/// The version in `server_version`: "15.14 (Debian 15.14-1)", "18beta1", "17.2".
pub(super) fn version(text: &str) -> Option<Version> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (major, rest) = text.split_at_checked(digits(text))?;
    let minor = rest.strip_prefix('.').and_then(|rest| rest.get(..digits(rest)));
    let minor = minor.and_then(|minor| minor.parse::<u32>().ok()).unwrap_or(0);
    Some(Version::from_number(major.parse::<u32>().ok()?.checked_mul(10_000)?.checked_add(minor)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Encoding, Settings, statements, version};
    use crate::pg::Version;

    #[test]
    fn each_setting_goes_where_the_server_has_it() {
        let made = |number| {
            let sql = statements(&Settings::default(), true, Version::from_number(number), "UTF8");
            sql.as_str().to_owned()
        };
        assert!(
            !made(160_000).contains("transaction_timeout")
                && made(170_000).contains("transaction_timeout = 0")
        );
        assert!(made(140_000).contains("idle_session_timeout"));
        assert!(made(140_000).contains("default_transaction_read_only = on"));
    }

    #[test]
    fn a_copy_speaks_the_databases_encoding() {
        let settings = |encoding| Settings {
            encoding,
            lock_timeout: Some(Duration::from_millis(1500)),
            quote_all_identifiers: true,
        };
        let sql = statements(&settings(Encoding::Server), false, Version::OLDEST, "LATIN1");
        assert!(sql.as_str().ends_with(
            "SET lock_timeout = 1500;SET quote_all_identifiers = on;SET client_encoding = 'LATIN1';"
        ));
        let sql = statements(&settings(Encoding::Named("EUC_JP".to_owned())), false, Version::OLDEST, "UTF8");
        assert!(sql.as_str().ends_with("SET client_encoding = 'EUC_JP';"));
        assert!(sql.as_str().contains("default_transaction_read_only = off;"));
        for (server, ends) in
            [("SQL_ASCII", "client_encoding = 'SQL_ASCII';"), ("LATIN1", "all_identifiers = on;")]
        {
            let sql = statements(&settings(Encoding::Rows), true, Version::OLDEST, server);
            assert!(sql.as_str().ends_with(ends), "{server}");
        }
    }

    #[test]
    fn reads_every_form_of_server_version() {
        for (text, number) in [
            ("15.14 (Debian 15.14-1.pgdg)", Some(150_014)),
            ("18beta1", Some(180_000)),
            ("17.2", Some(170_002)),
            ("16devel", Some(160_000)),
            ("", None),
            ("x", None),
            ("99999999999.1", None),
        ] {
            assert_eq!(version(text), number.map(Version::from_number), "{text}");
        }
    }
}
