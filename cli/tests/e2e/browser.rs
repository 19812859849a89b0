//! A real browser: headless Chromium, driven over WebDriver, with a profile of its own that goes with the story.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::json;
use thirtyfour::{ChromeCapabilities, ChromiumLikeCapabilities, WebDriver, prelude::*};

use crate::world::{World, until};

/// One window of one browser.
pub struct Browser {
    pub driver: WebDriver,
    /// The program that speaks WebDriver and starts the browser.
    process: Child,
    /// Kept open: it would end at its first word into a closed pipe.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// Starts a browser. `scripts`: whether pages may run JavaScript.
    pub async fn start(world: &World, scripts: bool) -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", world.path("")).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("chromedriver is installed: dev/setup.sh does it");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let mut wishes = ChromeCapabilities::new();
        let profile = format!("--user-data-dir={}", world.path("browser").display());
        // As root there is no sandbox to be had; nothing is looked up outside, since there is nothing outside.
        for flag in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,1400",
            "--hide-scrollbars",
            &profile,
        ] {
            wishes.add_arg(flag).unwrap();
        }
        let address = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let driver = WebDriver::new(address, wishes).await.unwrap();
        let browser = Self { driver, process, _said: said };
        if !scripts {
            browser.tools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
        }
        browser
    }

    async fn tools(&self, command: &str, parameters: serde_json::Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    /// Whether the reader's system is dark.
    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.tools("Emulation.setEmulatedMedia", features).await;
    }

    /// As wide as a phone from here on.
    pub async fn phone(&self) {
        let size = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true});
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Lets a file fall on an element, as if it came from the desktop.
    pub async fn drop_file(&self, selector: &str, file: &Path) {
        let place = self.find(selector).await.rect().await.unwrap();
        let (x, y) = (place.x + place.width / 2.0, place.y + place.height / 2.0);
        for kind in ["dragEnter", "dragOver", "drop"] {
            let data = json!({"items": [], "files": [file], "dragOperationsMask": 1});
            self.tools("Input.dispatchDragEvent", json!({"type": kind, "x": x, "y": y, "data": data})).await;
        }
    }

    /// How bright the page's ground is, from 0 to 255.
    pub async fn brightness(&self) -> u32 {
        let script = "return getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).backgroundColor";
        let said: String = self.driver.execute(script, vec![]).await.unwrap().convert().unwrap();
        // Whichever of the two is not transparent: rgb(r, g, b).
        let colour = said.split("rgb(").nth(1).unwrap_or_else(|| panic!("{said}")).split(')').next().unwrap();
        colour.split(", ").map(|part| part.parse::<u32>().unwrap()).sum::<u32>() / 3
    }

    /// The one element that a selector names.
    pub async fn find(&self, selector: &str) -> WebElement {
        self.driver.find(By::Css(selector)).await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// The text of an element as it is seen.
    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    /// Waits until an element shows a text.
    pub async fn shows(&self, selector: &str, what: &str) {
        until(&format!("{selector} shows {what}"), async || {
            // The page may be drawn anew between the two calls.
            let element = self.driver.find(By::Css(selector)).await.ok()?;
            element.text().await.ok()?.contains(what).then_some(())
        })
        .await;
    }

    /// Whether pictures are wished for.
    pub fn takes_pictures(&self) -> bool {
        std::env::var_os("PIPELINEX_PICTURES").is_some()
    }

    /// Saves what is seen, where the pictures of the documentation are wished for.
    pub async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PIPELINEX_PICTURES") {
            self.driver.screenshot(&Path::new(&folder).join(format!("{name}.png"))).await.unwrap();
        }
    }

    /// Closes it.
    pub async fn close(mut self) {
        self.driver.clone().quit().await.unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
