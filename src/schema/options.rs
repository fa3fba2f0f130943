//! What rendering has to know beside the catalog: what the user asked for, and facts of the destination.

use std::collections::{HashMap, HashSet};

use crate::pg::{Ident, Oid, Version};
use crate::schema::model::Address;

/// How a catalog becomes SQL.
#[derive(Clone, Debug)]
pub struct Options {
    /// Set owners; `false` with `--no-owner`: everything belongs to the role that runs the script.
    pub owners: bool,
    /// Grant and revoke; `false` with `--no-privileges`.
    pub privileges: bool,
    /// Leave out or disable what would act on the outside world (design, "Neutralize").
    pub neutralize: bool,
    /// Tables so small that building keys while loading costs less than a statement for each: their primary key
    /// and unique constraints go inside CREATE TABLE.
    pub inline_keys: HashSet<Oid>,
    pub destination_version: Version,
    /// Extensions that the destination can create (`pg_available_extensions`).
    pub available_extensions: HashSet<String>,
    /// Of those, the ones that it refused to create in the new database, each with the server's reason.
    pub refused_extensions: HashMap<String, String>,
    /// What belongs to an extension on the source and the destination's does not make, and whether that is said.
    pub lost_members: HashMap<Address, bool>,
    /// Settings, each with its value, that the destination does not take from our role, with the server's reason.
    pub refused_settings: HashMap<(String, String), String>,
    /// Roles that exist on the destination.
    pub roles: HashSet<String>,
    /// Those of them that the role which runs the script may act as (`SET ROLE`, and with their privileges).
    pub assumable: HashSet<String>,
    /// The role that runs the script on the destination: what it makes is its own already. `None`: not known.
    pub role: Option<Ident>,
    /// Whether the destination's role is a superuser.
    pub superuser: bool,
    /// Whether the destination's server can compress values by lz4; one may be built without.
    pub lz4: bool,
    /// Tablespaces of the destination, and whether the role that runs the script may put something into each.
    pub tablespaces: HashMap<String, bool>,
    /// The one in which the new database lies, where everything is that has none of its own.
    pub own_tablespace: Ident,
}

impl Options {
    /// Everything on, no facts known of the destination but its version.
    pub fn new(destination_version: Version) -> Self {
        Self {
            owners: true,
            privileges: true,
            neutralize: true,
            inline_keys: HashSet::new(),
            destination_version,
            available_extensions: HashSet::new(),
            refused_extensions: HashMap::new(),
            lost_members: HashMap::new(),
            refused_settings: HashMap::new(),
            roles: HashSet::new(),
            assumable: HashSet::new(),
            role: None,
            superuser: false,
            lz4: true,
            tablespaces: HashMap::new(),
            own_tablespace: Ident::from("pg_default"),
        }
    }

    /// Why something that lies in this tablespace on the source cannot lie in one of the same name.
    pub fn no_tablespace(&self, name: &Ident) -> Option<&'static str> {
        match self.tablespaces.get(name.as_str()) {
            _ if *name == self.own_tablespace => None,
            Some(true) => None,
            Some(false) => Some("the destination's role may not create anything in it"),
            None => Some("it is not on the destination"),
        }
    }

    /// How a role of the source stands on the destination.
    pub fn standing(&self, role: &Ident) -> Standing {
        if self.role.as_ref() == Some(role) {
            return Standing::Ours;
        }
        match (self.roles.contains(role.as_str()), self.superuser || self.assumable.contains(role.as_str())) {
            (false, _) => Standing::Absent,
            (true, false) => Standing::Other,
            (true, true) => Standing::Ours,
        }
    }
}

/// How a role stands on the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such role.
    Absent,
    /// It is there, and the role that runs the script may not act as it.
    Other,
    /// It is that role, or one that it may act as.
    Ours,
}
