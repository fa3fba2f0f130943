//! The decision itself, in two stages: the address before anything is dialled, the identity before anything is
//! written. Rules are asked in the order of the policy's table, strictest first.

use super::answer::{Confirmation, ConfirmationReason, Decision, Note};
use super::endpoint::{
    Address, Allow, Destinations, Endpoint, Identity, LockProbe, Role, Seen, Shown, Source,
};
use super::grant::WriteGrant;
use super::loopback::is_loopback;
use super::managed::{provider_of_host, provider_of_role};
use super::refusal::Refusal;
use super::rule::Rule;
use crate::pg::name::for_people;

/// Leave to look at a destination on a read-only connection, at one of these addresses. No leave to write.
#[derive(Clone, Debug)]
pub struct ProbePermit {
    endpoint: Endpoint,
    loopback: bool,
    /// The entries of `[destinations].allow` that name this endpoint.
    entries: Vec<Allow>,
}

impl ProbePermit {
    /// The addresses that may be dialled, in order.
    pub fn addresses(&self) -> &[Address] {
        &self.endpoint.resolved
    }

    /// What was judged.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether every address is loopback.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

/// What a grant is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Replacing what the destination holds: a clone.
    Replace,
    /// Going on with a mirror in the database where its checkpoint stands, which is read before anything is written. Needs
    /// no confirmation.
    Follow,
    /// Touching only databases that carry our mark and our record: `undo`, `clean`. Needs no confirmation.
    Tidy,
}

/// Everything that the second stage judges.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The first stage's answer.
    pub permit: &'a ProbePermit,
    /// The address at which the probing connection reached the server.
    pub dialled: &'a Address,
    /// What the server showed there.
    pub shown: &'a Shown,
    /// The database from which others are created and renamed, `postgres` as a rule.
    pub maintenance: &'a str,
    /// The job's source, and every connection with role source.
    pub sources: &'a [Source],
    /// What the grant is for.
    pub purpose: Purpose,
    /// `--confirm`.
    pub confirm: Option<&'a str>,
}

/// What can be said by the connection's text alone: to be asked before any name is resolved, so that no name service
/// has a say in it. [`dial`] asks it again.
///
/// # Errors
/// The refusal, if a rule on role or hosts matches.
pub fn screen(endpoint: &Endpoint, destinations: &Destinations) -> Result<(), Refusal> {
    let refuse = |rule| {
        let found = resolved(endpoint);
        Err(Refusal::new(rule, &endpoint.label(), &endpoint.database, found))
    };
    if endpoint.role == Some(Role::Source) {
        return refuse(Rule::RoleIsSource);
    }
    if endpoint.hosts.len() > 1 {
        return refuse(Rule::SeveralHosts);
    }
    if endpoint.has_hostaddr {
        return refuse(Rule::Hostaddr);
    }
    if let Some((host, provider)) = managed_host(endpoint)
        && !destinations.entries(endpoint).any(|entry| understands(entry, endpoint))
    {
        let found = format!("host {host} is run by {provider}");
        return Err(Refusal::new(Rule::Managed, &endpoint.label(), &endpoint.database, found));
    }
    Ok(())
}

/// The first stage: may this destination be dialled at all, read-only?
///
/// # Errors
/// The refusal, if a rule on role, hosts or addresses matches.
pub fn dial(endpoint: &Endpoint, destinations: &Destinations) -> Result<ProbePermit, Refusal> {
    screen(endpoint, destinations)?;
    let refuse = |rule| {
        let refusal = Refusal::new(rule, &endpoint.label(), &endpoint.database, resolved(endpoint));
        Err(refusal)
    };
    if endpoint.resolved.is_empty() {
        let found = format!("{} has no address", resolved(endpoint));
        return Err(Refusal::new(Rule::NoAddress, &endpoint.label(), &endpoint.database, found));
    }
    let entries: Vec<Allow> =
        destinations.entries(endpoint).filter(|entry| entry.names(endpoint)).cloned().collect();
    let by_host = managed_host(endpoint).is_some();
    let loopback = endpoint.resolved.iter().all(is_loopback);
    if entries.is_empty() && !loopback {
        let mixed = endpoint.resolved.iter().any(is_loopback);
        return refuse(match (mixed, by_host) {
            (_, true) => Rule::Managed,
            (true, false) => Rule::MixedAddresses,
            (false, false) => Rule::NotListed,
        });
    }
    if entries.is_empty() && !destinations.allow_loopback {
        return refuse(Rule::LoopbackTurnedOff);
    }
    if by_host && !entries.iter().any(|entry| understands(entry, endpoint)) {
        return refuse(Rule::Managed);
    }
    Ok(ProbePermit { endpoint: endpoint.clone(), loopback, entries })
}

/// The second stage: may it be written to? The only maker of a [`WriteGrant`].
pub fn decide(request: &Request<'_>) -> Decision {
    let mut notes = Vec::new();
    match judge(request, &mut notes) {
        Err(refusal) => Decision::Refused(refusal),
        Ok(reasons) => answer(request, notes, reasons),
    }
}

fn answer(request: &Request<'_>, notes: Vec<Note>, reasons: Vec<ConfirmationReason>) -> Decision {
    let endpoint = &request.permit.endpoint;
    let wrong = request.confirm.is_some_and(|given| given != endpoint.database);
    let missing = request.confirm.is_none() && !reasons.is_empty();
    if request.purpose == Purpose::Replace && (missing || wrong) {
        return Decision::ConfirmationNeeded(Confirmation {
            label: endpoint.label(),
            database: endpoint.database.clone(),
            reasons,
            given: request.confirm.map(str::to_owned),
            notes,
        });
    }
    let grant = WriteGrant::new(
        endpoint.label(),
        request.dialled.clone(),
        endpoint.database.clone(),
        request.maintenance.to_owned(),
        request.shown.system_identifier.clone(),
    );
    Decision::Allowed(grant, notes)
}

/// Asks the rules on identity; gives the reasons for which a confirmation is needed.
fn judge(request: &Request<'_>, notes: &mut Vec<Note>) -> Result<Vec<ConfirmationReason>, Refusal> {
    judge_server(request, notes)?;
    let mut reasons = Vec::new();
    if request.shown.holds_user_objects {
        reasons.push(ConfirmationReason::HoldsUserObjects);
    }
    for source in request.sources {
        judge_source(request, source, notes)?;
        if source.seen == Seen::Never {
            reasons.push(ConfirmationReason::SourceNeverSeen { source_label: source.label.clone() });
        }
    }
    Ok(reasons)
}

/// The address dialled, the entry's cluster, and who runs the server.
fn judge_server(request: &Request<'_>, notes: &mut Vec<Note>) -> Result<(), Refusal> {
    let Request { permit, dialled, shown, .. } = request;
    let endpoint = &permit.endpoint;
    let label = endpoint.label();
    let refuse = |rule, found: String| Err(Refusal::new(rule, &label, &endpoint.database, found));
    if !endpoint.resolved.contains(dialled) {
        return refuse(Rule::AddressNotJudged, format!("{}, but {dialled} was dialled", resolved(endpoint)));
    }
    let is_this_cluster = |entry: &&Allow| match &entry.system_identifier {
        Some(identifier) => *identifier == shown.system_identifier,
        None => true,
    };
    let entries: Vec<&Allow> = permit.entries.iter().filter(is_this_cluster).collect();
    if entries.is_empty() && !permit.entries.is_empty() {
        let found = format!("{dialled} has system identifier {}", shown.system_identifier);
        return refuse(Rule::OtherCluster, found);
    }
    let by_host = managed_host(endpoint);
    let by_role = shown.telltale_roles.iter().find_map(|role| Some((role, provider_of_role(role)?)));
    let managed = match (by_host, by_role) {
        (Some((host, provider)), _) => Some((provider, format!("host {host} is run by {provider}"))),
        (None, Some((role, provider))) => {
            Some((provider, format!("the server at {dialled} has the role {role}, so it is {provider}")))
        }
        (None, None) => None,
    };
    if let Some((provider, found)) = managed {
        if !entries.iter().any(|entry| understands(entry, endpoint)) {
            return refuse(Rule::Managed, found);
        }
        notes.push(Note::ManagedAndUnderstood { label: label.clone(), provider });
    }
    if !permit.loopback {
        notes.push(Note::Listed { label });
    }
    Ok(())
}

/// Compares the destination with one source.
fn judge_source(request: &Request<'_>, source: &Source, notes: &mut Vec<Note>) -> Result<(), Refusal> {
    let source_label = source.label.clone();
    let (identity, loopback, two_servers) = match &source.seen {
        Seen::Never => {
            notes.push(Note::NeverSeen { source_label });
            return Ok(());
        }
        Seen::Before { identity, loopback, at_ms } => {
            notes.push(Note::ComparedAsLastSeen { source_label: source_label.clone(), at_ms: *at_ms });
            (identity, *loopback, false)
        }
        Seen::Now { address, identity, in_recovery, lock } => {
            // A standby's locks are not its primary's, so for a standby the probe proves nothing.
            let two_servers = *lock == LockProbe::DoesNotShow && !in_recovery;
            (identity, is_loopback(address), two_servers)
        }
    };
    if identity.system_identifier != request.shown.system_identifier {
        return Ok(());
    }
    if source.role != Some(Role::Destination) && !loopback {
        return Err(same_cluster(request, source, Rule::ClusterOfASource, identity));
    }
    if two_servers {
        notes.push(Note::FileLevelCopy { source_label });
        return Ok(());
    }
    if request.shown.database_oid == Some(identity.database_oid) {
        return Err(same_cluster(request, source, Rule::IsTheSource, identity));
    }
    notes.push(Note::OneCluster { source_label });
    Ok(())
}

fn same_cluster(request: &Request<'_>, source: &Source, rule: Rule, identity: &Identity) -> Refusal {
    let endpoint = &request.permit.endpoint;
    let found = format!(
        "{} has system identifier {}, as has source {} (database {}, oid {})",
        request.dialled,
        identity.system_identifier,
        source.label,
        for_people(&identity.database),
        identity.database_oid
    );
    Refusal::new(rule, &endpoint.label(), &endpoint.database, found)
}

/// The host that a platform runs, by its name, and which platform.
fn managed_host(endpoint: &Endpoint) -> Option<(&String, &'static str)> {
    endpoint.hosts.iter().find_map(|host| Some((host, provider_of_host(host)?)))
}

fn understands(entry: &Allow, endpoint: &Endpoint) -> bool {
    entry.i_understand.as_deref() == Some(endpoint.database.as_str())
}

/// What an endpoint's hosts resolved to, in words.
fn resolved(endpoint: &Endpoint) -> String {
    let hosts = endpoint.hosts.join(", ");
    let addresses: Vec<String> = endpoint.resolved.iter().map(ToString::to_string).collect();
    match addresses.is_empty() {
        true => format!("host {hosts}"),
        false => format!("host {hosts} is {}", addresses.join(", ")),
    }
}
