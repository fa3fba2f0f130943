//! Parameters of sequences, a column's own or not: those that take nothing away.

use crate::pg::{QualifiedName, Sql};
use crate::schema::convert::Reason;
use crate::schema::convert::work::Work;
use crate::schema::diff::member::{Aspect, MemberChange};
use crate::schema::diff::object::{Kind, Object};
use crate::schema::model::sequence::Sequence;
use crate::sql;

/// One ALTER SEQUENCE for all that it can take wherever the sequence stands.
pub(in crate::schema::convert) fn sequence_parameters(
    object: &Object,
    source: &Sequence,
    destination: &Sequence,
    changes: &[&MemberChange],
    work: &mut Work<'_>,
) -> Option<Sql> {
    let mut parts = Vec::new();
    for change in changes {
        let narrower = match change.member.aspect {
            Aspect::Start => {
                parts.push(sql!("START WITH {value}", value = source.start));
                false
            }
            Aspect::Increment => {
                parts.push(sql!("INCREMENT BY {value}", value = source.increment));
                false
            }
            Aspect::Cache => {
                parts.push(sql!("CACHE {value}", value = source.cache));
                false
            }
            Aspect::Cycle => {
                parts.push(Sql::fixed(if source.cycle { "CYCLE" } else { "NO CYCLE" }));
                false
            }
            Aspect::Minimum if source.minimum <= destination.minimum => {
                parts.push(sql!("MINVALUE {value}", value = source.minimum));
                false
            }
            Aspect::Maximum if source.maximum >= destination.maximum => {
                parts.push(sql!("MAXVALUE {value}", value = source.maximum));
                false
            }
            Aspect::Type
                if source.maximum >= destination.maximum && source.minimum <= destination.minimum =>
            {
                parts.insert(0, sql!("AS {kind}", kind = source.type_name));
                false
            }
            Aspect::Type | Aspect::Minimum | Aspect::Maximum => true,
            _ => false,
        };
        if narrower && (object.kind == Kind::Sequence || change.member.aspect != Aspect::Type) {
            let text = "its position may lie outside";
            work.withhold(object, Some(&change.member), Reason::RowsMayRefuse, text);
        }
    }
    let name: &QualifiedName = &source.name;
    (!parts.is_empty())
        .then(|| sql!("ALTER SEQUENCE {name} {parts}", name = name, parts = Sql::join(parts, " ")))
}
