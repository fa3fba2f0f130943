//! TLS against real servers whose certificates a test authority made: every sslmode, every way to be wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use multiboard_sync::connect::{self, Environment, Error, Options, RawConnection, Settings};
use multiboard_sync::failure::chain;
use multiboard_sync::pg::Sql;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::Server;
use crate::support::server::Settings as Cluster;

const HBA: &str = "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\n\
                   hostssl all scram 127.0.0.1/32 scram-sha-256\nhostssl all clear 127.0.0.1/32 password\n\
                   hostnossl all plain 127.0.0.1/32 trust\nhostssl all secure 127.0.0.1/32 trust\n\
                   hostssl all holder 127.0.0.1/32 cert\n";

/// An authority, and a folder with its certificate.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

pub(crate) struct Made {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.crt"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn root(&self) -> String {
        self.folder.path().join("root.crt").to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn make(
        &self,
        common: &str,
        names: &[SanType],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Made {
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Made { certificate, key: key.serialize_pem() }
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub(crate) async fn server(major: u16, authority: &Authority, made: &Made) -> Option<Server> {
    let settings = Cluster::new()
        .set("ssl", "on")
        .set("ssl_cert_file", "../server.crt")
        .set("ssl_key_file", "../server.key")
        .set("ssl_ca_file", "../client-root.crt")
        .file("server.crt", made.certificate.as_bytes())
        .file("server.key", made.key.as_bytes())
        .file("client-root.crt", authority.issuer.pem().as_bytes())
        .hba(HBA);
    let server = Server::with(major, settings)?;
    server
        .execute(
            "CREATE ROLE scram LOGIN PASSWORD 'canary'; CREATE ROLE clear LOGIN PASSWORD 'canary'; \
             CREATE ROLE plain LOGIN; CREATE ROLE secure LOGIN; CREATE ROLE holder LOGIN",
        )
        .await;
    Some(server)
}

/// Whether the session is encrypted, or the whole error.
async fn encrypted(text: &str) -> Result<bool, String> {
    let options =
        Options::parse(text, &Environment::new([], Some("nobody"))).map_err(|error| error.to_string())?;
    let shown = |error: Error| {
        let text = format!("{} {error:?}", chain(&error));
        assert!(!text.contains("canary"), "{text}");
        chain(&error)
    };
    let connection = connect::source(&options, &Settings::default()).await.map_err(shown)?;
    let sql = Sql::fixed("SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()");
    let raw = RawConnection::source(&options, &Settings::default()).await.map_err(shown)?;
    raw.close().await;
    Ok(connection.query_one(&sql, &[]).await.map_err(shown)?.get(0))
}

fn at(server: &Server, host: &str, user: &str, rest: &str) -> String {
    let port = server.address().port();
    format!("host={host} hostaddr=127.0.0.1 port={port} user={user} dbname=postgres {rest}")
}

async fn expect_error(text: &str, part: &str) {
    match encrypted(text).await {
        Ok(_) => panic!("{text} did connect"),
        Err(error) => assert!(error.contains(part), "{text}: {error}"),
    }
}

#[tokio::test]
async fn every_sslmode_means_what_libpq_means() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    let names =
        [dns("db.example.com"), dns("*.wild.example.com"), SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    let made = authority.make("not.looked.at", &names, |_| {});
    let Some(server) = server(15, &authority, &made).await else { return };
    let (root, other) = (authority.root(), stranger.root());
    for (host, user, rest, expected) in [
        ("h", "postgres", "sslmode=disable".to_owned(), false),
        ("h", "postgres", "sslmode=allow".to_owned(), false),
        ("h", "secure", "sslmode=allow".to_owned(), true),
        ("h", "postgres", "sslmode=prefer".to_owned(), true),
        ("h", "plain", "sslmode=prefer".to_owned(), false),
        ("h", "postgres", "sslmode=require".to_owned(), true),
        ("h", "postgres", format!("sslmode=require sslrootcert={root}"), true),
        ("h", "postgres", format!("sslmode=prefer sslrootcert={other}"), true),
        ("h", "postgres", format!("sslmode=verify-ca sslrootcert={root}"), true),
        ("db.example.com", "postgres", format!("sslmode=verify-full sslrootcert={root}"), true),
        ("DB.Example.com", "postgres", format!("sslmode=verify-full sslrootcert={root}"), true),
        ("a.wild.example.com", "postgres", format!("sslmode=verify-full sslrootcert={root}"), true),
        ("127.0.0.1", "postgres", format!("sslmode=verify-full sslrootcert={root}"), true),
        ("h", "scram", "sslmode=require password=canary channel_binding=require".to_owned(), true),
        ("h", "scram", "sslmode=require password=canary channel_binding=disable".to_owned(), true),
        ("h", "clear", "sslmode=require password=canary".to_owned(), true),
        ("h", "postgres", "sslmode=require ssl_max_protocol_version=TLSv1.2".to_owned(), true),
        (
            "h",
            "scram",
            "sslmode=require ssl_min_protocol_version=TLSv1.3 password=canary channel_binding=require"
                .to_owned(),
            true,
        ),
    ] {
        let text = at(&server, host, user, &rest);
        assert_eq!(encrypted(&text).await, Ok(expected), "{text}");
    }
    for (host, user, rest, part) in [
        ("h", "plain", "sslmode=require".to_owned(), "no pg_hba.conf entry"),
        ("h", "secure", "sslmode=disable".to_owned(), "no pg_hba.conf entry"),
        ("h", "scram", "sslmode=prefer password=canary-wrong".to_owned(), "password authentication failed"),
        (
            "h",
            "postgres",
            format!("sslmode=require sslrootcert={other}"),
            "not signed by a trusted authority",
        ),
        (
            "h",
            "postgres",
            format!("sslmode=verify-ca sslrootcert={other}"),
            "not signed by a trusted authority",
        ),
        ("h", "postgres", "sslmode=verify-ca".to_owned(), "needs a root certificate file"),
        ("h", "postgres", "sslmode=verify-full sslrootcert=/nonexistent".to_owned(), "/nonexistent"),
        (
            "h",
            "postgres",
            "sslmode=verify-full sslrootcert=system".to_owned(),
            "not signed by a trusted authority",
        ),
        (
            "other.example.com",
            "postgres",
            format!("sslmode=verify-full sslrootcert={root}"),
            "not for host \"other.example.com\"",
        ),
        ("not.looked.at", "postgres", format!("sslmode=verify-full sslrootcert={root}"), "db.example.com"),
        ("h", "postgres", "sslmode=require sslnegotiation=direct".to_owned(), "no secure connection"),
        ("h", "holder", "sslmode=require".to_owned(), "certificate"),
    ] {
        expect_error(&at(&server, host, user, &rest), part).await;
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_key_must_be_private() {
    let authority = Authority::new("ours");
    let made = authority.make("db", &[dns("db")], |_| {});
    let Some(server) = server(15, &authority, &made).await else { return };
    let client = authority.make("holder", &[], |_| {});
    let certificate = authority.write("client.crt", &client.certificate, 0o644);
    for (mode, works) in [(0o600, true), (0o644, false)] {
        let key = authority.write("client.key", &client.key, mode);
        let text =
            at(&server, "db", "holder", &format!("sslmode=require sslcert={certificate} sslkey={key}"));
        if works {
            assert_eq!(encrypted(&text).await, Ok(true));
        } else {
            expect_error(&text, "group or world access").await;
        }
    }
}

#[tokio::test]
async fn old_and_odd_certificates() {
    let authority = Authority::new("ours");
    let expired = authority.make("db", &[dns("db")], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let Some(past) = server(15, &authority, &expired).await else { return };
    let root = authority.root();
    let full = format!("sslmode=verify-full sslrootcert={root}");
    expect_error(&at(&past, "db", "postgres", &full), "has expired").await;
    assert_eq!(encrypted(&at(&past, "db", "postgres", "sslmode=require")).await, Ok(true));

    let common = authority.make("common.example.com", &[], |_| {});
    let Some(only_common) = server(15, &authority, &common).await else { return };
    assert_eq!(encrypted(&at(&only_common, "common.example.com", "postgres", &full)).await, Ok(true));
    expect_error(&at(&only_common, "db", "postgres", &full), "common.example.com").await;

    // Signed by itself, and in the client's root file.
    let key = KeyPair::generate().unwrap();
    let alone = CertificateParams::new(["alone".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let file = authority.write("alone.crt", &alone, 0o644);
    let made = Made { certificate: alone, key: key.serialize_pem() };
    let Some(server) = server(15, &authority, &made).await else { return };
    let trusted = format!("sslmode=verify-full sslrootcert={file}");
    assert_eq!(encrypted(&at(&server, "alone", "postgres", &trusted)).await, Ok(true));
    expect_error(&at(&server, "other", "postgres", &trusted), "not for host").await;
    expect_error(&at(&server, "alone", "postgres", &full), "not signed by a trusted authority").await;
}

#[tokio::test]
async fn a_server_without_tls() {
    let Some(server) = crate::support::source(15) else { return };
    if !server.is_private() {
        return;
    }
    assert_eq!(encrypted(&at(server, "h", "postgres", "sslmode=prefer")).await, Ok(false));
    expect_error(&at(server, "h", "postgres", "sslmode=require"), "does not support TLS").await;
}

#[tokio::test]
async fn direct_tls_where_the_server_has_it() {
    let authority = Authority::new("ours");
    let made = authority.make("db", &[dns("db")], |_| {});
    let Some(server) = server(18, &authority, &made).await else { return };
    let root = authority.root();
    let text = at(
        &server,
        "db",
        "postgres",
        &format!("sslmode=verify-full sslrootcert={root} sslnegotiation=direct"),
    );
    assert_eq!(encrypted(&text).await, Ok(true));
}

/// Somebody in between: ends the client's TLS with a certificate of their own and opens another to the server.
async fn in_between(server: SocketAddr, made: &Made, authority: &Authority) -> (SocketAddr, JoinSet<()>) {
    let certificate = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.issuer.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    let sessions = async move {
        let mut sessions = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            sessions.spawn(between(client, server, acceptor.clone(), connector.clone()));
        }
    };
    tasks.spawn(sessions);
    (address, tasks)
}

/// One session's two halves; how it ends is the test's business.
async fn between(mut client: TcpStream, server: SocketAddr, acceptor: TlsAcceptor, connector: TlsConnector) {
    let mut request = [0; 8];
    client.read_exact(&mut request).await.unwrap();
    client.write_all(b"S").await.unwrap();
    let mut client = acceptor.accept(client).await.unwrap();
    let mut upstream = TcpStream::connect(server).await.unwrap();
    upstream.write_all(&request).await.unwrap();
    assert_eq!(upstream.read_u8().await.unwrap(), b'S');
    let mut upstream = connector.connect("db".try_into().unwrap(), upstream).await.unwrap();
    drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await);
}

#[tokio::test]
async fn a_password_is_bound_to_the_channel_wherever_the_server_offers_it() {
    let authority = Authority::new("ours");
    let made = authority.make("db", &[dns("db")], |_| {});
    let Some(server) = server(15, &authority, &made).await else { return };
    let stranger = authority.make("db", &[dns("db")], |_| {});
    let (address, _sessions) = in_between(server.address(), &stranger, &authority).await;
    let login = |port: u16, binding: &str| {
        format!(
            "host=db hostaddr=127.0.0.1 port={port} user=scram password=canary dbname=postgres sslmode=require{binding}"
        )
    };
    let port = server.address().port();
    for binding in ["", " channel_binding=prefer", " channel_binding=require", " channel_binding=disable"] {
        assert_eq!(encrypted(&login(port, binding)).await, Ok(true), "{binding}");
    }
    // Somebody in between with another certificate goes unnoticed only where nothing is bound.
    assert_eq!(encrypted(&login(address.port(), " channel_binding=disable")).await, Ok(true));
    for binding in ["", " channel_binding=prefer", " channel_binding=require"] {
        expect_error(&login(address.port(), binding), "channel binding check failed").await;
    }
}
