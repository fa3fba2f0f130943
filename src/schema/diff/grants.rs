//! Privileges item by item: what one grantor has granted to one grantee is an item, as in `pg_dump` and in an ACL.

use std::collections::BTreeMap;
use std::fmt;

use crate::pg::name::for_people;
use crate::schema::model::privilege::{Grant, Grantee, Grantor, Privilege};

/// Who granted to whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// `None`: the owner.
    pub grantor: Option<String>,
    /// `None`: everyone (PUBLIC).
    pub grantee: Option<String>,
}

/// `alice`, `public`, `bob (granted by alice)`.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.grantee.as_deref().map_or_else(|| "public".to_owned(), for_people))?;
        self.grantor.as_deref().map_or(Ok(()), |by| write!(f, " (granted by {})", for_people(by)))
    }
}

/// What was granted, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Without grant option.
    pub plain: Vec<String>,
    pub grantable: Vec<String>,
}

impl Item {
    /// `SELECT, UPDATE; with grant option: INSERT`; all that an object of the kind can have is `ALL`, which is not as many
    /// on every version.
    pub fn words(&self, kinds: usize) -> String {
        let list = |privileges: &[String]| {
            if privileges.len() == kinds { "ALL".to_owned() } else { privileges.join(", ") }
        };
        match (self.plain.is_empty(), self.grantable.is_empty()) {
            (_, true) => list(&self.plain),
            (true, false) => format!("with grant option: {}", list(&self.grantable)),
            (false, false) => format!("{}; with grant option: {}", list(&self.plain), list(&self.grantable)),
        }
    }
}

/// What only a freshly made object has, and what this one has instead.
///
/// Schema public begins otherwise on other versions and with another owner, so of it all is said that anyone has, but
/// what it gives its owner as every schema does.
pub fn was_and_is(privilege: &Privilege) -> (Vec<Grant>, Vec<Grant>) {
    if !privilege.is_of_public() {
        return (privilege.was.clone(), privilege.is.clone());
    }
    let of_owner = |word: &str| Grant {
        grantor: Grantor::Owner,
        grantee: Grantee::Role(privilege.owner.clone()),
        privilege: word.to_owned(),
        grantable: false,
    };
    let usual = ["USAGE", "CREATE"].map(of_owner);
    if usual.iter().all(|grant| privilege.is.contains(grant)) {
        (Vec::new(), privilege.is.iter().filter(|grant| !usual.contains(grant)).cloned().collect())
    } else {
        (usual.to_vec(), privilege.is.clone())
    }
}

/// Gathers grants into items.
pub fn items(grants: &[Grant]) -> BTreeMap<Party, Item> {
    let mut items: BTreeMap<Party, Item> = BTreeMap::new();
    for grant in grants {
        let party = Party {
            grantor: match &grant.grantor {
                Grantor::Owner => None,
                Grantor::Role(role) => Some(role.as_str().to_owned()),
            },
            grantee: match &grant.grantee {
                Grantee::Everyone => None,
                Grantee::Role(role) => Some(role.as_str().to_owned()),
                Grantee::Gone(number) => Some(format!("dropped role {number}")),
            },
        };
        let item = items.entry(party).or_default();
        let side = if grant.grantable { &mut item.grantable } else { &mut item.plain };
        side.push(grant.privilege.clone());
        side.sort();
    }
    items
}
