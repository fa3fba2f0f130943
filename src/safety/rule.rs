//! The rules that can refuse, each with its words: what it forbids, and who can change that.

/// A rule of the safety policy (interface.md §3) that refuses a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The connection has `role = "source"`.
    RoleIsSource,
    /// The connection lists more than one host.
    SeveralHosts,
    /// The connection sets `hostaddr`.
    Hostaddr,
    /// No address was found for the host.
    NoAddress,
    /// A name resolves to loopback and other addresses at once.
    MixedAddresses,
    /// A host that is not loopback is not listed.
    NotListed,
    /// `allow_loopback = false`, and the connection is not listed.
    LoopbackTurnedOff,
    /// A managed host without `i_understand`.
    Managed,
    /// The entry names another cluster.
    OtherCluster,
    /// The address dialled is not one of those judged.
    AddressNotJudged,
    /// Another cluster answers at the judged address.
    AnotherServerAnswers,
    /// The destination is in the cluster of a source that is dialled at a non-loopback address.
    ClusterOfASource,
    /// The destination is the source.
    IsTheSource,
}

impl Rule {
    /// Stable code for scripts and `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::RoleIsSource => "refused_role_is_source",
            Self::SeveralHosts => "refused_several_hosts",
            Self::Hostaddr => "refused_hostaddr",
            Self::NoAddress => "refused_no_address",
            Self::MixedAddresses => "refused_mixed_addresses",
            Self::NotListed => "refused_not_listed",
            Self::LoopbackTurnedOff => "refused_loopback_turned_off",
            Self::Managed => "refused_managed_host",
            Self::OtherCluster => "refused_other_cluster",
            Self::AddressNotJudged => "refused_address_not_judged",
            Self::AnotherServerAnswers => "refused_another_server_answers",
            Self::ClusterOfASource => "refused_cluster_of_a_source",
            Self::IsTheSource => "refused_is_the_source",
        }
    }

    /// The rule as a sentence without its full stop.
    pub fn says(self) -> &'static str {
        match self {
            Self::RoleIsSource => "a connection with role = \"source\" is never written to",
            Self::SeveralHosts => "a destination has exactly one host",
            Self::Hostaddr => "a destination does not set hostaddr: its host is what is judged and dialled",
            Self::NoAddress => "a destination is judged by its address, and none was found",
            Self::MixedAddresses => "a name counts as loopback only if every address of it is loopback",
            Self::NotListed => "a host that is not loopback must be listed in [destinations].allow",
            Self::LoopbackTurnedOff => {
                "[destinations].allow_loopback is false, so loopback must be listed in [destinations].allow too"
            }
            Self::Managed => {
                "a managed host must be listed in [destinations].allow with i_understand = \"<database>\""
            }
            Self::OtherCluster => "an entry's system_identifier must be that of the server",
            Self::AddressNotJudged => "the address dialled must be one that was judged",
            Self::AnotherServerAnswers => "the server that is written to must be the one that was judged",
            Self::ClusterOfASource => {
                "the cluster of a source that is dialled at a non-loopback address is never written to"
            }
            Self::IsTheSource => "a source database is never written to",
        }
    }

    /// Who can change the answer, and how.
    pub fn who_can_change_it(self) -> &'static str {
        match self {
            Self::RoleIsSource => {
                "only the owner of multiboard-sync.toml, by giving the connection another role"
            }
            Self::SeveralHosts | Self::Hostaddr => {
                "whoever owns the connection's URL, by leaving one plain host in it"
            }
            Self::NoAddress | Self::MixedAddresses => {
                "whoever runs the name service or /etc/hosts; or name an address instead"
            }
            Self::NotListed | Self::LoopbackTurnedOff | Self::Managed | Self::OtherCluster => {
                "only the owner of multiboard-sync.toml on this machine, by an entry in [destinations].allow; \
                 no flag, environment variable or request can"
            }
            Self::AddressNotJudged | Self::AnotherServerAnswers => {
                "nobody: run the command again, so that the server which answers now is judged"
            }
            Self::ClusterOfASource | Self::IsTheSource => "nobody: this rule has no override",
        }
    }
}
