//! A real Chromium without a window, asked over WebDriver: it looks at the server's page, types and clicks as a person does.
//!
//! Colours and widths are those of devices; what the browser complains of (scripts that fail, what the page's policy forbids) is kept.

use std::path::{Path, PathBuf};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::keeper::{Folder, Keeper};
use super::{eventually, installation, missing};

/// What a keyboard has beside letters (WebDriver, "keyboard actions").
pub const TAB: char = '\u{E004}';
pub const ENTER: char = '\u{E007}';
pub const ESCAPE: char = '\u{E00C}';
pub const SPACE: char = ' ';

/// Both widths that pictures are taken in, with their heights.
const SIZES: [(&str, u32, u32); 2] = [("desktop", 1200, 800), ("phone", 360, 740)];

/// A browser with one page. It ends, with all its processes, when dropped or when this process ends.
pub struct Browser {
    client: Client,
    _keeper: Keeper,
}

impl Browser {
    /// Starts one; `None` (after a loud line) where there is no Chromium.
    pub async fn start() -> Option<Self> {
        let (Some(driver), Some(chromium)) =
            (installation::program("chromedriver"), installation::program("chromium"))
        else {
            return missing("chromium and chromedriver", "scripts/setup tests");
        };
        let keeper = Self::driver(&driver);
        let profile = format!("--user-data-dir={}/profile", keeper.folder().display());
        let log = std::fs::read_to_string(keeper.folder().join("server.log")).unwrap();
        let port = log.split("successfully on port ").nth(1).unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        // Without its sandbox, which root may not have; the page is our own.
        let wanted = json!({
            "goog:chromeOptions": {"binary": chromium, "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-breakpad", "--disable-gpu",
                "--no-first-run", "--hide-scrollbars", profile,
            ]},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(wanted) = wanted else { unreachable!("it is an object") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted);
        let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("a browser");
        let browser = Self { client, _keeper: keeper };
        browser.looks("desktop", "light").await;
        Some(browser)
    }

    /// chromedriver, with a group of its own, in which all of the browser's processes are.
    fn driver(program: &Path) -> Keeper {
        let start = r#"
            export HOME="$FOLDER" TMPDIR="$FOLDER"
            setsid "$DRIVER" --port=0 >"$FOLDER/server.log" 2>&1 & driver=$!
            for _ in $(seq 300); do
                grep -q 'successfully on port' "$FOLDER/server.log" && break
                kill -0 "$driver" || break
                sleep 0.05
            done
            grep -q 'successfully on port' "$FOLDER/server.log""#;
        let stop = r#"kill -s KILL -- "-$driver"; wait "$driver""#;
        // The port is its choice: one of IPv6, which may be taken in IPv4. Then another one.
        let mut attempts = 10;
        loop {
            attempts -= 1;
            match Keeper::start(Folder::create(), start, stop, &[("DRIVER", program.as_os_str())]) {
                Ok(keeper) => return keeper,
                Err(text) if attempts > 0 && text.contains("Address already in use") => {}
                Err(text) => panic!("chromedriver did not start:\n{text}"),
            }
        }
    }

    /// Goes to an address.
    pub async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// What a script returns.
    pub async fn js(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// The text of the first element that is shown; nothing where there is none.
    pub async fn text(&self, css: &str) -> String {
        let script = "const shown = [...document.querySelectorAll(arguments[0])].find((one) => one.checkVisibility()); return shown?.innerText ?? ''";
        let text = self.client.execute(script, vec![css.into()]).await.unwrap();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element shows this text.
    pub async fn sees(&self, css: &str, wanted: &str) {
        self.sees_that(css, &format!("{css} with {wanted:?}"), |text| text.contains(wanted)).await;
    }

    /// Waits until an element's text is as it should be. The whole page is in the message of a wait that gives up.
    pub async fn sees_that(&self, css: &str, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(what, async || {
            let text = self.text(css).await;
            if wanted(&text) {
                return Ok(text);
            }
            Err(format!("{text:?} on\n{}\n{:?}", self.text("body").await, self.complaints().await))
        })
        .await
    }

    /// Waits until there is no such element to be seen.
    pub async fn sees_no(&self, css: &str) {
        eventually(&format!("page without {css}"), async || match self.has(css).await {
            false => Ok(()),
            true => Err(self.text("body").await),
        })
        .await;
    }

    /// Whether there is such an element to be seen.
    pub async fn has(&self, css: &str) -> bool {
        let script =
            "return [...document.querySelectorAll(arguments[0])].some((one) => one.checkVisibility())";
        self.client.execute(script, vec![css.into()]).await.unwrap() == true
    }

    /// Clicks, as soon as that can be clicked.
    pub async fn click(&self, css: &str) {
        eventually(&format!("a click on {css}"), async || {
            let element = self.client.find(Locator::Css(css)).await.map_err(|error| error.to_string())?;
            if !element.is_enabled().await.map_err(|error| error.to_string())? {
                return Err("disabled".to_owned());
            }
            element.click().await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Types into a field, in place of what is in it.
    pub async fn fill(&self, css: &str, text: &str) {
        eventually(&format!("text in {css}"), async || {
            let element = self.client.find(Locator::Css(css)).await.map_err(|error| error.to_string())?;
            element.clear().await.map_err(|error| error.to_string())?;
            element.send_keys(text).await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn keys(&self, keys: impl IntoIterator<Item = char>) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Where the focus is, as a selector would say it; with the text of what can be pressed.
    pub async fn focus(&self) -> String {
        let script = "const at = document.activeElement; const text = at.matches('a, button, summary') ? ' ' + at.innerText.trim() : ''; \
            return [at.tagName.toLowerCase(), at.id && '#' + at.id, at.name && '[' + at.name + ']', text].filter(Boolean).join('')";
        self.js(script).await.as_str().unwrap_or_default().trim().to_owned()
    }

    /// Presses Tab until the focus is where it should be.
    pub async fn tab_to(&self, wanted: &str) {
        let mut passed = Vec::new();
        for _ in 0..60 {
            let at = self.focus().await;
            if at.contains(wanted) {
                return;
            }
            passed.push(at);
            self.keys([TAB]).await;
        }
        panic!("Tab never comes to {wanted:?}, only to {passed:#?}");
    }

    /// Looks through another device: `desktop` or `phone`, in `light` or `dark`.
    pub async fn looks(&self, size: &str, colours: &str) {
        let (_, width, height) = SIZES.into_iter().find(|(name, ..)| *name == size).unwrap();
        self.is_wide(width, height).await;
        let features = json!([{"name": "prefers-color-scheme", "value": colours}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features})).await;
    }

    /// As somebody has it who wants nothing to move.
    pub async fn keeps_still(&self) {
        let features = json!([{"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features})).await;
    }

    /// Makes the page so wide and high.
    pub async fn is_wide(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// Pictures of the whole page, on each device and in each light: `target/screenshots/NAME-phone-dark.png`. It has to fit.
    pub async fn pictures(&self, name: &str) {
        for (size, ..) in SIZES {
            for colours in ["light", "dark"] {
                self.picture(name, size, colours).await;
            }
        }
        self.looks("desktop", "light").await;
    }

    /// [`Browser::pictures`], but for each device and each light only once.
    pub async fn two_pictures(&self, name: &str) {
        self.picture(name, "phone", "dark").await;
        self.picture(name, "desktop", "light").await;
        self.looks("desktop", "light").await;
    }

    async fn picture(&self, name: &str, size: &str, colours: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let (_, width, least) = SIZES.into_iter().find(|(name, ..)| *name == size).unwrap();
        self.looks(size, colours).await;
        let size_of = "const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]";
        let (wide, height): (u32, u32) = serde_json::from_value(self.js(size_of).await).unwrap();
        assert_eq!(wide, width, "{name} is wider than a {size}");
        self.is_wide(width, height.clamp(least, 3000)).await;
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}-{size}-{colours}.png")), picture).unwrap();
    }

    /// What the browser complained of since it was last asked, but for connections that a test has cut itself.
    pub async fn complaints(&self) -> Vec<String> {
        let asked = Asked { path: "se/log", body: json!({"type": "browser"}) };
        let lines = self.client.issue_cmd(asked).await.unwrap();
        let lines = lines.as_array().cloned().unwrap_or_default();
        let severe = lines.iter().filter(|line| line["level"] == "SEVERE");
        severe.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Asked { path: "goog/cdp/execute", body }).await.unwrap()
    }
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct Asked {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Asked {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
