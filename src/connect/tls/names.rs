//! Whether a certificate is for a host, by libpq's rules: alternative names of the host's kind, else the common name.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

/// `Err` holds the names that the certificate is for.
pub(super) fn check(certificate: &X509Certificate<'_>, host: &str) -> Result<(), Vec<String>> {
    let address = host.parse::<IpAddr>().ok();
    let mut presented = Vec::new();
    let (mut matched, mut same_kind) = (false, false);
    let names = certificate.subject_alternative_name().ok().flatten();
    for name in names.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(pattern) => {
                same_kind |= address.is_none();
                matched |= fits(pattern, host);
                presented.push((*pattern).to_owned());
            }
            GeneralName::IPAddress(bytes) => {
                let ip = ip_of(bytes);
                same_kind |= address.is_some();
                matched |= ip.is_some() && ip == address;
                presented.extend(ip.map(|ip| ip.to_string()));
            }
            _ => {}
        }
    }
    if !matched && !same_kind {
        let common = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        if let Some(common) = common {
            matched = fits(common, host);
            presented.push(common.to_owned());
        }
    }
    if presented.is_empty() {
        presented.push("no host at all".to_owned());
    }
    if matched { Ok(()) } else { Err(presented) }
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Equal without case, or a `*` as the whole first label, which stands for one label (never for part of an address).
fn fits(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|suffix| suffix.len() > 1 && suffix.starts_with('.'))
    else {
        return false;
    };
    match host.find('.') {
        Some(dot) if dot > 0 && host.parse::<IpAddr>().is_err() => {
            host.get(dot..).is_some_and(|rest| rest.eq_ignore_ascii_case(suffix))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn wildcards_stand_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example.com", "DB.example.COM", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("d*.example.com", "db.example.com", false),
            ("*", "localhost", false),
            ("*.", "a.", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, host), expected, "{pattern} {host}");
        }
    }
}
