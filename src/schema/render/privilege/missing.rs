//! Roles that the destination does not have, or that ours may not act for there, with what is lost by it.

use std::collections::BTreeMap;

use crate::pg::name::for_people;
use crate::pg::{Ident, Sql};
use crate::schema::model::privilege::Grantee;
use crate::schema::options::{Options, Standing};
use crate::schema::render::Rendering;

/// Gathers what is lost, for one line each role.
#[derive(Default)]
pub(super) struct Missing(BTreeMap<(Ident, Why), Lost>);

/// Why nothing can be done in the name of a role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Absent,
    NotAMember,
}

#[derive(Default)]
struct Lost {
    owned: usize,
    grants: usize,
}

impl Missing {
    /// Whether objects can be given to the role; notes one that cannot.
    pub(super) fn can_own(&mut self, role: &Ident, options: &Options) -> bool {
        self.of(role, options).map(|lost| lost.owned += 1).is_none()
    }

    /// Whether grants can be made in the name of the role; notes one that cannot.
    pub(super) fn can_grant(&mut self, role: &Ident, options: &Options) -> bool {
        self.of(role, options).map(|lost| lost.grants += 1).is_none()
    }

    /// The grantee's name in SQL, or a note that it is not there.
    pub(super) fn grantee(&mut self, grantee: &Grantee, options: &Options) -> Option<Sql> {
        let role = match grantee {
            Grantee::Everyone => return Some(Sql::fixed("PUBLIC")),
            Grantee::Role(role) if options.standing(role) != Standing::Absent => {
                return Some(Sql::join([role], ""));
            }
            Grantee::Role(role) => role.clone(),
            Grantee::Gone(number) => Ident::new(number.clone()),
        };
        self.0.entry((role, Why::Absent)).or_default().grants += 1;
        None
    }

    /// What the role loses; `None` where we can act in its name.
    fn of(&mut self, role: &Ident, options: &Options) -> Option<&mut Lost> {
        let why = match options.standing(role) {
            Standing::Ours => return None,
            Standing::Other => Why::NotAMember,
            Standing::Absent => Why::Absent,
        };
        Some(self.0.entry((role.clone(), why)).or_default())
    }

    pub(super) fn report(self, to: &mut Rendering) {
        for ((role, why), Lost { owned, grants }) in self.0 {
            let why = match why {
                Why::Absent => "not on the destination",
                Why::NotAMember => "our role on the destination is not a member of it",
            };
            let reason =
                format!("{why}: owns {owned} objects and is in {grants} grants that are not made there");
            to.skip(format!("role {}", for_people(role.as_str())), reason);
        }
    }
}
