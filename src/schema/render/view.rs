//! SQL of views and materialized views, and of what fills the latter once the tables have their rows.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Literal, Oid, Sql};
use crate::schema::model::view::{Materialized, View, ViewColumn};
use crate::schema::model::{Address, Catalog, Rank, class};
use crate::schema::options::Options;
use crate::schema::render::{Rendering, tablespace};
use crate::schema::script::{Lock, LockMode, Phase, Piece, Tolerated};
use crate::sql;

pub(super) fn render(catalog: &Catalog, options: &Options, to: &mut Rendering) {
    let refreshed = Refreshes::of(catalog);
    for view in &catalog.views {
        match &view.materialized {
            None => render_view(view, to),
            Some(materialized) => render_materialized(view, materialized, &refreshed, options, to),
        }
        for column in &view.columns {
            if let Some((oid, expression)) = &column.default {
                to.push(column_default(view, column, *oid, expression));
            }
        }
    }
    indexes_after_refresh(&refreshed, to);
}

/// The rows of a materialized view, as something that other steps can need.
fn rows_of(view: Oid) -> Address {
    Address::new(class::RELATION, view).part(Rank::MaterializedViewRefresh)
}

fn piece(view: &View, word: &str) -> Piece {
    let relation = Address::new(class::RELATION, view.oid);
    let types = [view.row_type, view.array_type].into_iter().filter(|oid| *oid != 0);
    Piece {
        also_makes: types.map(|oid| Address::new(class::TYPE, oid)).collect(),
        ..Piece::new(relation, Rank::View, Phase::PreData, format!("{word} {}", view.name))
    }
}

/// A view whose query needs, in a roundabout way, the view itself is declared with its columns first and gets its
/// query later; `pg_depend` hangs what the query needs on its rule.
fn render_view(view: &View, to: &mut Rendering) {
    let mut whole = piece(view, "view");
    let rule = Address::new(class::RULE, view.rule);
    // Without its query it would be a view that says something else: if that is left out, so is the declaration.
    let declared =
        Piece { sql: vec![declaration(view)], part_of: Some(rule), ..piece(view, "declaration of view") };
    let defined = Piece {
        sql: vec![definition(view, &Sql::fixed("CREATE OR REPLACE VIEW"))],
        needs: vec![whole.makes],
        ..Piece::new(rule, Rank::View, Phase::PreData, whole.label.clone())
    };
    whole.sql = vec![definition(view, &Sql::fixed("CREATE VIEW"))];
    whole.also_makes.push(rule);
    whole.fallback = Some(vec![declared, defined]);
    to.push(whole);
}

fn definition(view: &View, create: &Sql) -> Sql {
    sql!(
        "{create} {name}{options} AS\n{query}",
        create = create,
        name = view.name,
        options = with(&view.options, &[]),
        query = view.query
    )
}

/// Columns of the right names, types and collations, and no rows.
fn declaration(view: &View) -> Sql {
    let columns = view.columns.iter().map(|column| {
        let collation = column.collation.as_ref();
        let collation = collation.map_or_else(Sql::default, |name| sql!(" COLLATE {name}", name = name));
        sql!(
            "\n    CAST(NULL AS {data_type}){collation} AS {name}",
            data_type = column.data_type,
            collation = collation,
            name = column.name
        )
    });
    sql!("CREATE VIEW {name} AS SELECT{columns}", name = view.name, columns = Sql::join(columns, ","))
}

/// `WITH (..)` of options that the catalog holds as `name=value`.
fn with(options: &[String], toast: &[String]) -> Sql {
    let own = options.iter().map(|option| assignment("", option));
    let options: Vec<Sql> = own.chain(toast.iter().map(|option| assignment("toast", option))).collect();
    if options.is_empty() {
        return Sql::default();
    }
    sql!(" WITH ({options})", options = Sql::join(&options, ", "))
}

fn assignment(prefix: &'static str, option: &str) -> Sql {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let name = Ident::new(name);
    if prefix.is_empty() {
        sql!("{name} = {value}", name = name, value = Literal(value))
    } else {
        sql!("{prefix}.{name} = {value}", prefix = Sql::fixed(prefix), name = name, value = Literal(value))
    }
}

fn column_default(view: &View, column: &ViewColumn, oid: Oid, expression: &Sql) -> Piece {
    let relation = Address::new(class::RELATION, view.oid);
    let label =
        format!("default of column {} of {}", crate::pg::name::for_people(column.name.as_str()), view.name);
    Piece {
        sql: vec![sql!(
            "ALTER TABLE {view} ALTER COLUMN {column} SET DEFAULT {expression}",
            view = view.name,
            column = column.name,
            expression = expression
        )],
        needs: vec![relation],
        part_of: Some(relation),
        ..Piece::new(Address::new(class::COLUMN_DEFAULT, oid), Rank::ColumnDefault, Phase::PreData, label)
    }
}

fn render_materialized(
    view: &View,
    materialized: &Materialized,
    refreshed: &Refreshes,
    options: &Options,
    to: &mut Rendering,
) {
    let method = materialized.access_method.as_ref().filter(|method| method.as_str() != "heap");
    let using = method.map_or_else(Sql::default, |method| sql!(" USING {method}", method = method));
    let mut piece = piece(view, "materialized view");
    piece.also_makes.push(Address::new(class::RULE, view.rule));
    piece.sql.push(sql!(
        "CREATE MATERIALIZED VIEW {name}{using}{options}{tablespace} AS\n{query}\nWITH NO DATA",
        name = view.name,
        using = using,
        options = with(&view.options, &materialized.toast_options),
        tablespace = tablespace::clause(materialized.tablespace.as_ref(), options),
        query = view.query
    ));
    for column in &view.columns {
        piece.sql.extend(column_settings(column).into_iter().map(|action| {
            sql!(
                "ALTER MATERIALIZED VIEW {view} ALTER COLUMN {column} {action}",
                view = view.name,
                column = column.name,
                action = action
            )
        }));
    }
    tablespace::note(materialized.tablespace.as_ref(), &piece.label, options, to);
    to.push(piece);
    if materialized.populated {
        to.push(refresh(view, refreshed));
    }
}

fn column_settings(column: &ViewColumn) -> Vec<Sql> {
    let mut actions = Vec::new();
    if let Some(storage) = column.storage {
        actions.push(sql!("SET STORAGE {storage}", storage = Sql::fixed(storage)));
    }
    if let Some(method) = column.compression {
        actions.push(sql!("SET COMPRESSION {method}", method = Sql::fixed(method)));
    }
    if let Some(target) = column.statistics {
        actions.push(sql!("SET STATISTICS {target}", target = target));
    }
    if !column.options.is_empty() {
        let options = column.options.iter().map(|option| assignment("", option));
        actions.push(sql!("SET ({options})", options = Sql::join(options, ", ")));
    }
    actions
}

fn refresh(view: &View, refreshed: &Refreshes) -> Piece {
    let relation = Address::new(class::RELATION, view.oid);
    let sources = refreshed.sources.get(&view.oid).into_iter().flatten();
    Piece {
        sql: vec![sql!("REFRESH MATERIALIZED VIEW {name}", name = view.name)],
        needs: [relation].into_iter().chain(sources.map(|source| rows_of(*source))).collect(),
        part_of: Some(relation),
        locks: vec![Lock { table: view.oid, mode: LockMode::AccessExclusive }],
        // A function that does not set its search_path may fail under the empty one.
        tolerated: Tolerated::Anything,
        ..Piece::new(
            rows_of(view.oid),
            Rank::MaterializedViewRefresh,
            Phase::PostData,
            format!("rows of materialized view {}", view.name),
        )
    }
}

/// Building an index over rows that are there costs less than filling it row by row.
fn indexes_after_refresh(refreshed: &Refreshes, to: &mut Rendering) {
    for piece in to.pieces.iter_mut().filter(|piece| piece.rank == Rank::Index) {
        let Some(of) = piece.part_of.filter(|of| of.class == class::RELATION) else { continue };
        if refreshed.sources.contains_key(&of.object) {
            piece.needs.push(rows_of(of.object));
            piece.needs_rows_of.retain(|table| *table != of.object);
            piece.phase = Phase::PostData;
        }
    }
}

/// Which populated materialized views read which others, directly or through views and functions.
struct Refreshes {
    sources: HashMap<Oid, Vec<Oid>>,
}

impl Refreshes {
    fn of(catalog: &Catalog) -> Self {
        let populated: HashMap<Oid, Oid> = catalog
            .views
            .iter()
            .filter(|view| view.materialized.as_ref().is_some_and(|materialized| materialized.populated))
            .map(|view| (view.oid, view.rule))
            .collect();
        if populated.is_empty() {
            return Self { sources: HashMap::new() };
        }
        let mut needs: HashMap<Address, Vec<Address>> = HashMap::new();
        for dependency in &catalog.dependencies {
            needs.entry(dependency.dependent.whole()).or_default().push(dependency.referenced.whole());
        }
        // What a view's query needs hangs on its rule, which points at the view and not the other way round.
        for view in &catalog.views {
            needs
                .entry(Address::new(class::RELATION, view.oid))
                .or_default()
                .push(Address::new(class::RULE, view.rule));
        }
        let sources = populated.iter().map(|(view, rule)| (*view, reached(*view, *rule, &needs, &populated)));
        Self { sources: sources.collect() }
    }
}

/// The populated materialized views on the way down from a view's rule; the way ends at each of them.
fn reached(
    view: Oid,
    rule: Oid,
    needs: &HashMap<Address, Vec<Address>>,
    populated: &HashMap<Oid, Oid>,
) -> Vec<Oid> {
    let own = Address::new(class::RELATION, view);
    let mut seen = HashSet::from([own]);
    let mut open = vec![Address::new(class::RULE, rule)];
    let mut found = Vec::new();
    while let Some(address) = open.pop() {
        for next in needs.get(&address).into_iter().flatten() {
            if !seen.insert(*next) {
                continue;
            }
            if next.class == class::RELATION && populated.contains_key(&next.object) {
                found.push(next.object);
            } else {
                open.push(*next);
            }
        }
    }
    found.sort_unstable();
    found
}
