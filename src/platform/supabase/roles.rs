//! The roles that Supabase makes in every cluster.

use crate::platform::Role;

/// Their names, but for those that begin with [`PREFIX`].
const ROLES: [&str; 11] = [
    // As whom requests of the application run: policies and grants name them.
    "anon",
    "authenticated",
    "service_role",
    "authenticator",
    // Who owns what the application makes; no superuser there.
    "postgres",
    "dashboard_user",
    "pgbouncer",
    "pgsodium_keyholder",
    "pgsodium_keyiduser",
    "pgsodium_keymaker",
    "pgtle_admin",
];

/// Of `supabase_admin`, the superuser, and of one role a service.
const PREFIX: &str = "supabase_";

/// The one whose requests no policy holds back.
const BYPASSES_RLS: &str = "service_role";

/// Whether it is one of them, and how it is made.
pub(in crate::platform) fn role(name: &str) -> Option<Role> {
    let known = ROLES.contains(&name) || is_of_platform(name);
    known.then_some(Role { bypasses_rls: name == BYPASSES_RLS })
}

/// Whether what it owns is the platform's rather than the application's.
pub(super) fn is_of_platform(name: &str) -> bool {
    name.starts_with(PREFIX) || name == "pgbouncer"
}
