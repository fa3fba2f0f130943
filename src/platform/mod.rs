//! Hosting platforms: what each of them adds to a database, and what of that can live on a plain server.
//!
//! A source is recognised by what its database shows, never by its address: a tunnel or a pooler changes nothing. All here
//! is values: the tables with their owners come in, what becomes of them goes out.

mod supabase;

use std::collections::HashMap;

use crate::pg::QualifiedName;
use crate::schema::model::{Address, Catalog};
use crate::schema::script::Skipped;
use crate::schema::select::Selection;

/// A platform that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Supabase,
}

/// What was asked for (`--profile`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// What the source shows.
    #[default]
    Recognise,
    /// This one, whatever the source shows.
    Always(Profile),
    /// None at all: everything is cloned as on any server.
    Never,
}

/// What comes of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `None`: as any server.
    pub profile: Option<Profile>,
    /// The profile's name and by what it was chosen or not, in one sentence; nothing where there is nothing to say.
    pub why: Option<String>,
}

impl Wish {
    /// Chooses, given the platform that the source shows and by what.
    pub fn choose(self, shown: Option<(Profile, String)>) -> Choice {
        let (profile, why) = match (self, shown) {
            (Self::Never | Self::Recognise, None) => return Choice { profile: None, why: None },
            (Self::Never, Some((profile, evidence))) => {
                let why =
                    format!("{} is switched off, although the source shows it: {evidence}", profile.name());
                return Choice { profile: None, why: Some(why) };
            }
            (Self::Recognise, Some((profile, evidence))) => {
                (profile, format!("{evidence}; --profile none switches it off"))
            }
            (Self::Always(profile), Some((_, evidence))) => (profile, format!("asked for, and {evidence}")),
            (Self::Always(profile), None) => {
                (profile, "asked for; the source itself does not show the platform".to_owned())
            }
        };
        let why = format!("{} of the source: {why}", profile.name());
        Choice { profile: Some(profile), why: Some(why) }
    }
}

/// What becomes of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Definition and rows, as any other.
    Kept,
    /// Its definition alone; with the reason.
    NoRows(&'static str),
    /// Neither; [`Profile::leave_out`] says why.
    LeftOut,
}

/// What was taken out of a catalog.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Every object, with the reason: what needs one of them cannot be made either.
    pub reasons: HashMap<Address, String>,
    /// Lines for the report.
    pub lines: Vec<Skipped>,
}

/// What is to be known of a role that a clone creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Row-level security does not hold for it (`BYPASSRLS`).
    pub bypasses_rls: bool,
}

impl Profile {
    /// As `--profile` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supabase => "supabase",
        }
    }

    /// Which platform a database shows by its schemas, each with its owner; and by what, in words.
    pub fn recognise(schemas: &[(String, String)]) -> Option<(Self, String)> {
        supabase::evidence(schemas).map(|evidence| (Self::Supabase, evidence))
    }

    /// Whether a schema is the platform's: our role may be kept out of what lies there.
    pub fn owns_schema(self, schema: &str) -> bool {
        match self {
            Self::Supabase => supabase::owns_schema(schema),
        }
    }

    /// Whether nothing of a schema is made.
    pub fn leaves_out(self, schema: &str) -> bool {
        match self {
            Self::Supabase => supabase::leaves_out(schema),
        }
    }

    /// What becomes of a table of this name and owner.
    pub fn fate(self, table: &QualifiedName, owner: &str) -> Fate {
        match self {
            Self::Supabase => supabase::fate(table, owner),
        }
    }

    /// Whether a table of the platform's own is worth nothing without its rows: that our role may not read them is an error,
    /// as it is for the application's.
    pub fn needs_rows(self, table: &QualifiedName) -> bool {
        match self {
            Self::Supabase => supabase::needs_rows(table),
        }
    }

    /// Takes out of the catalog what cannot work elsewhere. What the user left out anyway has no line.
    pub fn leave_out(self, catalog: &mut Catalog, selection: &Selection) -> LeftOut {
        match self {
            Self::Supabase => supabase::leave_out(catalog, selection),
        }
    }

    /// What the rows of these tables speak of and no database holds; a line each.
    pub fn outside(self, with_rows: &[&QualifiedName]) -> Vec<Skipped> {
        match self {
            Self::Supabase => supabase::outside(with_rows),
        }
    }

    /// A role that the platform makes on every server of its own.
    pub fn role(self, name: &str) -> Option<Role> {
        match self {
            Self::Supabase => supabase::role(name),
        }
    }
}
