//! The policy's table (docs/safety.md), row by row: each case is one situation and the answer it must get.

use super::*;
use crate::failure::{Classify, Exit};

const CLUSTER: &str = "7710893607268052043";
const OTHER_CLUSTER: &str = "7000000000000000001";

/// A situation: by default an empty database on loopback, no sources, no confirmation.
#[derive(Clone)]
struct Case {
    endpoint: Endpoint,
    destinations: Destinations,
    dialled: Option<Address>,
    shown: Shown,
    sources: Vec<Source>,
    purpose: Purpose,
    confirm: Option<&'static str>,
}

fn tcp(address: &str) -> Address {
    Address::Tcp(address.parse().expect("test address"))
}

fn case(host: &str, resolved: &[&str]) -> Case {
    Case {
        endpoint: Endpoint {
            connection: Some("local".to_owned()),
            role: Some(Role::Destination),
            hosts: vec![host.to_owned()],
            has_hostaddr: false,
            resolved: resolved.iter().map(|address| tcp(address)).collect(),
            database: "app_dev".to_owned(),
        },
        destinations: Destinations::default(),
        dialled: None,
        shown: Shown {
            system_identifier: CLUSTER.to_owned(),
            database_oid: Some(5),
            telltale_roles: Vec::new(),
            holds_user_objects: false,
        },
        sources: Vec::new(),
        purpose: Purpose::Replace,
        confirm: None,
    }
}

fn loopback() -> Case {
    case("localhost", &["127.0.0.1:5432", "[::1]:5432"])
}

fn remote() -> Case {
    case("vps.example", &["203.0.113.9:5432"])
}

fn entry(host: &str) -> Allow {
    Allow {
        connection: "local".to_owned(),
        host: host.to_owned(),
        dbname: "app_dev".to_owned(),
        system_identifier: None,
        i_understand: None,
    }
}

fn identity(system_identifier: &str, database_oid: u32) -> Identity {
    Identity { system_identifier: system_identifier.to_owned(), database_oid, database: "app".to_owned() }
}

fn seen_now(address: &str, identity: Identity, lock: LockProbe) -> Source {
    let seen = Seen::Now { address: tcp(address), identity, in_recovery: false, lock };
    Source { label: "\"staging\"".to_owned(), role: Some(Role::Source), seen }
}

fn seen_before(loopback: bool, identity: Identity) -> Source {
    let seen = Seen::Before { identity, loopback, at_ms: 1 };
    Source { label: "\"staging\"".to_owned(), role: Some(Role::Source), seen }
}

fn standby_of(mut source: Source) -> Source {
    if let Seen::Now { in_recovery, .. } = &mut source.seen {
        *in_recovery = true;
    }
    source
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn allow(self, change: impl FnOnce(&mut Allow)) -> Self {
        let host = self.endpoint.hosts.first().cloned().unwrap_or_default();
        self.with(|case| {
            let mut entry = entry(&host);
            change(&mut entry);
            case.destinations.allow.push(entry);
        })
    }

    fn source(self, source: Source) -> Self {
        self.with(|case| case.sources.push(source))
    }

    fn decide(&self) -> Decision {
        let permit = match dial(&self.endpoint, &self.destinations) {
            Ok(permit) => permit,
            Err(refusal) => return Decision::Refused(refusal),
        };
        let dialled =
            self.dialled.clone().or_else(|| permit.addresses().first().cloned()).expect("an address");
        decide(&Request {
            permit: &permit,
            dialled: &dialled,
            shown: &self.shown,
            maintenance: "postgres",
            sources: &self.sources,
            purpose: self.purpose,
            confirm: self.confirm,
        })
    }

    #[track_caller]
    fn allowed(self) {
        let decision = self.decide();
        assert!(matches!(&decision, Decision::Allowed(..)), "{decision:?}");
    }

    #[track_caller]
    fn allowed_noting(self, says: &str) {
        let decision = self.decide();
        let Decision::Allowed(_, notes) = &decision else { panic!("{decision:?}") };
        assert!(notes.iter().any(|note| note.to_string().contains(says)), "{notes:?} does not say {says:?}");
    }

    #[track_caller]
    fn refused_by(self, rule: Rule) {
        let decision = self.decide();
        let Decision::Refused(refusal) = &decision else { panic!("{decision:?}") };
        assert_eq!(refusal.rule, rule, "{refusal}");
        let text = refusal.to_string();
        for part in [refusal.resolved.as_str(), rule.says(), rule.who_can_change_it(), "app_dev", "local"] {
            assert!(!part.is_empty() && text.contains(part), "{text:?} does not say {part:?}");
        }
        let failure = refusal.classify();
        assert_eq!((failure.exit, failure.code), (Exit::Refused, rule.code()));
    }

    #[track_caller]
    fn needs_confirmation(self, says: &str) {
        let decision = self.decide();
        let Decision::ConfirmationNeeded(needed) = &decision else { panic!("{decision:?}") };
        assert_eq!(needed.database, "app_dev");
        assert!(needed.to_string().contains(says), "{needed} does not say {says:?}");
        assert_eq!(needed.classify().exit, Exit::ConfirmationMissing);
        assert_eq!(needed.classify().hint.as_deref(), Some("add --confirm app_dev"));
    }
}

#[test]
fn loopback_and_unix_sockets_are_allowed() {
    loopback().allowed();
    case("127.0.0.1", &["127.0.0.1:5432"]).allowed();
    case("127.1", &["127.0.0.1:5432"]).allowed();
    let socket = Address::Unix("/var/run/postgresql".into());
    loopback().with(|case| case.endpoint.resolved = vec![socket]).allowed();
    let url = |case: &mut Case| (case.endpoint.connection, case.endpoint.role) = (None, None);
    loopback().with(url).allowed();
    loopback().with(|case| case.destinations.allow_loopback = false).refused_by(Rule::LoopbackTurnedOff);
    loopback().with(|case| case.destinations.allow_loopback = false).allow(|_| ()).allowed();
}

#[test]
fn any_other_host_must_be_listed() {
    remote().refused_by(Rule::NotListed);
    case("0.0.0.0", &["0.0.0.0:5432"]).refused_by(Rule::NotListed);
    case("10.0.0.7", &["10.0.0.7:5432"]).refused_by(Rule::NotListed);
    remote().allow(|_| ()).allowed_noting("listed in [destinations].allow");
    remote().allow(|entry| entry.host = "VPS.example.".to_owned()).allowed();
    remote().allow(|entry| entry.host = "203.0.113.9".to_owned()).allowed();
    remote().allow(|entry| entry.host = "203.0.113.10".to_owned()).refused_by(Rule::NotListed);
    remote().allow(|entry| entry.host = "other.example".to_owned()).refused_by(Rule::NotListed);
    remote().allow(|entry| entry.connection = "other".to_owned()).refused_by(Rule::NotListed);
    remote().allow(|entry| entry.dbname = "other".to_owned()).refused_by(Rule::NotListed);
    // A URL on the command line is no connection of the file: no entry can name it.
    let url =
        remote().allow(|entry| entry.connection = String::new()).with(|case| case.endpoint.connection = None);
    assert!(matches!(url.decide(), Decision::Refused(refusal) if refusal.rule == Rule::NotListed));
}

#[test]
fn an_entrys_system_identifier_must_match() {
    remote().allow(|entry| entry.system_identifier = Some(CLUSTER.to_owned())).allowed();
    remote()
        .allow(|entry| entry.system_identifier = Some(OTHER_CLUSTER.to_owned()))
        .refused_by(Rule::OtherCluster);
    loopback()
        .allow(|entry| entry.system_identifier = Some(OTHER_CLUSTER.to_owned()))
        .refused_by(Rule::OtherCluster);
    remote()
        .allow(|entry| entry.system_identifier = Some(OTHER_CLUSTER.to_owned()))
        .allow(|entry| entry.system_identifier = Some(CLUSTER.to_owned()))
        .allowed();
}

#[test]
fn managed_hosts_must_be_listed_and_understood() {
    let supabase = || case("db.abcdefgh.supabase.co", &["[2a05:d014::1]:5432"]);
    let understood = |entry: &mut Allow| entry.i_understand = Some("app_dev".to_owned());
    supabase().refused_by(Rule::Managed);
    supabase().allow(|_| ()).refused_by(Rule::Managed);
    supabase().allow(|entry| entry.i_understand = Some("yes".to_owned())).refused_by(Rule::Managed);
    supabase().allow(understood).allowed_noting("run by Supabase");
    // A managed name that resolves to loopback is a tunnel to it.
    case("db.abcdefgh.supabase.co", &["127.0.0.1:5432"]).refused_by(Rule::Managed);
    for (role, provider) in TELLTALE_ROLES {
        let shows = |case: &mut Case| case.shown.telltale_roles = vec![role.to_owned()];
        loopback().with(shows).refused_by(Rule::Managed);
        loopback().with(shows).allow(|_| ()).refused_by(Rule::Managed);
        loopback().with(shows).allow(understood).allowed_noting(provider);
        remote().with(shows).allow(|_| ()).refused_by(Rule::Managed);
    }
    // The understanding must be in an entry for this very cluster.
    supabase()
        .allow(|entry| entry.system_identifier = Some(CLUSTER.to_owned()))
        .allow(|entry| {
            entry.system_identifier = Some(OTHER_CLUSTER.to_owned());
            understood(entry);
        })
        .refused_by(Rule::Managed);
}

#[test]
fn the_cluster_of_a_source_dialled_elsewhere_is_a_tunnel() {
    let far = |oid, lock| seen_now("203.0.113.50:5432", identity(CLUSTER, oid), lock);
    loopback().source(far(5, LockProbe::Shows)).refused_by(Rule::ClusterOfASource);
    loopback().source(far(99, LockProbe::Shows)).refused_by(Rule::ClusterOfASource);
    loopback().source(far(99, LockProbe::NotTried)).refused_by(Rule::ClusterOfASource);
    // A lock that does not show proves nothing here: the source may be a standby of what the tunnel leads to.
    loopback().source(far(99, LockProbe::DoesNotShow)).refused_by(Rule::ClusterOfASource);
    loopback().source(seen_before(false, identity(CLUSTER, 99))).refused_by(Rule::ClusterOfASource);
    let confirmed = |case: &mut Case| case.confirm = Some("app_dev");
    loopback().source(far(99, LockProbe::Shows)).with(confirmed).refused_by(Rule::ClusterOfASource);
    loopback().source(far(99, LockProbe::Shows)).allow(|_| ()).refused_by(Rule::ClusterOfASource);
    let tidy = |case: &mut Case| case.purpose = Purpose::Tidy;
    loopback().source(far(99, LockProbe::Shows)).with(tidy).refused_by(Rule::ClusterOfASource);
    // A URL without a role plays the source in this job; a destination that is read from does not become one.
    let with_role = |role| Source { role, ..far(99, LockProbe::Shows) };
    loopback().source(with_role(None)).refused_by(Rule::ClusterOfASource);
    loopback().source(with_role(Some(Role::Destination))).allowed_noting("one cluster");
    loopback()
        .source(seen_now("203.0.113.50:5432", identity(OTHER_CLUSTER, 5), LockProbe::DoesNotShow))
        .allowed();
    // It counts for every source connection, not only for the one that is read.
    let other = seen_now("127.0.0.1:5433", identity(OTHER_CLUSTER, 5), LockProbe::DoesNotShow);
    loopback().source(other).source(far(99, LockProbe::NotTried)).refused_by(Rule::ClusterOfASource);
}

#[test]
fn a_source_is_never_its_own_destination() {
    let near = |oid, lock| seen_now("127.0.0.1:5432", identity(CLUSTER, oid), lock);
    loopback().source(near(5, LockProbe::Shows)).refused_by(Rule::IsTheSource);
    loopback().source(near(5, LockProbe::NotTried)).refused_by(Rule::IsTheSource);
    loopback().source(seen_before(true, identity(CLUSTER, 5))).refused_by(Rule::IsTheSource);
    // A standby's locks never show on its primary.
    loopback().source(standby_of(near(5, LockProbe::DoesNotShow))).refused_by(Rule::IsTheSource);
    let read_from = Source { role: Some(Role::Destination), ..near(5, LockProbe::Shows) };
    loopback().source(read_from).refused_by(Rule::IsTheSource);
    let confirmed = |case: &mut Case| case.confirm = Some("app_dev");
    loopback().source(near(5, LockProbe::Shows)).with(confirmed).allow(|_| ()).refused_by(Rule::IsTheSource);
}

#[test]
fn one_cluster_or_a_copy_of_it_on_loopback_is_said_in_the_plan() {
    let near = |oid, lock| seen_now("127.0.0.1:5432", identity(CLUSTER, oid), lock);
    loopback().source(near(99, LockProbe::Shows)).allowed_noting("databases of one cluster");
    loopback().source(near(5, LockProbe::DoesNotShow)).allowed_noting("file-level copy");
    loopback().source(near(99, LockProbe::DoesNotShow)).allowed_noting("file-level copy");
    // A destination that does not exist yet has no oid to be the source's.
    let missing = |case: &mut Case| case.shown.database_oid = None;
    loopback().source(near(5, LockProbe::Shows)).with(missing).allowed_noting("databases of one cluster");
}

#[test]
fn a_source_out_of_reach_counts_as_last_seen_and_one_never_seen_needs_a_confirmation() {
    loopback().source(seen_before(false, identity(OTHER_CLUSTER, 5))).allowed_noting("as last seen");
    let never = || Source { label: "\"production\"".to_owned(), role: Some(Role::Source), seen: Seen::Never };
    loopback().source(never()).needs_confirmation("\"production\" cannot be reached and never was");
    let confirmed = |case: &mut Case| case.confirm = Some("app_dev");
    loopback().source(never()).with(confirmed).allowed_noting("\"production\" cannot be reached");
    let tidy = |case: &mut Case| case.purpose = Purpose::Tidy;
    loopback().source(never()).with(tidy).allowed_noting("\"production\" cannot be reached");
}

#[test]
fn several_hosts_hostaddr_and_mixed_names_are_refused() {
    loopback().with(|case| case.endpoint.hosts.push("localhost".to_owned())).refused_by(Rule::SeveralHosts);
    loopback().with(|case| case.endpoint.has_hostaddr = true).refused_by(Rule::Hostaddr);
    remote().allow(|_| ()).with(|case| case.endpoint.has_hostaddr = true).refused_by(Rule::Hostaddr);
    case("rebind.example", &["127.0.0.1:5432", "203.0.113.9:5432"]).refused_by(Rule::MixedAddresses);
    case("nowhere.example", &[]).refused_by(Rule::NoAddress);
    loopback().with(|case| case.dialled = Some(tcp("203.0.113.9:5432"))).refused_by(Rule::AddressNotJudged);
    loopback().with(|case| case.dialled = Some(tcp("127.0.0.1:5433"))).refused_by(Rule::AddressNotJudged);
    loopback().with(|case| case.dialled = Some(tcp("[::1]:5432"))).allowed();
}

#[test]
fn what_the_text_alone_tells_is_refused_before_the_name_is_resolved() {
    let screened = |case: Case| {
        let endpoint = Endpoint { resolved: Vec::new(), ..case.endpoint };
        screen(&endpoint, &case.destinations).map_err(|refusal| refusal.rule)
    };
    let managed = || case("db.abcdefgh.supabase.co", &[]);
    let understood = |entry: &mut Allow| entry.i_understand = Some("app_dev".to_owned());
    assert_eq!(screened(managed()), Err(Rule::Managed));
    assert_eq!(screened(managed().allow(|_| ())), Err(Rule::Managed));
    assert_eq!(screened(managed().allow(understood)), Ok(()));
    // Whether that entry's address is the host's is not known yet.
    let by_address = |entry: &mut Allow| entry.host = "203.0.113.9".to_owned();
    assert_eq!(
        screened(
            managed().allow(understood).with(|case| case.destinations.allow.iter_mut().for_each(by_address))
        ),
        Ok(())
    );
    assert_eq!(
        screened(loopback().with(|case| case.endpoint.role = Some(Role::Source))),
        Err(Rule::RoleIsSource)
    );
    assert_eq!(
        screened(loopback().with(|case| case.endpoint.hosts.push("h".to_owned()))),
        Err(Rule::SeveralHosts)
    );
    assert_eq!(screened(loopback().with(|case| case.endpoint.has_hostaddr = true)), Err(Rule::Hostaddr));
    assert_eq!(screened(remote()), Ok(()));
}

#[test]
fn a_database_with_objects_needs_its_name_as_confirmation() {
    let filled = || loopback().with(|case| case.shown.holds_user_objects = true);
    let confirm = |name| move |case: &mut Case| case.confirm = Some(name);
    filled().needs_confirmation("holds objects");
    filled().with(confirm("app")).needs_confirmation("--confirm names app");
    filled().with(confirm("")).needs_confirmation("--confirm names");
    filled().with(confirm("app_dev")).allowed();
    loopback().with(confirm("app")).needs_confirmation("--confirm names app");
    filled().with(|case| case.purpose = Purpose::Tidy).allowed();
}

#[test]
fn a_connection_with_role_source_is_never_written_to() {
    loopback().with(|case| case.endpoint.role = Some(Role::Source)).refused_by(Rule::RoleIsSource);
    remote()
        .allow(|_| ())
        .with(|case| case.endpoint.role = Some(Role::Source))
        .refused_by(Rule::RoleIsSource);
}

#[test]
fn a_grant_covers_the_destination_and_what_we_make_beside_it() {
    let (grant, _) = loopback().decide().granted().expect("allowed");
    assert_eq!(grant.address(), &tcp("127.0.0.1:5432"));
    assert_eq!((grant.database(), grant.maintenance()), ("app_dev", "postgres"));
    let job = crate::id::JobId::generate();
    for made in MadeFor::ALL {
        assert!(grant.allows(&made_name(&job, made, "app_dev")), "{made}");
        assert!(!grant.allows(&made_name(&job, made, "other")), "{made}");
    }
    for (database, allowed) in
        [("app_dev", true), ("postgres", true), ("app", false), ("template1", false), ("mbs_app_dev", false)]
    {
        assert_eq!(grant.allows(database), allowed, "{database}");
    }
    assert_eq!(grant.check_cluster(CLUSTER), Ok(()));
    let refusal = grant.check_cluster(OTHER_CLUSTER).expect_err("another server");
    assert_eq!(refusal.rule, Rule::AnotherServerAnswers);
}
