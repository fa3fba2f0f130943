//! The parameters of a connection by name: which there are, where each value comes from, and words read as values.

use std::collections::BTreeMap;

use super::{Environment, Error, parse, service};

/// Every parameter with its variable (manual, "Parameter Key Words" and "Environment Variables").
const PARAMETERS: &[(&str, &str)] = &[
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("client_encoding", ""),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("fallback_application_name", ""),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("require_auth", "PGREQUIREAUTH"),
    ("service", "PGSERVICE"),
    ("servicefile", ""),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("tcp_user_timeout", ""),
    ("user", "PGUSER"),
];

/// libpq's parameters that we refuse by name: leaving one out could weaken what the user asked for.
const UNSUPPORTED: &[&str] = &[
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "replication",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslpassword",
];

/// The same, set through variables.
const UNSUPPORTED_VARIABLES: &[(&str, &str)] =
    &[("PGREQUIREPEER", "requirepeer"), ("PGSSLCRL", "sslcrl"), ("PGSSLCRLDIR", "sslcrldir")];

/// Whether a parameter has this name, supported or not.
pub(super) fn is_known(name: &str) -> bool {
    PARAMETERS.iter().any(|(known, _)| *known == name) || UNSUPPORTED.contains(&name)
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Origin {
    String,
    Beside,
    Service(String),
    Environment,
}

/// The parameters, each from the first source that has it.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, (String, Origin)>);

impl Parameters {
    fn add(&mut self, given: &[(String, String)], origin: &Origin) -> Result<(), Error> {
        let mut these = BTreeMap::new();
        for (name, value) in given {
            if let Some(name) = UNSUPPORTED.iter().find(|known| *known == name) {
                return Err(Error::Unsupported(name));
            }
            let known = PARAMETERS.iter().find(|(known, _)| known == name);
            let (name, _) = known.ok_or_else(|| Error::UnknownParameter(shown(name)))?;
            these.insert(*name, (value.clone(), origin.clone()));
        }
        for (name, value) in these {
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// A value with where it came from, an empty one too.
    pub(super) fn with_origin(&self, name: &str) -> Option<(&str, &Origin)> {
        self.0.get(name).map(|(value, origin)| (value.as_str(), origin))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A name as it was written, with nothing that could break a line.
fn shown(name: &str) -> String {
    name.chars().take(63).flat_map(char::escape_default).collect()
}

/// All parameters: what stands beside the string, in it, in the service file, in the environment.
pub(super) fn gather(
    text: &str,
    beside: &[(String, String)],
    environment: &Environment,
) -> Result<Parameters, Error> {
    let mut parameters = Parameters::default();
    parameters.add(beside, &Origin::Beside)?;
    parameters.add(&parse::given(text)?, &Origin::String)?;
    let service = parameters.get("service").or_else(|| environment.get("PGSERVICE")).map(str::to_owned);
    if let Some(name) = service {
        let given = service::section(&name, parameters.get("servicefile"), environment)?;
        parameters.add(&given, &Origin::Service(name))?;
    }
    for (variable, parameter) in UNSUPPORTED_VARIABLES {
        if environment.get(variable).is_some() {
            return Err(Error::Unsupported(parameter));
        }
    }
    for (name, variable) in PARAMETERS {
        if let Some(value) = environment.get(variable) {
            parameters.add(&[((*name).to_owned(), value.to_owned())], &Origin::Environment)?;
        }
    }
    Ok(parameters)
}

pub(super) fn seconds(parameters: &Parameters, name: &'static str) -> Result<Option<i64>, Error> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    match text.trim().parse::<i32>() {
        Ok(value) => Ok(Some(value.into())),
        Err(_) => Err(Error::Value { parameter: name, expected: "a whole number".to_owned() }),
    }
}

pub(super) fn one_of<T: Copy>(
    parameters: &Parameters,
    name: &'static str,
    default: T,
    words: &[(&str, T)],
) -> Result<T, Error> {
    let Some(text) = parameters.get(name) else { return Ok(default) };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Error::Value { parameter: name, expected: format!("one of {}", words.join(", ")) }
    })
}

pub(super) fn accept_only(parameters: &Parameters, name: &'static str, words: &[&str]) -> Result<(), Error> {
    let words: Vec<_> = words.iter().map(|word| (*word, ())).collect();
    one_of(parameters, name, (), &words)
}
