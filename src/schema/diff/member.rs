//! What of an object is compared: its members, each with a word for it and a value that can be shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::text;
use crate::pg::Sql;

/// The members that any object can have. The words are part of the `--json` contract (`docs/diff.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// What sort of table or type it is.
    Form,
    Type,
    Collation,
    NotNull,
    /// The name of the constraint behind NOT NULL: from PostgreSQL 18 on, of domains from 17 on.
    NotNullName,
    Default,
    Generated,
    Identity,
    /// The name of an identity column's sequence.
    SequenceName,
    Start,
    Increment,
    Minimum,
    Maximum,
    Cache,
    Cycle,
    OwnedBy,
    Storage,
    Compression,
    Statistics,
    Unlogged,
    Server,
    ForeignOptions,
    OfType,
    AccessMethod,
    Tablespace,
    Inherits,
    PartitionOf,
    Bound,
    PartitionKey,
    ReplicaIdentity,
    RowSecurity,
    ForcedRowSecurity,
    /// The state of a partition's copy of its parent's trigger, where it is not the parent's.
    TriggerState,
    Definition,
    Valid,
    AttachedTo,
    Clustered,
    /// The index of a constraint, where it has another name.
    Index,
    Query,
    Arguments,
    Returns,
    Language,
    /// Volatility, cost, security, settings of a function.
    Attributes,
    Body,
    Values,
    State,
    Permissive,
    Command,
    Roles,
    Using,
    Check,
    Schema,
    Encoding,
    LocaleProvider,
    Collate,
    Ctype,
    Locale,
    IcuRules,
    ConnectionLimit,
    Template,
    Setting,
    /// A storage parameter or the like: `name=value` of the catalog.
    Option,
    DependsOnExtension,
    Owner,
    Privileges,
    Comment,
}

impl Aspect {
    /// As people call it.
    pub fn words(self) -> String {
        let word = serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned));
        word.unwrap_or_default().replace('_', " ")
    }

    /// Whether it is a fact that only some versions know, so that nothing can be said where one side has none.
    fn only_if_both(self) -> bool {
        matches!(self, Self::NotNullName)
    }
}

/// A member of an object: an aspect and, where an object has several of it, of what: a grantee, an option's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Member {
    #[serde(rename = "member")]
    pub aspect: Aspect,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// A member's value.
#[derive(Clone, Debug)]
pub enum Value {
    Plain(String),
    /// Printed by a server: compared as [`text::same`] does.
    Sql(String),
    /// A view's query: compared as [`text::same_query`] does.
    Query(String),
    /// Compared and never shown: it may hold a password.
    Secret(String),
}

impl Value {
    /// For people and programs.
    pub fn shown(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Sql(text) | Self::Query(text) => text::plain(text),
            Self::Secret(_) => "(not shown)".to_owned(),
        }
    }

    /// Whether both mean the same, however their servers print it.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(two)) | (Self::Secret(one), Self::Secret(two)) => one == two,
            (Self::Query(one), Self::Query(two)) => text::same_query(one, two),
            (Self::Sql(one), Self::Sql(two)) => text::same(one, two),
            _ => false,
        }
    }
}

/// All that is compared of one object.
#[derive(Clone, Debug, Default)]
pub struct Members(BTreeMap<Member, Value>);

impl Members {
    /// Takes in a value.
    pub fn put(&mut self, aspect: Aspect, value: Value) {
        self.0.insert(Member { aspect, of: None }, value);
    }

    /// Takes in plain text.
    pub fn plain(&mut self, aspect: Aspect, value: impl ToString) {
        self.put(aspect, Value::Plain(value.to_string()));
    }

    /// Takes in what a server printed.
    pub fn sql(&mut self, aspect: Aspect, value: &Sql) {
        self.put(aspect, Value::Sql(value.as_str().to_owned()));
    }

    /// Takes in one of several values of an aspect.
    pub fn one_of(&mut self, aspect: Aspect, of: impl Into<String>, value: Value) {
        self.0.insert(Member { aspect, of: Some(of.into()) }, value);
    }

    /// Takes in a fact that is only worth a word where it holds.
    pub fn flag(&mut self, aspect: Aspect, holds: bool) {
        if holds {
            self.plain(aspect, "yes");
        }
    }

    /// Takes in `name=value` items, each as a member.
    pub fn options(&mut self, options: &[String]) {
        for option in options {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            self.one_of(Aspect::Option, name, Value::Plain(value.to_owned()));
        }
    }

    /// Takes a member out.
    pub fn forget(&mut self, aspect: Aspect) {
        self.0.remove(&Member { aspect, of: None });
    }

    /// The members that are not the same, in order.
    pub fn changes(source: &Self, destination: &Self) -> Vec<MemberChange> {
        let mut changes = Vec::new();
        let members: std::collections::BTreeSet<&Member> =
            source.0.keys().chain(destination.0.keys()).collect();
        for member in members {
            let (one, two) = (source.0.get(member), destination.0.get(member));
            let same = match (one, two) {
                (Some(one), Some(two)) => one.same(two),
                _ => member.aspect.only_if_both(),
            };
            if !same {
                changes.push(MemberChange {
                    member: member.clone(),
                    source: one.map(Value::shown),
                    destination: two.map(Value::shown),
                });
            }
        }
        changes
    }
}

/// A member that both sides' object has otherwise, or that only one side's has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberChange {
    #[serde(flatten)]
    pub member: Member,
    /// As it should be; `None`: it should not be.
    pub source: Option<String>,
    /// As it is; `None`: it is not there.
    pub destination: Option<String>,
}
