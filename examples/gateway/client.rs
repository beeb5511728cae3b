//! A client of a gateway's HTTP API, for the commands that ask one.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::demo::Demo;
use crate::exit::{FAILED, Failure, REFUSED, UNREACHABLE, USAGE, WAITING, ended};
use crate::flags::SettingFlags;
use crate::settings::{ClientSettings, Devices, exit_code};

const PATIENCE: Duration = Duration::from_secs(10);
const TOKEN: &str = "SMSGW_TOKEN";

/// Where the gateway is, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct ClientFlags {
    /// Where the gateway is reached; the default is the HTTP_ADDR of the settings here
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The API token; better off in the environment. In the demo its own is taken
    #[arg(long, value_name = "TOKEN", env = TOKEN, hide_env_values = true)]
    token: Option<String>,
    /// The CA that signed the gateway's certificate, a PEM file; else those of Mozilla's list are trusted
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Read this file instead of ./smsgw.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the demo keeps its token [default: ./smsgw-demo]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: String,
    devices: Devices,
}

impl Client {
    pub(crate) fn new(flags: &ClientFlags) -> Result<Self, Failure> {
        let settings = SettingFlags::of_client(flags.config.clone(), flags.data.clone());
        let settings = ClientSettings::read(&settings).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(exit_code(&problems), lines.join("\nsmsgw: "))
        })?;
        let url = flags.url.clone().unwrap_or(settings.url).trim_end_matches('/').to_owned();
        let uri: Option<Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(Uri::host);
        let is_http = matches!(uri.as_ref().and_then(Uri::scheme_str), Some("http" | "https"));
        let Some(host) = host.filter(|_| is_http) else {
            return Err(Failure::new(USAGE, "expected a --url as http://127.0.0.1:8000"));
        };
        let token = flags.token.clone().filter(|token| !token.is_empty());
        let token = match token.or_else(|| is_here(host).then(|| Demo::token(&settings.data)).flatten()) {
            Some(token) => token,
            None => {
                return Err(Failure::new(
                    REFUSED,
                    format!("no token: set {TOKEN}; `gateway token` makes one"),
                ));
            }
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .tls_config(tls(flags.ca.as_deref())?);
        // What is on this machine is asked past the proxy of the environment, which is on another.
        if is_here(host) {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), url, token, devices: settings.devices })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// Asks the gateway; its refusal is a failure.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (status, answer) = self.exchange(method, path, body)?;
        if status.is_success() { Ok(answer) } else { Err(refusal(status, &answer)) }
    }

    /// Asks the gateway, whose refusal is an answer too; what is not JSON is `null`.
    pub(crate) fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token));
        let wrong = |_| Failure::new(USAGE, "the token has characters that none has");
        let answered = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(wrong)?)
            }
            None => self.agent.run(request.body(()).map_err(wrong)?),
        };
        let mut response = answered.map_err(|error| {
            let why =
                format!("no gateway answers at {} ({error}); start one, or see --url and --ca", self.url);
            Failure::new(UNREACHABLE, why)
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|error| {
            Failure::new(UNREACHABLE, format!("the answer broke off ({error}); try again"))
        })?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Where phones connect, as far as it can be known from here.
    pub(crate) fn server(&self) -> String {
        match &self.devices {
            Devices::Outside(server) => server.clone(),
            Devices::Embedded(port) => {
                let uri: Option<Uri> = self.url.parse().ok();
                format!("{}:{port}", uri.as_ref().and_then(Uri::host).unwrap_or("127.0.0.1"))
            }
        }
    }
}

/// Runs what asks a gateway, beside the runtime: it may wait.
pub(crate) async fn blocking(work: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> ExitCode {
    let outcome = tokio::task::spawn_blocking(work).await;
    ended(outcome.map_err(Box::<dyn Error>::from).and_then(|outcome| outcome.map_err(Into::into)))
}

/// The demo's token is for the demo: it goes to nobody else's machine.
fn is_here(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn tls(ca: Option<&std::path::Path>) -> Result<TlsConfig, Failure> {
    let mut config = TlsConfig::builder().provider(TlsProvider::Rustls);
    if let Some(path) = ca {
        let unreadable =
            |why: String| Failure::new(USAGE, format!("--ca {} cannot be read ({why})", path.display()));
        let pem = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let ca = Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
        config = config.root_certs(RootCerts::Specific(Arc::new(vec![ca])));
    }
    Ok(config.build())
}

/// What is said of a gateway that says no.
pub(crate) fn refusal(status: StatusCode, answer: &Value) -> Failure {
    let code = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => REFUSED,
        StatusCode::TOO_MANY_REQUESTS => WAITING,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            UNREACHABLE
        }
        _ => FAILED,
    };
    let said = |name: &str| answer[name].as_str();
    let mut why = format!("the gateway answers {}", status.as_u16());
    for part in [said("title"), said("detail")].into_iter().flatten() {
        why.push_str(": ");
        why.push_str(part);
    }
    if let Some(pointer) = said("pointer") {
        why.push_str(&format!(" (at {pointer})"));
    }
    Failure::new(code, why)
}
