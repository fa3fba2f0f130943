//! The schemas that Supabase makes, and what a clone does with each of them.
//!
//! The list follows the migrations of the public repositories supabase/postgres, supabase/auth, supabase/storage and
//! supabase/realtime. What is in no list is the application's, `supabase_migrations` (its own history) included.

/// What a clone does with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Definitions and rows: the application's own tables point there.
    Whole,
    /// Definitions, since functions and policies of the application use them; the rows of the platform's own tables are
    /// left out, for this reason.
    Definitions(&'static str),
    /// Nothing of it, for this reason.
    LeftOut(&'static str),
}

use Treatment::{Definitions, LeftOut, Whole};

const SEALED: &str =
    "its secrets are sealed with a key that only the platform's server has: no other can read them";
const GRAPHQL: &str = "the platform's GraphQL interface, which its own event triggers build";
const SERVICE: &str = "state of a service of the platform, which that service makes anew";

/// By name.
const SCHEMAS: [(&str, Treatment); 15] = [
    ("auth", Whole),
    ("storage", Whole),
    // What the application keeps there, and extensions; what else is there `leave_out` picks.
    ("extensions", Whole),
    (
        "realtime",
        Definitions("who listens at this moment, and messages on their way: no data of the application"),
    ),
    (
        "supabase_functions",
        Definitions("the log of webhooks that were sent, and the platform's own migrations"),
    ),
    ("vault", LeftOut(SEALED)),
    ("pgsodium", LeftOut(SEALED)),
    ("pgsodium_masks", LeftOut(SEALED)),
    ("graphql", LeftOut(GRAPHQL)),
    ("graphql_public", LeftOut(GRAPHQL)),
    ("pgbouncer", LeftOut("lets the platform's pooler read passwords of roles, which takes a superuser")),
    ("supabase_subscription_mgmt", LeftOut("makes subscriptions in the name of a superuser")),
    ("_realtime", LeftOut(SERVICE)),
    ("_analytics", LeftOut(SERVICE)),
    ("_supavisor", LeftOut(SERVICE)),
];

/// What is done with this one; `None` for a schema of the application.
pub(super) fn treatment(schema: &str) -> Option<Treatment> {
    SCHEMAS.iter().find(|(name, _)| *name == schema).map(|(_, treatment)| *treatment)
}

/// Whether nothing of it is made, and why.
pub(super) fn left_out(schema: &str) -> Option<&'static str> {
    match treatment(schema) {
        Some(LeftOut(reason)) => Some(reason),
        _ => None,
    }
}
