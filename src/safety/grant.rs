//! The key to a writable connection. Only the policy makes one, so forgetting to ask does not compile.

use super::endpoint::Address;
use super::made::is_made_name_of;
use super::refusal::Refusal;
use super::rule::Rule;

/// Leave to write to one destination database and to what we make beside it, at the address that was judged.
///
/// Nobody else can make one:
///
/// ```compile_fail,E0451
/// use multiboard_sync::safety::WriteGrant;
/// fn for_another(given: WriteGrant) -> WriteGrant {
///     WriteGrant { database: "production".to_owned(), ..given }
/// }
/// ```
///
/// ```compile_fail,E0624
/// let forge = multiboard_sync::safety::WriteGrant::new;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteGrant {
    label: String,
    address: Address,
    database: String,
    maintenance: String,
    system_identifier: String,
}

impl WriteGrant {
    pub(super) fn new(
        label: String,
        address: Address,
        database: String,
        maintenance: String,
        system_identifier: String,
    ) -> Self {
        Self { label, address, database, maintenance, system_identifier }
    }

    /// The address to dial: the one that was judged, never a name that is resolved again.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The destination database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The database from which databases are created, renamed and dropped.
    pub fn maintenance(&self) -> &str {
        &self.maintenance
    }

    /// The cluster's identifier as the probing connection read it.
    pub fn system_identifier(&self) -> &str {
        &self.system_identifier
    }

    /// Whether a writable connection to this database is covered: the destination, its maintenance database, and
    /// databases that carry a name of ours derived from the destination's.
    pub fn allows(&self, database: &str) -> bool {
        database == self.database || database == self.maintenance || is_made_name_of(database, &self.database)
    }

    /// To be asked on every new connection: is this still the cluster that was judged?
    ///
    /// # Errors
    /// A refusal when another cluster answers at the address now.
    pub fn check_cluster(&self, system_identifier: &str) -> Result<(), Refusal> {
        if system_identifier == self.system_identifier {
            return Ok(());
        }
        let resolved = format!(
            "{} answers with system identifier {system_identifier}, it was {} when it was judged",
            self.address, self.system_identifier
        );
        Err(Refusal::new(Rule::AnotherServerAnswers, &self.label, &self.database, resolved))
    }
}
