//! Objects that are what their statements say: kinds of which nothing but the text matters, put together by the catalog
//! query itself from names that the server quotes and definitions that it prints.

use crate::pg::{Ident, Oid, Sql};
use crate::schema::model::{Address, Rank};
use crate::schema::script::Phase;

/// Such an object.
#[derive(Clone, Debug)]
pub struct Printed {
    pub address: Address,
    pub kind: Kind,
    pub schema: Option<Ident>,
    pub name: Ident,
    pub statements: Vec<Sql>,
    /// The table that it hangs on, whose lock its statements take.
    pub table: Option<Oid>,
    /// What it is an entry of: a publication's list, a server's mappings.
    pub within: Option<(Address, Ident)>,
    /// The role that it is for, which may be missing on the destination.
    pub role: Option<Ident>,
    /// Whether only a superuser may make it.
    pub superuser: bool,
}

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Collation,
    ForeignDataWrapper,
    Server,
    UserMapping,
    Statistics,
    Publication,
    /// A table or a schema in a publication's list.
    Published,
    Subscription,
    EventTrigger,
}

impl Kind {
    /// As people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Collation => "collation",
            Self::ForeignDataWrapper => "foreign-data wrapper",
            Self::Server => "foreign server",
            Self::UserMapping => "user mapping",
            Self::Statistics => "extended statistics",
            Self::Publication => "publication",
            Self::Published => "entry",
            Self::Subscription => "subscription",
            Self::EventTrigger => "event trigger",
        }
    }

    /// Its place in the order, and when it is made. Statistics come before ANALYZE fills them; event triggers when
    /// nothing of ours is left to do that they could act on.
    pub fn place(self) -> (Rank, Phase) {
        match self {
            Self::Collation => (Rank::Collation, Phase::PreData),
            Self::ForeignDataWrapper => (Rank::ForeignDataWrapper, Phase::PreData),
            Self::Server => (Rank::Server, Phase::PreData),
            Self::UserMapping => (Rank::UserMapping, Phase::PostData),
            Self::Statistics => (Rank::Statistics, Phase::PreData),
            Self::Publication => (Rank::Publication, Phase::PostData),
            Self::Published => (Rank::Published, Phase::PostData),
            Self::Subscription => (Rank::Subscription, Phase::PostData),
            Self::EventTrigger => (Rank::EventTrigger, Phase::Last),
        }
    }
}

/// `ALTER .. DEPENDS ON EXTENSION` of an object, which goes with what makes that.
#[derive(Clone, Debug)]
pub struct ExtensionTie {
    pub of: Address,
    pub statement: Sql,
}
