//! `--mode rows`: for each table that differs the keys of its first rows that do.

use std::collections::HashMap;

use super::subjects::Subject;
use super::view::View;
use crate::connect::Connection;
use crate::engine::verify::narrow::{self, Difference, Found, Groups, Narrowing, Next};
use crate::engine::verify::{self, query};
use crate::pg::{Ident, QualifiedName, Sql};
use crate::progress::{DifferentRow, DifferentRows, Reporter, RowDifference};
use crate::workflow::{Error, Result, sums};

/// So many rows of a table are named.
const NAMED: usize = 10;

/// The columns by which rows are known, by table.
pub(super) type Keys = HashMap<QualifiedName, Vec<Ident>>;

/// Reads the keys of one side.
pub(super) async fn keys(connection: &Connection) -> Result<Keys> {
    let query = Sql::fixed(include_str!("../../../sql/verify/keys.sql"));
    let rows = connection.query(&query, &[]).await?;
    let keys = rows.iter().map(|row| {
        let name = QualifiedName::new(row.try_get::<_, &str>("schema")?, row.try_get::<_, &str>("name")?);
        let columns: Vec<&str> = row.try_get("columns")?;
        Ok((name, columns.into_iter().map(Ident::new).collect()))
    });
    Ok(keys.collect::<std::result::Result<_, _>>().map_err(|error| connection.error(error))?)
}

/// One side of a table: where it is asked, and as what.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) view: &'a View,
    pub(super) subject: &'a Subject,
}

/// Finds the rows of a table in which the two sides differ. Columns that only one side has make every row differ: they are
/// said instead.
pub(super) async fn different(
    name: &QualifiedName,
    key: &[Ident],
    source: Side<'_>,
    destination: Side<'_>,
    reporter: &Reporter,
) -> Result<DifferentRows> {
    let mut told = DifferentRows {
        table: name.to_string(),
        key: key.iter().map(|column| column.as_str().to_owned()).collect(),
        ..DifferentRows::default()
    };
    told.columns = columns_apart(&source.subject.table, &destination.subject.table);
    if !told.columns.is_empty() {
        return Ok(told);
    }
    let (mut there, mut here) = (None, None);
    let mut search = Narrowing::new();
    let found = loop {
        let (of_source, of_destination) = tokio::try_join!(
            groups(name, key, source, &mut there, &search, reporter),
            groups(name, key, destination, &mut here, &search, reporter)
        )?;
        match search.answered(&of_source, &of_destination) {
            Next::Ask(next) => search = next,
            Next::Found(found) => break found,
        }
    };
    let Found { rows, total, at_least } = found;
    let mut rows: Vec<DifferentRow> = rows.into_iter().map(row).collect();
    rows.sort_by(|a, b| by_number(&a.key).cmp(&by_number(&b.key)).then_with(|| a.key.cmp(&b.key)));
    rows.truncate(NAMED);
    (told.rows, told.total, told.at_least) = (rows, total, at_least);
    Ok(told)
}

fn columns_apart(source: &query::Table, destination: &query::Table) -> Vec<String> {
    let only = |these: &query::Table, those: &query::Table, side: &str| -> Vec<String> {
        let is_there = |name: &Ident| those.columns.iter().any(|column| column.name == *name);
        let only = these.columns.iter().filter(|column| !is_there(&column.name));
        only.map(|column| format!("{} is only on the {side}", column.name.quoted())).collect()
    };
    let mut apart = only(source, destination, "source");
    apart.extend(only(destination, source, "destination"));
    apart
}

async fn groups(
    name: &QualifiedName,
    key: &[Ident],
    side: Side<'_>,
    session: &mut Option<Box<Connection>>,
    search: &Narrowing,
    reporter: &Reporter,
) -> Result<Groups> {
    let what = format!("looking for the rows of {name} that differ");
    reporter.operation(what.clone());
    let query = side.view.under(&query::groups(&side.subject.table, side.subject.rows, key, search.step()));
    let dial = async || side.view.session().await;
    let asked = sums::persist(session, dial, reporter, &what, async |connection| {
        let table = format!("groups of rows of table {name}");
        let answer = verify::ask(connection.client(), &table, &query).await;
        answer.map_err(|error| Error::from(error).at(connection.endpoint()))
    });
    let no_groups = || Error::Defect(format!("the groups of rows of table {name} cannot be read"));
    narrow::read(asked.await?).ok_or_else(no_groups)
}

fn row(difference: Difference) -> DifferentRow {
    let Difference { known_by, source_rows, destination_rows } = difference;
    let is = match (source_rows, destination_rows) {
        (_, 0) => RowDifference::MissingOnDestination,
        (0, _) => RowDifference::OnlyOnDestination,
        _ => RowDifference::Different,
    };
    DifferentRow { key: known_by, is, source_rows, destination_rows }
}

/// Numbers as people count, before what is no number.
fn by_number(key: &[Option<String>]) -> Vec<i64> {
    key.iter().map(|value| value.as_deref().and_then(|text| text.parse().ok()).unwrap_or(i64::MAX)).collect()
}
