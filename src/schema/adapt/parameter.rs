//! Storage parameters that a server may not know: which a catalog has, the statement by which a server tells, and a catalog
//! without those that it refused.

use std::collections::{BTreeSet, HashMap};

use crate::pg::{Ident, Sql};
use crate::schema::model::Catalog;
use crate::schema::render::column::parameters;
use crate::schema::script::Skipped;
use crate::sql;

/// A storage parameter with its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parameter {
    /// The access method of the index that has it; `None` for a table or a materialized view.
    pub method: Option<Ident>,
    /// `name=value`, as the catalog has it.
    pub option: String,
}

/// The access methods of every server, each with the column of a trial that has a default operator class for it.
const METHODS: [(&str, &str); 6] = [
    ("brin", "number"),
    ("btree", "number"),
    ("gin", "words"),
    ("gist", "place"),
    ("hash", "number"),
    ("spgist", "place"),
];

impl Parameter {
    /// Whether it belongs to a method that an extension brings, and which is there only with that.
    pub fn is_of_extension(&self) -> bool {
        self.method.as_ref().is_some_and(|method| METHODS.iter().all(|(name, _)| *name != method.as_str()))
    }

    /// A statement by which a server tells whether it takes the parameter, to be taken back. Of an index the server judges
    /// it before its columns (`DefineIndex`), so that none has to suit a method that is not known here.
    pub fn trial(&self) -> Sql {
        let option = parameters(std::slice::from_ref(&self.option));
        let Some(method) = &self.method else {
            return sql!(
                "CREATE TABLE pg_temp.mbs_tried (text pg_catalog.text) WITH ({option}); DROP TABLE pg_temp.mbs_tried",
                option = option
            );
        };
        let known = METHODS.iter().find(|(name, _)| *name == method.as_str());
        sql!(
            "CREATE TABLE pg_temp.mbs_tried (number pg_catalog.int4, place pg_catalog.point, words pg_catalog.tsvector); \
             CREATE INDEX ON pg_temp.mbs_tried USING {method} ({column}) WITH ({option}); DROP TABLE pg_temp.mbs_tried",
            method = method,
            column = Ident::from(known.map_or("number", |(_, column)| column)),
            option = option
        )
    }

    fn name(&self) -> &str {
        self.option.split('=').next().unwrap_or_default()
    }
}

/// Every storage parameter of a catalog's tables, materialized views and indexes, each once.
pub fn all(catalog: &Catalog) -> BTreeSet<Parameter> {
    let tables =
        catalog.tables.iter().filter(|table| table.access_method.is_none() && table.foreign.is_none());
    let views = catalog.views.iter().filter(|view| view.materialized.is_some());
    let of_relations = tables.flat_map(|table| &table.options).chain(views.flat_map(|view| &view.options));
    let of_relations = of_relations.map(|option| Parameter { method: None, option: option.clone() });
    let of_indexes = catalog.indexes.iter().flat_map(|index| {
        let of = |option: &String| Parameter { method: Some(index.method.clone()), option: option.clone() };
        index.options.iter().map(of)
    });
    of_relations.chain(of_indexes).collect()
}

/// Takes the refused ones, each with the server's reason, out of the catalog; a line for each holder.
pub fn without(catalog: &mut Catalog, refused: &HashMap<Parameter, String>) -> Vec<Skipped> {
    let mut lines = Vec::new();
    if refused.is_empty() {
        return lines;
    }
    let mut lose = |options: &mut Vec<String>, method: Option<&Ident>, of: String| {
        let before = options.len();
        options.retain(|option| {
            let parameter = Parameter { method: method.cloned(), option: option.clone() };
            let Some(why) = refused.get(&parameter) else { return true };
            let object = format!("storage parameter {} of {of}", parameter.name());
            lines.push(Skipped { object, reason: format!("the destination does not take it: {why}") });
            false
        });
        options.len() != before
    };
    for table in &mut catalog.tables {
        lose(&mut table.options, None, format!("table {}", table.name));
    }
    for view in catalog.views.iter_mut().filter(|view| view.materialized.is_some()) {
        lose(&mut view.options, None, format!("materialized view {}", view.name));
    }
    for index in &mut catalog.indexes {
        if !lose(&mut index.options, Some(&index.method), format!("index {}", index.name)) {
            continue;
        }
        if let Some(definition) = &mut index.definition {
            *definition = printed_with(definition, &index.options);
        }
        // Of an exclusion the server prints them with the constraint, too.
        let of_it = catalog.constraints.iter_mut();
        for constraint in of_it.filter(|one| one.excluding && index.constraint == Some(one.oid)) {
            constraint.definition = printed_with(&constraint.definition, &index.options);
        }
    }
    lines
}

/// A definition that a server printed, with these parameters in place of those that it has, if any. They stand in a WITH
/// of their own, outside of all parentheses (`pg_get_indexdef_worker`); an exclusion's operators have theirs inside.
fn printed_with(definition: &Sql, options: &[String]) -> Sql {
    const WORD: &str = " WITH ";
    let text = definition.as_str();
    let (mut depth, mut quoted, mut begun) = (0_usize, None, None);
    for (at, letter) in text.char_indices() {
        match (letter, quoted) {
            ('\'' | '"', None) => quoted = Some(letter),
            (_, Some(quote)) if letter == quote => quoted = None,
            ('(', None) => depth += 1,
            (')', None) => depth = depth.saturating_sub(1),
            (' ', None) if depth == 0 && begun.is_none() => {
                begun = text.get(at..).filter(|rest| rest.starts_with(" WITH (")).map(|_| at);
            }
            _ => {}
        }
        let (')', None, 0, Some(begun)) = (letter, quoted, depth, begun) else { continue };
        let (Some(before), Some(behind)) = (text.get(..begun), text.get(at + 1..)) else { break };
        let mut whole = Sql::printed_by_server(before);
        if !options.is_empty() {
            whole.push_fixed(WORD);
            whole.push(&sql!("({options})", options = parameters(options)));
        }
        whole.push(&Sql::printed_by_server(behind));
        return whole;
    }
    definition.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::diff::sample::{catalog, column, index, table};

    #[test]
    fn a_definition_loses_the_parameters_that_are_refused_and_nothing_that_looks_like_them() {
        let check = |definition: &str, options: &[&str], expected: &str| {
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            assert_eq!(
                printed_with(&Sql::printed_by_server(definition), &options).as_str(),
                expected.replace('@', r#"WITH ("fillfactor" = '60')"#)
            );
        };
        let plain = "CREATE INDEX i ON public.t USING btree (a)";
        check(plain, &[], plain);
        check(&format!("{plain} WITH (gone='on')"), &[], plain);
        check(
            r#"CREATE INDEX " WITH (" ON public.t USING gist (a x_ops (siglen='3'), ((b || ' WITH (it''s)'))) INCLUDE (c) WITH (gone=')', fillfactor='60') TABLESPACE s WHERE (a = ' WITH (x=1)')"#,
            &["fillfactor=60"],
            r#"CREATE INDEX " WITH (" ON public.t USING gist (a x_ops (siglen='3'), ((b || ' WITH (it''s)'))) INCLUDE (c) @ TABLESPACE s WHERE (a = ' WITH (x=1)')"#,
        );
        check(
            "EXCLUDE USING gist (a WITH &&) WITH (gone='1') WHERE ((a > 1)) DEFERRABLE",
            &[],
            "EXCLUDE USING gist (a WITH &&) WHERE ((a > 1)) DEFERRABLE",
        );
        let without = "EXCLUDE USING gist (a WITH &&) WHERE ((a > 1))";
        check(without, &[], without);
    }

    #[test]
    fn each_holder_is_named_and_a_parameter_of_another_method_stays() {
        let mut made = catalog(15);
        let mut holder = table(100, "t", vec![column("a", "integer")]);
        holder.options = vec!["odd=1".to_owned(), "fillfactor=70".to_owned()];
        let of = |oid, name: &str, method: &str| {
            let definition = format!("CREATE INDEX {name} ON t USING {method} (a) WITH (odd='1')");
            let mut made = index(oid, &holder, name, &definition);
            (made.method, made.options) = (Ident::from(method), vec!["odd=1".to_owned()]);
            made
        };
        made.indexes = vec![of(101, "i", "btree"), of(102, "j", "hash")];
        made.tables.push(holder);
        assert_eq!(all(&made).len(), 4);
        let btree = Parameter { method: Some(Ident::from("btree")), option: "odd=1".to_owned() };
        let of_table = Parameter { method: None, ..btree.clone() };
        let refused = [btree, of_table].map(|one| (one, "unknown".to_owned()));

        let lines = without(&mut made, &HashMap::from(refused));

        let objects: Vec<&str> = lines.iter().map(|line| line.object.as_str()).collect();
        assert_eq!(
            objects,
            ["storage parameter odd of table public.t", "storage parameter odd of index public.i"]
        );
        let definitions: Vec<&str> =
            made.indexes.iter().filter_map(|index| Some(index.definition.as_ref()?.as_str())).collect();
        assert_eq!(
            definitions,
            ["CREATE INDEX i ON t USING btree (a)", "CREATE INDEX j ON t USING hash (a) WITH (odd='1')"]
        );
    }

    #[test]
    fn methods_of_extensions_are_told_from_those_of_every_server() {
        let of = |method: &str| Parameter { method: Some(Ident::from(method)), option: "x=1".to_owned() };
        assert!(of("bloom").is_of_extension() && of("hnsw").is_of_extension());
        assert!(!of("spgist").is_of_extension() && !Parameter { method: None, ..of("") }.is_of_extension());
    }
}
