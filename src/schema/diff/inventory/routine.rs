//! Functions, procedures and aggregates; the server prints a function whole, so its text is taken apart here.

use super::Inventory;
use crate::schema::diff::member::{Aspect, Members, Value};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::function::{Aggregate, AggregateKind, Function, Transition};
use crate::schema::model::{Address, Catalog, class};
use crate::schema::parse;

pub(super) fn read(catalog: &Catalog, to: &mut Inventory) {
    for Function {
        oid,
        name,
        arguments,
        procedure,
        language,
        for_superusers: _,
        ambiguous: _,
        definition,
        // In the definition.
        declaration: _,
        settings: _,
        depends_on_extensions,
    } in &catalog.functions
    {
        let kind = if *procedure { Kind::Procedure } else { Kind::Function };
        let types = text::types_of(arguments.as_str());
        let mut members = Members::default();
        members.plain(Aspect::Language, language);
        let parts = Parts::of(definition.as_str());
        members.put(Aspect::Arguments, Value::Sql(parts.arguments));
        if !parts.returns.is_empty() {
            members.put(Aspect::Returns, Value::Sql(parts.returns));
        }
        members.put(Aspect::Attributes, Value::Sql(parts.attributes));
        let body = if parts.printed { Value::Sql(parts.body) } else { Value::Plain(parts.body) };
        members.put(Aspect::Body, body);
        for extension in depends_on_extensions {
            members.one_of(
                Aspect::DependsOnExtension,
                text::plain(extension.as_str()),
                Value::Plain("yes".into()),
            );
        }
        let object = Object { arguments: Some(types), ..Object::named(kind, name) };
        to.add(object, Address::new(class::FUNCTION, *oid), members, Vec::new());
    }
    for aggregate in &catalog.aggregates {
        let types = text::types_of(aggregate.identity_arguments.as_str());
        let object = Object { arguments: Some(types), ..Object::named(Kind::Aggregate, &aggregate.name) };
        to.add(object, Address::new(class::FUNCTION, aggregate.oid), of_aggregate(aggregate), Vec::new());
    }
}

/// A function's text, as `pg_get_functiondef` prints it, in its parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// With names, modes and defaults.
    pub arguments: String,
    /// Without the word RETURNS; nothing for a procedure.
    pub returns: String,
    /// What stands between the language and the body.
    pub attributes: String,
    /// As it was written, where it was written as a string; else as it is printed.
    pub body: String,
    /// Whether the body is printed: SQL that was read when the function was made.
    pub printed: bool,
}

impl Parts {
    /// Takes the text apart: `CREATE OR REPLACE FUNCTION name(arguments)\n RETURNS type\n LANGUAGE x\n attributes\nAS
    /// $$body$$`, or with `RETURN expression` or `BEGIN ATOMIC .. END` at the end.
    pub fn of(definition: &str) -> Self {
        Self::found(definition).unwrap_or_else(|| Self { body: definition.to_owned(), ..Self::default() })
    }

    fn found(definition: &str) -> Option<Self> {
        let words = parse::words(definition)?;
        let offset = |at: usize| Some(words.get(at)?.as_ptr() as usize - definition.as_ptr() as usize);
        let between = |from: usize, to: usize| Some(definition.get(from..to)?.trim().to_owned());
        let mut depth = 0_i32;
        let (mut open, mut close, mut returns, mut language, mut body) = (None, None, None, None, None);
        for (at, word) in words.iter().enumerate() {
            let outside = depth == 0 && close.is_some();
            match *word {
                "(" if depth == 0 && open.is_none() => open = Some(at),
                "RETURNS" if outside && returns.is_none() && language.is_none() => returns = Some(at),
                "LANGUAGE" if outside && language.is_none() => language = Some(at),
                "AS" | "RETURN" | "BEGIN" if outside && language.is_some() => {
                    body = Some(at);
                    break;
                }
                _ => {}
            }
            depth += i32::from(*word == "(") - i32::from(*word == ")");
            if *word == ")" && depth == 0 && close.is_none() {
                close = Some(at);
            }
        }
        let (open, close, language, body) = (open?, close?, language?, body?);
        let returned = match returns {
            Some(at) => between(offset(at)? + "RETURNS".len(), offset(language)?)?,
            None => String::new(),
        };
        let text = definition.get(offset(body)?..)?;
        Some(Self {
            arguments: between(offset(open)? + 1, offset(close)?)?,
            returns: returned,
            attributes: match words.get(language + 2) {
                Some(_) if language + 2 < body => between(offset(language + 2)?, offset(body)?)?,
                _ => String::new(),
            },
            body: written(text).unwrap_or(text).trim_end_matches('\n').to_owned(),
            printed: written(text).is_none(),
        })
    }
}

/// What is between the dollar quotes of `AS $tag$..$tag$`.
fn written(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix("AS $")?;
    let (tag, rest) = quoted.split_once('$')?;
    let (body, _) = rest.rsplit_once(&format!("${tag}$"))?;
    Some(body)
}

fn of_aggregate(aggregate: &Aggregate) -> Members {
    let Aggregate {
        oid: _,
        name: _,
        arguments,
        identity_arguments: _,
        kind,
        parallel,
        plain,
        moving,
        combine,
        serialize,
        deserialize,
        sort_operator,
    } = aggregate;
    let mut members = Members::default();
    members.sql(Aspect::Arguments, arguments);
    members.plain(
        Aspect::Form,
        match kind {
            AggregateKind::Normal => "normal",
            AggregateKind::OrderedSet => "ordered-set",
            AggregateKind::HypotheticalSet => "hypothetical-set",
        },
    );
    members.one_of(Aspect::Option, "parallel", Value::Plain(parallel.to_string()));
    for (of, value) in [
        ("combinefunc", combine),
        ("serialfunc", serialize),
        ("deserialfunc", deserialize),
        ("sortop", sort_operator),
    ] {
        if let Some(value) = value {
            members.one_of(Aspect::Option, of, Value::Sql(value.as_str().to_owned()));
        }
    }
    transition("", plain, &mut members);
    if let Some(moving) = moving {
        transition("m", moving, &mut members);
    }
    members
}

fn transition(prefix: &str, transition: &Transition, members: &mut Members) {
    let Transition {
        function,
        inverse,
        state_type,
        state_space,
        initial,
        final_function,
        final_extra,
        final_modify,
    } = transition;
    let mut put = |of: &str, value| members.one_of(Aspect::Option, format!("{prefix}{of}"), value);
    let sql = |text: &crate::pg::Sql| Value::Sql(text.as_str().to_owned());
    put("sfunc", sql(function));
    put("stype", sql(state_type));
    put("sspace", Value::Plain(state_space.to_string()));
    put("finalfunc_extra", Value::Plain(final_extra.to_string()));
    put("finalfunc_modify", Value::Plain(final_modify.to_string()));
    if let Some(inverse) = inverse {
        put("invfunc", sql(inverse));
    }
    if let Some(function) = final_function {
        put("finalfunc", sql(function));
    }
    if let Some(initial) = initial {
        put("initcond", Value::Plain(initial.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::Parts;

    fn check(definition: &str, [arguments, returns, attributes, body]: [&str; 4]) {
        let expected = Parts {
            arguments: arguments.to_owned(),
            returns: returns.to_owned(),
            attributes: attributes.to_owned(),
            body: body.to_owned(),
            printed: body.starts_with("BEGIN ATOMIC") || body.starts_with("RETURN ("),
        };
        assert_eq!(Parts::of(definition), expected, "{definition}");
    }

    #[test]
    fn a_function_is_taken_apart() {
        check(
            "CREATE OR REPLACE FUNCTION \"s\".\"f\"(\"a\" numeric(10,2) DEFAULT f(1), OUT \"b\" text)\n RETURNS TABLE(\"x\" integer)\n LANGUAGE plpgsql\n STABLE COST 5\n SET search_path TO 'AS', 'b'\nAS $function$\nBEGIN RETURN; END $$ x $$\n$function$\n",
            [
                "\"a\" numeric(10,2) DEFAULT f(1), OUT \"b\" text",
                "TABLE(\"x\" integer)",
                "STABLE COST 5\n SET search_path TO 'AS', 'b'",
                "\nBEGIN RETURN; END $$ x $$",
            ],
        );
        check(
            "CREATE OR REPLACE PROCEDURE s.p()\n LANGUAGE sql\nBEGIN ATOMIC\n SELECT 1;\nEND\n",
            ["", "", "", "BEGIN ATOMIC\n SELECT 1;\nEND"],
        );
        check(
            "CREATE OR REPLACE FUNCTION s.r(integer)\n RETURNS integer\n LANGUAGE sql\n IMMUTABLE\nRETURN ($1 + 1)\n",
            ["integer", "integer", "IMMUTABLE", "RETURN ($1 + 1)"],
        );
        check("no function", ["", "", "", "no function"]);
    }
}
