//! What both sides have otherwise: altered where there is a safe statement, made anew where the object is only its text.

use super::removed::with_dependents;
use super::work::Work;
use super::{Reason, column, database, hung, printed, relation, routine, types};
use crate::schema::diff::member::{Aspect, Member, MemberChange};
use crate::schema::diff::object::{Kind, Object};

/// Whether an object is to be dropped and made again. Says so if that is needed and cannot be.
pub(super) fn choose(object: &Object, members: &[MemberChange], work: &mut Work<'_>) {
    for MemberChange { member, source, .. } in members {
        let anew = match (object.kind, member.aspect) {
            (
                Kind::Trigger | Kind::Rule | Kind::Statistics | Kind::EventTrigger | Kind::Collation,
                Aspect::Definition,
            )
            | (Kind::ForeignDataWrapper | Kind::ForeignServer | Kind::PublicationEntry, Aspect::Definition)
            | (Kind::Policy, Aspect::Permissive | Aspect::Command)
            | (Kind::Function | Kind::Procedure, Aspect::Arguments | Aspect::Returns) => true,
            // ALTER POLICY gives an expression and takes none away.
            (Kind::Policy, Aspect::Using | Aspect::Check) => source.is_none(),
            (Kind::Aggregate, aspect) => is_own(aspect),
            (Kind::Index, Aspect::Definition) => relation::index_anew(object, member, work),
            (Kind::Constraint | Kind::DomainConstraint, Aspect::Definition) => {
                relation::constraint_anew(object, member, work)
            }
            (Kind::View, Aspect::Query | Aspect::Option) => !relation::is_replaceable(object, work),
            (Kind::Type, _) => types::is_anew(object, member.aspect, work),
            _ => false,
        };
        if anew {
            make_anew(object, member, work);
        }
    }
}

fn make_anew(object: &Object, member: &Member, work: &mut Work<'_>) {
    match with_dependents(object, work) {
        Ok(objects) => work.remade.extend(objects),
        Err(user) => {
            let text = format!("it would have to be dropped and made again, and {user} needs it");
            work.withhold(object, Some(member), Reason::NeededByOthers, text);
        }
    }
}

/// Whether a member is the object's own, rather than hung on it.
fn is_own(aspect: Aspect) -> bool {
    !matches!(aspect, Aspect::Owner | Aspect::Privileges | Aspect::Comment | Aspect::DependsOnExtension)
}

/// The statements for an object that is not made anew.
pub(super) fn alter(object: &Object, members: &[MemberChange], work: &mut Work<'_>) {
    let own: Vec<&MemberChange> = members.iter().filter(|change| is_own(change.member.aspect)).collect();
    if !own.is_empty() {
        match object.kind {
            Kind::Database => database::alter(object, &own, work),
            Kind::Column => column::alter(object, &own, work),
            Kind::Table => relation::alter_table(object, &own, work),
            Kind::View => relation::alter_view(object, work),
            Kind::MaterializedView => relation::alter_materialized_view(object, &own, work),
            Kind::Index => relation::alter_index(object, &own, work),
            Kind::Constraint => relation::alter_constraint(object, &own, work),
            Kind::Type => types::alter(object, &own, work),
            Kind::Sequence => types::alter_sequence(object, &own, work),
            Kind::Function | Kind::Procedure => routine::alter(object, work),
            Kind::Trigger | Kind::Rule | Kind::Policy => routine::alter_hung(object, &own, work),
            Kind::Publication => printed::alter_publication(object, &own, work),
            Kind::UserMapping => {
                work.withhold(object, None, Reason::Secret, "its options may hold a password");
            }
            Kind::Subscription => {
                work.withhold(
                    object,
                    None,
                    Reason::Secret,
                    "it acts on another server, and may hold a password",
                );
            }
            Kind::Extension => {
                let text = "not every extension can be moved to another schema";
                work.withhold(object, None, Reason::NoStatement, text);
            }
            _ => {}
        }
    }
    hung::alter(object, members, work);
}
