//! Which server is meant, and the token that is shown to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use super::error::Error;
use crate::secret::Secret;

/// A server, as a client reaches it.
#[derive(Clone, Debug)]
pub struct Server {
    url: Url,
    /// Shown with every request.
    pub(super) token: Option<Secret>,
}

impl Server {
    /// The server of this URL: `http://127.0.0.1:8080`, `https://sync.example.com`.
    ///
    /// # Errors
    /// The text is no URL of a server.
    pub fn at(text: &str) -> Result<Self, Error> {
        let wrong = || Error::NotAServer;
        let url = Url::parse(text).map_err(|_| wrong())?;
        let of_a_server = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        // A password in it would show in the list of processes, and in what is said of it here.
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !of_a_server || !bare {
            return Err(wrong());
        }
        Ok(Self { url, token: None })
    }

    /// The server of this machine that listens there. One that listens everywhere is reached over loopback.
    ///
    /// # Errors
    /// None that an address leads to.
    pub fn listening(listen: SocketAddr) -> Result<Self, Error> {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self::at(&format!("http://{}", SocketAddr::new(ip, listen.port())))
    }

    /// The same, with the token that it is shown.
    #[must_use]
    pub fn with_token(mut self, token: Option<Secret>) -> Self {
        self.token = token;
        self
    }

    /// Whether it is reached without leaving this machine.
    pub fn is_on_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Whether others on the way can read the token.
    pub fn is_in_the_open(&self) -> bool {
        self.url.scheme() == "http" && !self.is_on_loopback()
    }

    /// For people: where it is.
    pub fn place(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// A path of the API there. A proxy may have it below a path of its own.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.place())
    }

    /// The websocket there.
    pub(super) fn websocket(&self) -> String {
        // https becomes wss, http becomes ws.
        format!("ws{}/v1/ws", self.place().trim_start_matches("http"))
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn a_server_is_named_by_its_url() {
        let check = |url: &str, path: &str, websocket: &str, open: bool| {
            let server = Server::at(url).expect(url);
            assert_eq!((server.path("/v1/jobs").as_str(), server.websocket().as_str()), (path, websocket));
            assert_eq!(server.is_in_the_open(), open, "{url}");
        };
        check("http://127.0.0.1:80", "http://127.0.0.1/v1/jobs", "ws://127.0.0.1/v1/ws", false);
        check("http://[::1]:81/", "http://[::1]:81/v1/jobs", "ws://[::1]:81/v1/ws", false);
        check("http://h:81", "http://h:81/v1/jobs", "ws://h:81/v1/ws", true);
        check("https://h/sync/", "https://h/sync/v1/jobs", "wss://h/sync/v1/ws", false);
        for wrong in ["h:81", "127.0.0.1", "ftp://h", "http://me:secret@h", "http://h/?token=t"] {
            assert!(Server::at(wrong).is_err(), "{wrong}");
        }
        let everywhere = Server::listening("0.0.0.0:82".parse().expect("an address")).expect("a server");
        assert_eq!(everywhere.place(), "http://127.0.0.1:82");
    }
}
