//! Which databases may be written to: the one place that decides, on facts alone, before any writable connection.
//!
//! ```text
//! Endpoint ──dial──▶ ProbePermit ──(read-only connection, made elsewhere)──▶ what the server shows
//!                                                                                  │
//!                             WriteGrant ◀──decide── Request ◀─────────────────────┘
//! ```
//!
//! [`screen`] judges the text of the connection, before its host is resolved; [`dial`] judges the address and gives leave to look at the destination read-only; [`decide`] judges the identity
//! and makes the [`WriteGrant`] that opening a writable connection takes. Resolving names, connecting and reading
//! the facts is the callers' work: nothing here talks to a server.

mod answer;
mod decide;
mod endpoint;
mod grant;
mod loopback;
mod made;
mod managed;
mod refusal;
mod rule;

pub use answer::{Confirmation, ConfirmationReason, Decision, Denied, Note};
pub use decide::{ProbePermit, Purpose, Request, decide, dial, screen};
pub use endpoint::{Address, Allow, Destinations, Endpoint, Identity, LockProbe, Role, Seen, Shown, Source};
pub use grant::WriteGrant;
pub use loopback::is_loopback;
pub use made::{MadeFor, made_name};
pub use managed::{MARK_OF_ROLES, TELLTALE_ROLES, provider_of_host, provider_of_role, telltale_roles};
pub use refusal::Refusal;
pub use rule::Rule;

#[cfg(test)]
mod tests;
