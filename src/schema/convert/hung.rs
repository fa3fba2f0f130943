//! Owners, comments, privileges and ties to extensions, of every kind alike.

use std::collections::BTreeMap;

use super::owned::{owning_table, sequences_of};
use super::work::Work;
use super::{Reason, Withheld};
use crate::pg::{Ident, Literal, Sql};
use crate::schema::diff::grants::{Item, Party, items, was_and_is};
use crate::schema::diff::inventory::default_object;
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::diff::text;
use crate::schema::model::privilege::{DefaultPrivilege, Grant, Privilege};
use crate::schema::model::{Address, Catalog, Rank};
use crate::schema::render::privilege::word::Words;
use crate::sql;

/// The statements for what hangs on an object of both sides; of a column that was added, for all that hangs on it.
pub(super) fn alter(object: &Object, members: &[MemberChange], work: &mut Work<'_>) {
    let new_owner = members.iter().find(|change| change.member.aspect == Aspect::Owner);
    let new_owner = new_owner.and_then(|change| change.source.as_deref());
    let has_privileges = members.iter().any(|change| change.member.aspect == Aspect::Privileges);
    let [first, later] =
        if has_privileges { privileges(object, new_owner, work) } else { Default::default() };
    let table = owning_table(object, work);
    let mut statements = Vec::new();
    match (table, work.at_source(object).map(|entry| entry.address.part(Rank::Owner))) {
        // The owner is new with the table's, before which this has to be.
        (Some(_), Some(makes)) => work.alter(object, makes, first),
        _ => statements = first,
    }
    for change in members {
        match change.member.aspect {
            Aspect::Owner => statements.extend(owner(object, change, work)),
            Aspect::Comment => statements.extend(comment(object, change, work)),
            Aspect::DependsOnExtension => statements.extend(tie(object, change, work)),
            _ => {}
        }
    }
    statements.extend(later);
    let entry = work.at_source(object).or_else(|| work.at_destination(object));
    if let Some(entry) = entry {
        let owned: Vec<Address> = sequences_of(entry.address, work)
            .into_iter()
            .map(|sequence| sequence.part(Rank::Owner))
            .collect();
        let makes = entry.address.part(Rank::Grant);
        work.alter(object, makes, statements);
        // It may hang on what comes only now: a column of a view's new query.
        if let Some(piece) = work.pieces.last_mut().filter(|piece| piece.makes == makes) {
            piece.needs.push(entry.address);
            piece.needs.extend(table.map(|table| table.part(Rank::Grant)));
            if object.kind == Kind::Sequence {
                // ALTER SEQUENCE .. OWNED BY NONE lets the sequence have an owner of its own.
                piece.needs.push(entry.address.part(Rank::SequenceOwner));
            }
            piece.needs.extend(owned);
        }
    }
}

fn addresses(object: &Object, work: &Work<'_>) -> [Option<Address>; 2] {
    [work.at_source(object), work.at_destination(object)].map(|entry| entry.map(|entry| entry.address))
}

fn owner(object: &Object, change: &MemberChange, work: &mut Work<'_>) -> Option<Sql> {
    let role = change.source.as_ref()?;
    if !work.options.roles.contains(role) {
        let text = format!("role {} is not on the destination", crate::pg::name::for_people(role));
        work.withhold(object, Some(&change.member), Reason::MissingThere, text);
        return None;
    }
    if owning_table(object, work).is_some() {
        return None;
    }
    let role = Ident::new(role.clone());
    let subject = match object.kind {
        Kind::Database => sql!("DATABASE {name}", name = work.destination.database.name),
        Kind::Schema => sql!("SCHEMA {name}", name = object.name),
        _ => {
            let address = work.at_source(object)?.address;
            work.source.owners.iter().find(|owner| owner.of == address)?.subject.clone()
        }
    };
    Some(sql!("ALTER {subject} OWNER TO {role}", subject = subject, role = role))
}

fn comment(object: &Object, change: &MemberChange, work: &Work<'_>) -> Option<Sql> {
    let of_side = |catalog: &Catalog, address: Option<Address>| {
        let comments = catalog.comments.iter().filter(|comment| match &change.member.of {
            Some(part) => text::plain(comment.subject.as_str()) == *part,
            None => Some(comment.of) == address,
        });
        comments.map(|comment| comment.subject.clone()).next()
    };
    let subject = match object.kind {
        Kind::Database => sql!("DATABASE {name}", name = work.destination.database.name),
        Kind::Schema => sql!("SCHEMA {name}", name = object.name),
        _ => {
            let [one, two] = addresses(object, work);
            of_side(work.source, one).or_else(|| of_side(work.destination, two))?
        }
    };
    Some(match &change.source {
        Some(text) => sql!("COMMENT ON {subject} IS {text}", subject = subject, text = Literal(text)),
        None => sql!("COMMENT ON {subject} IS NULL", subject = subject),
    })
}

/// `ALTER .. DEPENDS ON EXTENSION`.
fn tie(object: &Object, change: &MemberChange, work: &mut Work<'_>) -> Option<Sql> {
    let address = work.at_source(object).map(|entry| entry.address);
    let extension = change.member.of.as_deref().unwrap_or_default();
    if change.source.is_none() {
        work.withhold(
            object,
            Some(&change.member),
            Reason::NoStatement,
            "the tie would be cut: do it by hand",
        );
        return None;
    }
    if matches!(object.kind, Kind::Function | Kind::Procedure) {
        let function =
            work.source.functions.iter().find(|one| Some(one.oid) == address.map(|of| of.object))?;
        let name =
            function.depends_on_extensions.iter().find(|name| text::plain(name.as_str()) == extension)?;
        let (routine, arguments) = (&function.name, &function.arguments);
        return Some(sql!(
            "ALTER ROUTINE {routine}({arguments}) DEPENDS ON EXTENSION {name}",
            routine = routine,
            arguments = arguments,
            name = name
        ));
    }
    let ties = work.source.extension_ties.iter().filter(|tie| Some(tie.of) == address);
    ties.map(|tie| tie.statement.clone())
        .find(|statement| text::plain(statement.as_str()).ends_with(&format!(" EXTENSION {extension}")))
}

/// Privileges of one side: what is granted that a fresh object has not, and the other way round.
struct Side {
    is: BTreeMap<Party, Item>,
    was: BTreeMap<Party, Item>,
}

impl Side {
    fn of(is: &[Grant], was: &[Grant], maintain: bool) -> Self {
        let known = |grants: &[Grant]| {
            let known = grants.iter().filter(|grant| maintain || grant.privilege != "MAINTAIN");
            items(&known.cloned().collect::<Vec<_>>())
        };
        Self { is: known(is), was: known(was) }
    }

    /// What a party has on this side; of what neither side says, nothing.
    fn item(&self, party: &Party, other: &Self) -> Item {
        match (self.is.get(party), self.was.contains_key(party)) {
            (Some(item), _) => item.clone(),
            (None, true) => Item::default(),
            // As on a fresh object, of which the other side tells.
            (None, false) => other.was.get(party).cloned().unwrap_or_default(),
        }
    }
}

/// What comes before an owner that is new, and what after.
fn privileges(object: &Object, new_owner: Option<&str>, work: &mut Work<'_>) -> [Vec<Sql>; 2] {
    let [one, two] = addresses(object, work);
    let maintain = work.source.version.min(work.destination.version).at_least(17);
    let (before, subject, column, kinds, source, destination) = if object.kind == Kind::DefaultPrivileges {
        let find = |catalog: &'_ Catalog| {
            catalog.default_privileges.iter().find(|one| default_object(one) == *object).cloned()
        };
        let (source, destination) = (find(work.source), find(work.destination));
        let Some(any) = source.as_ref().or(destination.as_ref()) else { return Default::default() };
        let side = |one: &Option<DefaultPrivilege>| {
            one.as_ref().map_or(Side::of(&[], &[], maintain), |one| Side::of(&one.is, &one.was, maintain))
        };
        let mut before = sql!("ALTER DEFAULT PRIVILEGES FOR ROLE {role} ", role = any.role);
        if let Some((_, schema)) = &any.schema {
            before.push(&sql!("IN SCHEMA {schema} ", schema = schema));
        }
        let subject = Sql::fixed(any.objects.words());
        (before, subject, None, any.kinds, side(&source), side(&destination))
    } else {
        let find = |catalog: &'_ Catalog, address: Option<Address>| {
            catalog.privileges.iter().find(|one| Some(one.of) == address).cloned()
        };
        let (source, destination) = (find(work.source, one), find(work.destination, two));
        let Some(any) = destination.as_ref().or(source.as_ref()) else { return Default::default() };
        let side = |one: &Option<Privilege>| {
            let (was, is) = one.as_ref().map(was_and_is).unwrap_or_default();
            Side::of(&is, &was, maintain)
        };
        let subject = match object.kind {
            Kind::Database => sql!("DATABASE {name}", name = work.destination.database.name),
            _ => any.subject.clone(),
        };
        (Sql::default(), subject, any.column.clone(), any.kinds, side(&source), side(&destination))
    };
    let kinds = if !maintain && kinds == 8 { kinds - 1 } else { kinds };
    let words = Words { before, subject: &subject, column: column.as_ref(), all: kinds };
    let parties: std::collections::BTreeSet<&Party> =
        [&source.is, &source.was, &destination.is, &destination.was]
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect();
    let [mut first, mut then] = [Between::default(), Between::default()];
    for party in parties {
        let (is, should) = (destination.item(party, &source), source.item(party, &destination));
        // What the new owner was granted becomes a part of what an owner has: taken back later it would be taken of that.
        let merges = new_owner.is_some()
            && party.grantee.as_deref() == new_owner
            && !source.is.contains_key(party)
            && !source.was.contains_key(party);
        if is != should {
            let found = if merges { &mut first } else { &mut then };
            found.item(object, party, &is, &should, &words, work);
        }
    }
    // What was granted on goes first, and comes last.
    [first, then].map(|found| {
        [found.revoked_by_others, found.revoked, found.granted, found.granted_by_others].concat()
    })
}

#[derive(Default)]
struct Between {
    revoked_by_others: Vec<Sql>,
    revoked: Vec<Sql>,
    granted: Vec<Sql>,
    granted_by_others: Vec<Sql>,
}

impl Between {
    fn item(
        &mut self,
        object: &Object,
        party: &Party,
        is: &Item,
        should: &Item,
        words: &Words<'_>,
        work: &mut Work<'_>,
    ) {
        let roles = &work.options.roles;
        let missing =
            [&party.grantor, &party.grantee].into_iter().flatten().find(|role| !roles.contains(*role));
        if let Some(role) = missing {
            let text = format!("role {} is not on the destination", crate::pg::name::for_people(role));
            let member = crate::schema::diff::member::Member {
                aspect: Aspect::Privileges,
                of: Some(party.to_string()),
            };
            let (object, member) = (object.clone(), Some(member));
            work.withheld.push(Withheld { object, member, reason: Reason::MissingThere, text });
            return;
        }
        let grantee = party
            .grantee
            .as_ref()
            .map_or_else(|| Sql::fixed("PUBLIC"), |role| Sql::join([Ident::new(role.clone())], ""));
        let lowered = |privilege: &&String| should.plain.contains(privilege);
        let lost = is.grantable.iter().filter(|one| !should.grantable.contains(one));
        let lost: Vec<&str> = is
            .plain
            .iter()
            .filter(|one| !should.plain.contains(one) && !should.grantable.contains(one))
            .chain(lost)
            .map(String::as_str)
            .collect();
        let plain: Vec<&str> = should
            .plain
            .iter()
            .filter(|one| !is.plain.contains(one) || is.grantable.contains(one) && lowered(one))
            .map(String::as_str)
            .collect();
        let grantable: Vec<&str> =
            should.grantable.iter().filter(|one| !is.grantable.contains(one)).map(String::as_str).collect();
        let revokes = (!lost.is_empty()).then(|| words.revoke(&lost, &grantee));
        let grants = [(plain, false), (grantable, true)]
            .into_iter()
            .filter(|(list, _)| !list.is_empty())
            .map(|(list, option)| words.grant(&list, &grantee, option));
        match &party.grantor {
            None => {
                self.revoked.extend(revokes);
                self.granted.extend(grants);
            }
            Some(role) => {
                let as_grantor = |statements: Vec<Sql>| -> Vec<Sql> {
                    if statements.is_empty() {
                        return statements;
                    }
                    let role = sql!("SET ROLE {role}", role = Ident::new(role.clone()));
                    std::iter::once(role).chain(statements).chain([Sql::fixed("RESET ROLE")]).collect()
                };
                self.revoked_by_others.extend(as_grantor(revokes.into_iter().collect()));
                self.granted_by_others.extend(as_grantor(grants.collect()));
            }
        }
    }
}

/// What is only the destination's is taken back.
pub(super) fn revoke_defaults(object: &Object, work: &mut Work<'_>) {
    let statements = privileges(object, None, work).concat();
    if let Some(entry) = work.at_destination(object) {
        work.alter(object, super::work::dropped(entry.address), statements);
    }
}
