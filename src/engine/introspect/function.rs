//! Reads functions, procedures and aggregates.

use tokio_postgres::{Client, Row};

use crate::engine::introspect::unnamed::numbered;
use crate::engine::introspect::{Error, get, letter, printed, printed_option, qualified, query, unknown};
use crate::pg::{Sql, Version};
use crate::schema::model::function::{Aggregate, AggregateKind, Function, Transition};

pub(super) async fn read(client: &Client, _version: Version) -> Result<Vec<Function>, Error> {
    let rows = query(client, "functions", include_str!("../../../sql/catalog/function.sql")).await?;
    rows.iter()
        .map(|row| {
            let extensions: Vec<String> = get(row, "depends_on_extensions")?;
            let settings: Vec<String> = get(row, "settings")?;
            let settings = settings.iter().filter_map(|setting| setting.split_once('='));
            let definition: String = get(row, "definition")?;
            let unnamed: Vec<i32> = get(row, "unnamed")?;
            let definition = match unnamed.as_slice() {
                [argument] => numbered(&definition, *argument),
                _ => definition,
            };
            Ok(Function {
                oid: get(row, "oid")?,
                name: qualified(row, "schema", "name")?,
                arguments: printed(row, "arguments")?,
                procedure: letter(row, "kind")? == 'p',
                language: get(row, "language")?,
                for_superusers: get(row, "for_superusers")?,
                definition: Sql::printed_by_server(definition),
                ambiguous: unnamed.len() > 1,
                declaration: printed_option(row, "declaration")?,
                settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                depends_on_extensions: extensions.into_iter().map(Sql::printed_by_server).collect(),
            })
        })
        .collect()
}

pub(super) async fn read_aggregates(client: &Client) -> Result<Vec<Aggregate>, Error> {
    let rows = query(client, "aggregates", include_str!("../../../sql/catalog/aggregate.sql")).await?;
    rows.iter().map(aggregate).collect()
}

fn aggregate(row: &Row) -> Result<Aggregate, Error> {
    let kind = match letter(row, "kind")? {
        'n' => AggregateKind::Normal,
        'o' => AggregateKind::OrderedSet,
        'h' => AggregateKind::HypotheticalSet,
        other => return Err(unknown("an aggregate's kind", other)),
    };
    let plain = Transition {
        function: printed(row, "transition")?,
        inverse: None,
        state_type: printed(row, "state_type")?,
        state_space: get(row, "state_space")?,
        initial: get(row, "initial")?,
        final_function: printed_option(row, "final")?,
        final_extra: get(row, "final_extra")?,
        final_modify: letter(row, "final_modify")?,
    };
    let moving = match printed_option(row, "moving_transition")? {
        None => None,
        Some(function) => Some(Transition {
            function,
            inverse: printed_option(row, "moving_inverse")?,
            state_type: printed(row, "moving_state_type")?,
            state_space: get(row, "moving_state_space")?,
            initial: get(row, "moving_initial")?,
            final_function: printed_option(row, "moving_final")?,
            final_extra: get(row, "moving_final_extra")?,
            final_modify: letter(row, "moving_final_modify")?,
        }),
    };
    Ok(Aggregate {
        oid: get(row, "oid")?,
        name: qualified(row, "schema", "name")?,
        arguments: printed(row, "arguments")?,
        identity_arguments: printed(row, "identity_arguments")?,
        kind,
        parallel: letter(row, "parallel")?,
        plain,
        moving,
        combine: printed_option(row, "combine")?,
        serialize: printed_option(row, "serialize")?,
        deserialize: printed_option(row, "deserialize")?,
        sort_operator: printed_option(row, "sort_operator")?,
    })
}
