//! Plain HTTP to the API server, through a `kubectl proxy` of our own: thousands of small requests, and no client to
//! build.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::node::Node;

const NOT_READY: Duration = Duration::from_secs(30);

pub(crate) struct Api {
    proxy: Child,
    address: String,
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Api {
    pub(crate) fn open(node: &Node) -> Result<Self> {
        let mut command = node.kubectl();
        command.args(["proxy", "--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut proxy = command.spawn().context("start kubectl proxy")?;
        let mut line = String::new();
        if let Some(stdout) = proxy.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        if !address.contains(':') {
            bail!("kubectl proxy said {line:?}");
        }
        Ok(Self { proxy, address })
    }

    /// Status and body of an answer; the body is JSON. A server that is not ready for a kind yet (429) is asked again.
    pub(crate) fn send(&self, method: &str, path: &str, content: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let began = Instant::now();
        loop {
            let answer = self.once(method, path, content, body)?;
            if answer.0 != 429 || began.elapsed() > NOT_READY {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn once(&self, method: &str, path: &str, content: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let what = || format!("{method} {path}");
        let mut stream = TcpStream::connect(&self.address).with_context(what)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: {content}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).with_context(what)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(what)?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").with_context(what)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(what)?;
        let value = if body.trim().is_empty() { Value::Null } else { serde_json::from_str(body).with_context(what)? };
        Ok((status, value))
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.done("GET", path, "application/json", None)
    }

    pub(crate) fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.done("POST", path, "application/json", Some(object))
    }

    /// Creates it, or leaves what is there.
    pub(crate) fn ensure(&self, path: &str, object: &Value) -> Result<()> {
        match self.send("POST", path, "application/json", Some(object))? {
            (200..=299 | 409, _) => Ok(()),
            (status, value) => bail!("POST {path}: {status} {value}"),
        }
    }

    pub(crate) fn patch(&self, path: &str, change: &Value) -> Result<Value> {
        self.done("PATCH", path, "application/merge-patch+json", Some(change))
    }

    /// At once, whatever a node would have to say.
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
            "propagationPolicy": "Background"});
        match self.send("DELETE", path, "application/json", Some(&options))? {
            (200..=299 | 404 | 409, _) => Ok(()),
            (status, value) => bail!("DELETE {path}: {status} {value}"),
        }
    }

    fn done(&self, method: &str, path: &str, content: &str, body: Option<&Value>) -> Result<Value> {
        match self.send(method, path, content, body)? {
            (200..=299, value) => Ok(value),
            (status, value) => {
                let message = value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
                bail!("{method} {path}: {status} {message}")
            }
        }
    }
}
