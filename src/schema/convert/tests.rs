//! What is made of differences: statements in an order that works, and what is withheld with its reason.

use super::{Plan, Reason, convert};
use crate::schema::diff::sample::{
    catalog, column, constraint, default, depends, enumeration, index, not_null, printed, reads, table, view,
};
use crate::schema::diff::{Scope, compare};
use crate::schema::model::column::Column;
use crate::schema::model::constraint::Kind;
use crate::schema::model::function::Function;
use crate::schema::model::{Catalog, class};
use crate::schema::options::Options;

fn plan(source: &Catalog, destination: &Catalog) -> Plan {
    let diff = compare(source, destination, Scope::ALL);
    let mut options = Options::new(destination.version);
    options.neutralize = false;
    options.superuser = true;
    convert(source, destination, &diff, &options)
}

fn check(source: &Catalog, destination: &Catalog, statements: &[&str], withheld: &[(&str, Reason)]) {
    let plan = plan(source, destination);
    let found: Vec<&str> = plan.steps.iter().flat_map(|step| &step.sql).map(crate::pg::Sql::as_str).collect();
    assert_eq!(found, statements);
    let reasons: Vec<(String, Reason)> = plan
        .withheld
        .iter()
        .map(|one| {
            let member = one.member.as_ref().map(|member| format!(", {}", member.aspect.words()));
            (format!("{}{}", one.object, member.unwrap_or_default()), one.reason)
        })
        .collect();
    let reasons: Vec<(&str, Reason)> =
        reasons.iter().map(|(object, reason)| (object.as_str(), *reason)).collect();
    assert_eq!(reasons, withheld);
}

fn with_table(columns: Vec<Column>) -> Catalog {
    let mut made = catalog(15);
    made.tables.push(table(100, "t", columns));
    made
}

#[test]
fn a_column_is_added_where_no_row_is_written_for_it() {
    let one = |column: Column| with_table(vec![super::tests::column("a", "integer"), column]);
    let two = with_table(vec![column("a", "integer")]);
    let add = "ALTER TABLE \"public\".\"t\" ADD COLUMN \"b\" ";
    let name = "column public.t.b";
    check(&one(column("b", "text")), &two, &[&format!("{add}text")], &[]);
    let constant = Column { default: default(9, "7"), not_null: not_null(None), ..column("b", "integer") };
    check(&one(constant), &two, &[&format!("{add}integer DEFAULT 7 NOT NULL")], &[]);
    let called = || Column { default: default(9, "public.f()"), ..column("b", "integer") };
    let set = "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"b\" SET DEFAULT public.f()";
    check(&one(called()), &two, &[&format!("{add}integer"), set], &[]);
    let filled = Column { not_null: not_null(None), ..called() };
    check(&one(filled), &two, &[], &[(name, Reason::Rewrites)]);
    let empty = Column { not_null: not_null(None), ..column("b", "integer") };
    check(&one(empty), &two, &[], &[(name, Reason::RowsMayRefuse)]);
    let stored = Column {
        default: default(9, "a + 1"),
        generated: Some(crate::schema::model::column::Generated::Stored),
        ..column("b", "integer")
    };
    check(&one(stored), &two, &[], &[(name, Reason::Rewrites)]);
}

/// What needs a column that is not added is not made either, and says so.
#[test]
fn what_needs_something_withheld_is_withheld() {
    let needed = Column { not_null: not_null(None), ..column("b", "integer") };
    let mut one = with_table(vec![column("a", "integer"), needed]);
    let on = one.tables[0].clone();
    one.indexes.push(index(110, &on, "by_b", "CREATE INDEX by_b ON public.t USING btree (b)"));
    one.views.push(view(120, "v", "SELECT b FROM public.t"));
    let mut of_column = reads(&one.views[0], 100);
    of_column[0].referenced.sub = 2;
    one.dependencies.extend(of_column);
    let mut of_column = depends((class::RELATION, 110), (class::RELATION, 100), 'a');
    of_column.referenced.sub = 2;
    one.dependencies.push(of_column);
    let two = with_table(vec![column("a", "integer")]);
    check(
        &one,
        &two,
        &[],
        &[
            ("column public.t.b", Reason::RowsMayRefuse),
            ("index public.by_b on t", Reason::NeedsWithheld),
            ("view public.v", Reason::NeedsWithheld),
        ],
    );
}

#[test]
fn what_holds_rows_is_never_dropped_and_nor_is_what_it_needs() {
    let mut two = with_table(vec![column("a", "public.mood")]);
    two.types.push(enumeration(50, "mood", &["ok"]));
    two.dependencies.push(depends((class::RELATION, 100), (class::TYPE, 50), 'n'));
    two.views.push(view(120, "v", "SELECT a FROM public.t"));
    two.views.push(view(140, "upon", "SELECT a FROM public.v"));
    let (v, upon) = (two.views[0].clone(), two.views[1].clone());
    two.dependencies.extend(reads(&v, 100).into_iter().chain(reads(&upon, 120)));
    check(
        &catalog(15),
        &two,
        &["DROP VIEW \"public\".\"upon\"", "DROP VIEW \"public\".\"v\""],
        &[("type public.mood", Reason::NeededByOthers), ("table public.t", Reason::HoldsData)],
    );
}

#[test]
fn constraints_that_look_at_rows_are_withheld_and_others_are_not() {
    let with = |checks: &[(&str, &str)]| {
        let mut made = with_table(vec![column("a", "integer")]);
        for ((named, definition), oid) in checks.iter().zip(200..) {
            made.constraints.push(constraint(oid, &made.tables[0], named, Kind::Check, definition));
        }
        made
    };
    check(
        &with(&[("c", "CHECK ((a > 0))")]),
        &with(&[]),
        &[],
        &[("constraint c on public.t", Reason::RowsMayRefuse)],
    );
    check(
        &with(&[("c", "CHECK ((a > 0)) NOT VALID")]),
        &with(&[("c", "CHECK ((a > 1))"), ("d", "CHECK ((a > 2))")]),
        &[
            "ALTER TABLE \"public\".\"t\" DROP CONSTRAINT \"d\"",
            "ALTER TABLE \"public\".\"t\" DROP CONSTRAINT \"c\"",
            "ALTER TABLE \"public\".\"t\" ADD CONSTRAINT \"c\" CHECK ((a > 0)) NOT VALID",
        ],
        &[],
    );
}

fn with_function(definition: &str) -> Catalog {
    let mut made = with_table(vec![column("a", "integer")]);
    made.functions.push(Function {
        oid: 300,
        name: crate::schema::diff::sample::name("f"),
        arguments: printed(""),
        procedure: false,
        language: "sql".to_owned(),
        for_superusers: None,
        ambiguous: false,
        definition: printed(definition),
        declaration: None,
        settings: Vec::new(),
        depends_on_extensions: Vec::new(),
    });
    made
}

/// A function's result cannot be replaced: what is only text is made anew with it, and what holds rows stands against it.
#[test]
fn a_function_of_another_result_is_made_anew_with_the_views_upon_it() {
    let text = |result: &str| {
        format!("CREATE OR REPLACE FUNCTION public.f()\n RETURNS {result}\n LANGUAGE sql\nAS $$SELECT 1$$\n")
    };
    let with_view = |result: &str| {
        let mut made = with_function(&text(result));
        made.views.push(view(120, "v", "SELECT f FROM public.f() f(f)"));
        let rule = made.views[0].rule;
        made.dependencies.push(depends((class::RULE, rule), (class::FUNCTION, 300), 'n'));
        made.dependencies.push(depends((class::RULE, rule), (class::RELATION, 120), 'i'));
        made
    };
    let (one, mut two) = (with_view("bigint"), with_view("integer"));
    check(
        &one,
        &two,
        &[
            "DROP VIEW \"public\".\"v\"",
            "DROP ROUTINE \"public\".\"f\"()",
            &text("bigint"),
            "CREATE VIEW \"public\".\"v\" AS\nSELECT f FROM public.f() f(f)",
        ],
        &[],
    );
    two.tables[0].columns[0].default = default(9, "public.f()");
    let mut one = one;
    one.tables[0].columns[0].default = default(9, "public.f()");
    two.dependencies.push(depends((class::COLUMN_DEFAULT, 9), (class::FUNCTION, 300), 'n'));
    check(&one, &two, &[], &[("function public.f(), returns", Reason::NeededByOthers)]);
}

#[test]
fn statements_come_in_the_order_in_which_they_need_each_other() {
    let mut one = with_table(vec![
        column("a", "integer"),
        Column { default: default(9, "'glad'::public.mood"), ..column("m", "public.mood") },
    ]);
    one.types.push(enumeration(50, "mood", &["glad"]));
    one.views.push(view(120, "a_view", "SELECT m FROM public.t"));
    let [mut query, own] = reads(&one.views[0], 100);
    query.referenced.sub = 2;
    one.dependencies.extend([query, own]);
    let mut of_column = depends((class::RELATION, 100), (class::TYPE, 50), 'n');
    of_column.dependent.sub = 2;
    one.dependencies.push(of_column);
    let mut two = with_table(vec![column("a", "integer")]);
    two.views.push(view(170, "a_view", "SELECT a AS m FROM public.t"));
    check(
        &one,
        &two,
        &[
            "CREATE TYPE \"public\".\"mood\" AS ENUM ('glad')",
            "ALTER TABLE \"public\".\"t\" ADD COLUMN \"m\" public.mood DEFAULT 'glad'::public.mood",
            "CREATE OR REPLACE VIEW \"public\".\"a_view\" AS\nSELECT m FROM public.t",
        ],
        &[],
    );
}

/// A name is free only when what has it is gone; where that holds rows, nothing else gets it.
#[test]
fn a_name_is_given_to_one_thing_after_the_other() {
    let mut one = catalog(15);
    one.views.push(view(120, "x", "SELECT 1"));
    let mut two = catalog(15);
    two.tables.push(table(100, "on", vec![column("a", "integer")]));
    one.tables.push(table(100, "on", vec![column("a", "integer")]));
    two.indexes.push(index(110, &two.tables[0], "x", "CREATE INDEX x ON public.on USING btree (a)"));
    check(&one, &two, &["DROP INDEX \"public\".\"x\"", "CREATE VIEW \"public\".\"x\" AS\nSELECT 1"], &[]);
    two.indexes.clear();
    two.tables.push(table(400, "x", vec![column("a", "integer")]));
    check(
        &one,
        &two,
        &[],
        &[("table public.x", Reason::HoldsData), ("view public.x", Reason::NeedsWithheld)],
    );
}

/// Text that does not parse is not given to anybody, and nor is what needs it.
#[test]
fn every_statement_is_judged() {
    let mut one = catalog(18);
    one.views.push(view(120, "broken", "SELEC 1"));
    one.views.push(view(140, "upon", "SELECT 1"));
    let upon = one.views[1].clone();
    one.dependencies.extend(reads(&upon, 120));
    check(
        &one,
        &catalog(18),
        &[],
        &[("view public.broken", Reason::NoStatement), ("view public.upon", Reason::NeedsWithheld)],
    );
}

#[test]
fn what_holds_a_password_is_not_printed() {
    use crate::schema::model::printed::Printed;
    let mapping = |options: &str| {
        let mut made = catalog(15);
        made.printed.push(Printed {
            address: crate::schema::model::Address::new(1418, 70),
            kind: crate::schema::model::printed::Kind::UserMapping,
            schema: None,
            name: "public".into(),
            statements: vec![printed(&format!(
                "CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS ({options})"
            ))],
            table: None,
            within: Some((crate::schema::model::Address::new(class::FOREIGN_SERVER, 71), "s".into())),
            role: None,
            superuser: false,
        });
        made
    };
    let (one, two) = (mapping("password 'hunter2'"), mapping("password 'hunter3'"));
    let name = "user mapping public on server s";
    check(&one, &two, &[], &[(name, Reason::Secret)]);
    check(&one, &catalog(15), &[], &[(name, Reason::Secret)]);
    let diff = compare(&one, &two, Scope::ALL);
    let shown = serde_json::to_string(&diff.differences).unwrap();
    assert!(!diff.differences.is_empty() && !shown.contains("hunter"), "{shown}");
}
