//! Which addresses stay on this machine.

use std::net::IpAddr;

use super::endpoint::Address;

/// Whether an address is 127.0.0.0/8, ::1, either of them written as an IPv4-mapped IPv6 address, or a unix socket.
/// 0.0.0.0 and :: are not: they mean "any address", and where a packet to them goes is the system's choice.
pub fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Tcp(address) => match address.ip().to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;
    use crate::safety::Address;

    #[test]
    fn only_what_cannot_leave_the_machine_is_loopback() {
        for (address, expected) in [
            ("127.0.0.1:5432", true),
            ("127.255.255.254:5432", true),
            ("[::1]:5432", true),
            ("[::ffff:127.0.0.1]:5432", true),
            ("0.0.0.0:5432", false),
            ("[::]:5432", false),
            ("[::ffff:10.0.0.1]:5432", false),
            ("[::ffff:0:127.0.0.1]:5432", false),
            ("10.0.0.1:5432", false),
            ("128.0.0.1:5432", false),
            ("192.168.1.7:5432", false),
            ("169.254.169.254:5432", false),
            ("[fe80::1]:5432", false),
        ] {
            let tcp = Address::Tcp(address.parse().expect("test address"));
            assert_eq!(is_loopback(&tcp), expected, "{address}");
        }
        assert!(is_loopback(&Address::Unix("/var/run/postgresql".into())));
    }
}
