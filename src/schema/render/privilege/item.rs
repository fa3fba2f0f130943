//! Privileges item by item: what one grantor has granted to one grantee. Two lists of them, compared, are the
//! statements that turn the one into the other.

use std::collections::BTreeMap;

use crate::pg::{Ident, Sql};
use crate::schema::model::privilege::{Grant, Grantee, Grantor};
use crate::schema::options::Options;
use crate::schema::render::privilege::missing::Missing;
use crate::schema::render::privilege::word::Words;
use crate::sql;

/// What one grantor has granted to one grantee, in the order in which the catalog holds it.
#[derive(Debug, PartialEq, Eq)]
struct Item<'a> {
    grantor: &'a Grantor,
    grantee: &'a Grantee,
    /// Without and with grant option.
    plain: Vec<&'a str>,
    grantable: Vec<&'a str>,
}

fn items(grants: &[Grant]) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    for grant in grants {
        let known = items
            .iter()
            .position(|item| *item.grantor == grant.grantor && *item.grantee == grant.grantee)
            .unwrap_or_else(|| {
                let (grantor, grantee) = (&grant.grantor, &grant.grantee);
                items.push(Item { grantor, grantee, plain: Vec::new(), grantable: Vec::new() });
                items.len() - 1
            });
        if let Some(item) = items.get_mut(known) {
            let side = if grant.grantable { &mut item.grantable } else { &mut item.plain };
            side.push(&grant.privilege);
        }
    }
    items
}

/// Statements that turn one list of grants into another.
#[derive(Default)]
pub(super) struct Statements {
    /// What the owner takes and gives.
    pub(super) by_owner: Vec<Sql>,
    /// What others give on, in their names; may fail where a grantor cannot reach the object.
    pub(super) by_others: Vec<Sql>,
}

/// REVOKEs first, then GRANTs so that nobody grants what they do not have yet. `enter` is given a grantor who is not the
/// owner, and its statements, and gives them back in what lets it reach the object.
pub(super) fn between(
    was: &[Grant],
    is: &[Grant],
    words: &Words<'_>,
    options: &Options,
    missing: &mut Missing,
    enter: impl Fn(&Ident, Vec<Sql>) -> Vec<Sql>,
) -> Statements {
    let (was, is) = (items(was), items(is));
    let mut made = Statements::default();
    for item in was.iter().filter(|item| !is.contains(item)) {
        let Some(grantee) = missing.grantee(item.grantee, options) else { continue };
        let all: Vec<&str> = item.plain.iter().chain(&item.grantable).copied().collect();
        made.by_owner.push(words.revoke(&all, &grantee));
    }
    let mut granted: Vec<&Item<'_>> = is.iter().filter(|item| !was.contains(item)).collect();
    // A grantor's own privileges come first; the sort is stable, so the catalog's order stays within each rank.
    let ranks = distances(&is);
    granted.sort_by_key(|item| ranks.get(&key(item.grantor)).copied().unwrap_or(usize::MAX));
    for item in granted {
        let Some(grantee) = missing.grantee(item.grantee, options) else { continue };
        let grants = [(&item.plain, false), (&item.grantable, true)].into_iter();
        let grants = grants
            .filter(|(privileges, _)| !privileges.is_empty())
            .map(|(privileges, grantable)| words.grant(privileges, &grantee, grantable));
        match item.grantor {
            Grantor::Owner => made.by_owner.extend(grants),
            Grantor::Role(role) if options.role.as_ref() == Some(role) => made.by_others.extend(grants),
            Grantor::Role(role) => {
                if !missing.can_grant(role, options) {
                    continue;
                }
                let set = std::iter::once(sql!("SET ROLE {role}", role = role));
                let as_the_role = set.chain(grants).chain([Sql::fixed("RESET ROLE")]).collect();
                made.by_others.extend(enter(role, as_the_role));
            }
        }
    }
    made
}

fn key(grantor: &Grantor) -> Option<&str> {
    match grantor {
        Grantor::Owner => None,
        Grantor::Role(role) => Some(role.as_str()),
    }
}

/// How many hands each grantor is away from the owner.
fn distances<'a>(items: &[Item<'a>]) -> BTreeMap<Option<&'a str>, usize> {
    let mut distances = BTreeMap::from([(None, 0)]);
    for round in 1..=items.len() {
        for item in items {
            let from = distances.get(&key(item.grantor)).copied();
            if let (Some(from), Grantee::Role(role)) = (from, item.grantee)
                && from < round
                && !item.grantable.is_empty()
            {
                distances.entry(Some(role.as_str())).or_insert(from + 1);
            }
        }
    }
    distances
}
