use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::exit;

use clap::Parser;
use smsgw::mqtt::broker::SharedAccount;
use smsgw::rate::RateLimit;

/// An SMS gateway to try: everything in one process, nothing to set up.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, args_override_self = true)]
pub(crate) struct Flags {
    /// Where to keep the database, the token and the simulated phones
    #[arg(long, value_name = "DIR", default_value = "./smsgw-demo")]
    pub(crate) data: PathBuf,
    /// Where applications reach the gateway; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", env = "HTTP_ADDR", default_value = "127.0.0.1:8000")]
    pub(crate) http: SocketAddr,
    /// Where devices reach the gateway; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:1883")]
    pub(crate) mqtt: SocketAddr,
    /// How many simulated phones to start
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub(crate) devices: u16,
    /// Print one line of JSON instead of words
    #[arg(long)]
    pub(crate) json: bool,
    /// How fast each device may be given messages, as 10/s, 10/m or 100/h
    #[arg(long, value_name = "RATE", env = "RATE_LIMIT")]
    pub(crate) rate_limit: Option<RateLimit>,
    /// Listen beyond this machine, although nothing is encrypted
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    /// The account that devices of the original protocol share; none without it
    #[arg(long, value_name = "NAME", env = "MQTT_USERNAME", requires = "mqtt_password")]
    mqtt_username: Option<String>,
    /// Its password
    #[arg(long, value_name = "PASSWORD", env = "MQTT_PASSWORD", hide_env_values = true)]
    mqtt_password: Option<String>,
}

impl Flags {
    /// Reads the command line and the environment; ends the process where something is wrong, with one sentence.
    pub(crate) fn read() -> Self {
        let flags = Self::try_parse().unwrap_or_else(|error| {
            let text = error.to_string();
            if !error.use_stderr() {
                print!("{text}");
                exit(0);
            }
            let line: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("smsgw: {}; try --help", line.join(" ").trim_start_matches("error: "));
            exit(2);
        });
        let is_open = |address: SocketAddr| !address.ip().is_loopback() && !flags.allow_insecure;
        if let Some(address) = [flags.http, flags.mqtt].into_iter().find(|address| is_open(*address)) {
            eprintln!(
                "smsgw: other machines reach {address}, unencrypted; add --allow-insecure to want that"
            );
            exit(78);
        }
        flags
    }

    pub(crate) fn shared_account(&self) -> Option<SharedAccount> {
        let (username, password) = (self.mqtt_username.clone()?, self.mqtt_password.clone()?);
        Some(SharedAccount { username, password: password.into() })
    }
}
