//! What two catalogs differ in, and what they do not.

use super::note::What;
use super::sample::{
    catalog, column, constraint, default, enumeration, index, name, not_null, printed, table, view,
};
use super::{Change, Diff, Scope, compare};
use crate::pg::{Ident, Sql};
use crate::schema::model::comment::Comment;
use crate::schema::model::constraint::Kind;
use crate::schema::model::extension::Extension;
use crate::schema::model::privilege::{Grant, Grantee, Grantor, Owner, Privilege};
use crate::schema::model::relation::Partition;
use crate::schema::model::{Address, Catalog, class};

/// A line for each difference: the mark, the object, and for each member `name: as it is -> as it should be`.
fn lines(diff: &Diff) -> Vec<String> {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let line = |difference: &super::Difference| match &difference.change {
        Change::Added => vec![format!("+ {}", difference.object)],
        Change::Removed => vec![format!("- {}", difference.object)],
        Change::Changed { members } => members
            .iter()
            .map(|change| {
                let of = change.member.of.as_ref().map(|of| format!("({of})")).unwrap_or_default();
                let (is, should) = (shown(&change.destination), shown(&change.source));
                format!("~ {} {}{of}: {is} -> {should}", difference.object, change.member.aspect.words())
            })
            .collect(),
    };
    diff.differences.iter().flat_map(line).collect()
}

fn check(source: &Catalog, destination: &Catalog, expected: &[&str]) {
    assert_eq!(lines(&compare(source, destination, Scope::ALL)), expected);
    assert_eq!(lines(&compare(source, source, Scope::ALL)), [] as [&str; 0]);
    assert_eq!(lines(&compare(destination, destination, Scope::ALL)), [] as [&str; 0]);
}

#[test]
fn numbers_and_orders_are_no_difference() {
    let (mut one, mut two) = (catalog(15), catalog(18));
    one.tables.push(table(100, "t", vec![column("a", "integer"), column("b", "text")]));
    two.tables.push(table(900, "t", vec![column("b", "text"), column("a", "integer")]));
    check(&one, &two, &[]);
    let notes = compare(&one, &two, Scope::ALL).notes;
    let order = |names: [&str; 2]| names.map(Ident::from).to_vec();
    let expected = What::ColumnOrder { source: order(["a", "b"]), destination: order(["b", "a"]) };
    assert_eq!(notes.into_iter().map(|note| note.what).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_column_is_compared_member_by_member() {
    let (mut one, mut two) = (catalog(15), catalog(15));
    let mut wanted = column("a", "\"public\".\"mood\"");
    wanted.default = default(7, "'x'::\"public\".\"mood\"");
    wanted.not_null = not_null(None);
    wanted.storage = Some("external");
    wanted.options = vec!["n_distinct=5".to_owned()];
    one.tables.push(table(100, "t", vec![wanted, column("new", "text")]));
    let mut actual = column("a", "text");
    actual.collation = Some(crate::pg::QualifiedName::new("pg_catalog", "C"));
    two.tables.push(table(100, "t", vec![actual, column("old", "text")]));
    check(
        &one,
        &two,
        &[
            "~ column public.t.a type: text -> public.mood",
            "~ column public.t.a collation: pg_catalog.\"C\" -> -",
            "~ column public.t.a not null: - -> yes",
            "~ column public.t.a default: - -> 'x'::public.mood",
            "~ column public.t.a storage: - -> external",
            "~ column public.t.a option(n_distinct): - -> 5",
            "+ column public.t.new",
            "- column public.t.old",
        ],
    );
}

#[test]
fn the_name_of_a_not_null_counts_where_both_servers_know_one() {
    let with = |major, named| {
        let mut made = catalog(major);
        let column =
            crate::schema::model::column::Column { not_null: not_null(named), ..column("a", "text") };
        made.tables.push(table(100, "t", vec![column]));
        made
    };
    check(&with(15, None), &with(18, Some((5, "t_a_not_null"))), &[]);
    check(&with(18, Some((5, "t_a_not_null"))), &with(18, Some((9, "t_a_not_null"))), &[]);
    check(
        &with(18, Some((5, "mine"))),
        &with(18, Some((5, "t_a_not_null"))),
        &["~ column public.t.a not null name: t_a_not_null -> mine"],
    );
}

#[test]
fn a_view_is_its_query_however_it_is_printed() {
    let with = |major, query| {
        let mut made = catalog(major);
        made.views.push(view(100, "v", query));
        made
    };
    check(
        &with(15, "SELECT \"t\".\"a\" FROM \"public\".\"t\""),
        &with(18, "SELECT \"a\" FROM \"public\".\"t\""),
        &[],
    );
    check(
        &with(15, "SELECT \"t\".\"a\" FROM \"public\".\"t\""),
        &with(18, "SELECT \"b\" FROM \"public\".\"t\""),
        &["~ view public.v query: SELECT b FROM public.t -> SELECT t.a FROM public.t"],
    );
}

#[test]
fn what_comes_with_a_table_is_implied() {
    let (mut one, two) = (catalog(15), catalog(15));
    let made = table(100, "t", vec![column("a", "integer")]);
    one.indexes.push(index(110, &made, "t_a", "CREATE INDEX t_a ON public.t USING btree (a)"));
    one.constraints.push(constraint(120, &made, "positive", Kind::Check, "CHECK ((a > 0))"));
    one.tables.push(made);
    check(&one, &two, &["+ table public.t"]);
    check(&two, &one, &["- table public.t"]);
    let implied: Vec<String> =
        compare(&one, &two, Scope::ALL).implied.iter().map(|implied| implied.object.to_string()).collect();
    assert_eq!(implied, ["column public.t.a", "constraint positive on public.t", "index public.t_a on t"]);
}

/// A partitioned table and its partition: what the partition has of its parent is said of the parent.
#[test]
fn a_partition_repeats_nothing_of_its_parent() {
    let with = |columns: &[&str], type_name: &str, check: &str| {
        let mut made = catalog(15);
        let columns = || columns.iter().map(|name| column(name, type_name)).collect();
        let mut parent = table(100, "p", columns());
        parent.partitioned = true;
        let mut child = table(200, "p1", columns());
        child.partition_of = Some(Partition { parent: 100, bound: printed("DEFAULT") });
        made.constraints.push(constraint(300, &parent, "c", Kind::Check, check));
        let mut inherited = constraint(301, &child, "c", Kind::Check, check);
        inherited.is_local = false;
        made.constraints.push(inherited);
        made.tables.extend([parent, child]);
        made
    };
    check(
        &with(&["a", "b"], "bigint", "CHECK ((a > 1))"),
        &with(&["a"], "integer", "CHECK ((a > 0))"),
        &[
            "~ column public.p.a type: integer -> bigint",
            "+ column public.p.b",
            "~ constraint c on public.p definition: CHECK ((a > 0)) -> CHECK ((a > 1))",
        ],
    );
}

#[test]
fn enum_values_and_comments_and_owners_and_settings() {
    let (mut one, mut two) = (catalog(15), catalog(15));
    one.types.push(enumeration(100, "mood", &["sad", "it's", "ok"]));
    two.types.push(enumeration(200, "mood", &["sad", "ok"]));
    let comment = |oid, text: &str| Comment {
        of: Address::new(class::TYPE, oid),
        subject: Sql::fixed("TYPE public.mood"),
        text: text.to_owned(),
    };
    one.comments.push(comment(100, "how"));
    two.comments.push(comment(200, "why"));
    let owner = |oid, owner: &str| Owner {
        of: Address::new(class::TYPE, oid),
        subject: Sql::fixed("TYPE public.mood"),
        owner: Ident::from(owner),
    };
    one.owners.push(owner(100, "me"));
    two.owners.push(owner(200, "you"));
    one.database.connection_limit = 5;
    two.database.encoding = "LATIN1".to_owned();
    one.database.name = Ident::from("one");
    check(
        &one,
        &two,
        &[
            "~ database encoding: LATIN1 -> UTF8",
            "~ database connection limit: - -> 5",
            "~ type public.mood values: 'sad', 'ok' -> 'sad', 'it''s', 'ok'",
            "~ type public.mood owner: you -> me",
            "~ type public.mood comment: why -> how",
        ],
    );
    let without = Scope { owners: false, privileges: true };
    assert!(!lines(&compare(&one, &two, without)).iter().any(|line| line.contains("owner")));
}

fn privilege(kinds: usize, was: &[&str], is: &[&str]) -> Privilege {
    let grants = |words: &[&str]| {
        let grant = |word: &&str| Grant {
            grantor: Grantor::Owner,
            grantee: Grantee::Role(Ident::from("alice")),
            privilege: (*word).to_owned(),
            grantable: false,
        };
        words.iter().map(grant).collect()
    };
    Privilege {
        of: Address::new(class::RELATION, 100),
        subject: Sql::fixed("TABLE public.t"),
        column: None,
        owner: Ident::from("me"),
        kinds,
        was: grants(was),
        is: grants(is),
    }
}

#[test]
fn a_privilege_that_one_server_does_not_know_is_no_difference() {
    let all = ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"];
    let with = |major, privilege| {
        let mut made = catalog(major);
        made.tables.push(table(100, "t", Vec::new()));
        made.privileges.push(privilege);
        made
    };
    let (old, new) = (with(15, privilege(7, &[], &all[..7])), with(18, privilege(8, &[], &all)));
    check(&old, &new, &[]);
    check(&old, &with(18, privilege(8, &[], &all[..7])), &[]);
    check(
        &with(17, privilege(8, &[], &all[7..])),
        &with(18, privilege(8, &all[7..], &[])),
        &["~ table public.t privileges(alice): none -> MAINTAIN"],
    );
    check(
        &new,
        &with(18, privilege(8, &[], &["UPDATE", "SELECT"])),
        &["~ table public.t privileges(alice): SELECT, UPDATE -> ALL"],
    );
}

/// Of schema public both sides are read whole: another owner, and privileges for all of which one version begins with more.
#[test]
fn schema_public_is_the_same_whatever_it_began_with() {
    let with = |major, owner: &str, began: &[(&str, &str)], is: &[(&str, &str)]| {
        let grants = |list: &[(&str, &str)], by_owner: bool| {
            let grant = |(grantee, privilege): &(&str, &str)| Grant {
                grantor: if by_owner { Grantor::Owner } else { Grantor::Role(Ident::from("initial")) },
                grantee: match *grantee {
                    "public" => Grantee::Everyone,
                    role => Grantee::Role(Ident::from(role)),
                },
                privilege: (*privilege).to_owned(),
                grantable: false,
            };
            list.iter().map(grant).collect()
        };
        let mut made = catalog(major);
        let name = Ident::from("public");
        let schema = crate::schema::model::namespace::Namespace {
            oid: 2200,
            name,
            owner: Ident::from(owner),
            comment: None,
        };
        made.namespaces.push(schema);
        made.privileges.push(Privilege {
            of: Address::new(class::SCHEMA, 2200),
            subject: Sql::fixed("SCHEMA public"),
            column: None,
            owner: Ident::from(owner),
            kinds: 2,
            was: grants(began, major < 15),
            is: grants(is, true),
        });
        made
    };
    let all = |owner| [(owner, "USAGE"), (owner, "CREATE"), ("public", "USAGE"), ("public", "CREATE")];
    let old = with(14, "postgres", &all("postgres"), &all("postgres"));
    let began = [("initial", "USAGE"), ("initial", "CREATE"), ("public", "USAGE")];
    check(&old, &with(18, "postgres", &began, &all("postgres")), &[]);
    check(
        &old,
        &with(18, "postgres", &began, &all("postgres")[..3]),
        &["~ schema public privileges(public): USAGE -> ALL"],
    );
    check(
        &with(18, "postgres", &began, &all("postgres")[1..2]),
        &old,
        &[
            "~ schema public privileges(postgres): - -> CREATE",
            "~ schema public privileges(public): ALL -> -",
        ],
    );
    check(
        &with(18, "postgres", &began, &all("postgres")[2..]),
        &old,
        &["~ schema public privileges(postgres): - -> none"],
    );
    let without = Scope { owners: false, privileges: true };
    let other = with(18, "pg_database_owner", &began, &all("pg_database_owner"));
    assert_eq!(lines(&compare(&old, &other, without)), [] as [&str; 0]);
}

#[test]
fn versions_of_extensions_and_broken_indexes_are_notes() {
    let with = |version: &str, valid| {
        let mut made = catalog(15);
        made.extensions.push(Extension {
            oid: 50,
            name: Ident::from("pg_trgm"),
            version: version.to_owned(),
            schema: Ident::from("public"),
            brings_schema: false,
            sequences: Vec::new(),
            hidden_sequences: Vec::new(),
            members: Vec::new(),
        });
        let on = table(100, "t", vec![column("a", "text")]);
        let mut broken = index(110, &on, "broken", "CREATE INDEX broken ON public.t USING btree (a)");
        broken.valid = valid;
        made.indexes.push(broken);
        made.tables.push(on);
        made
    };
    check(&with("1.6", false), &with("1.5", true), &["- index public.broken on t"]);
    let notes = compare(&with("1.6", false), &with("1.5", true), Scope::ALL).notes;
    let texts: Vec<String> = notes.iter().map(super::note::Note::text).collect();
    assert_eq!(
        texts,
        [
            "extension pg_trgm: version 1.5, and 1.6 on the source",
            "index public.broken on t: not valid on the source, so it counts as none",
        ]
    );
}

#[test]
fn names_are_what_they_are() {
    let (mut one, mut two) = (catalog(15), catalog(15));
    one.tables.push(table(100, "T", Vec::new()));
    two.tables.push(table(100, "t", Vec::new()));
    check(&one, &two, &["+ table public.\"T\"", "- table public.t"]);
    assert_eq!(name("t").to_string(), "public.t");
}
