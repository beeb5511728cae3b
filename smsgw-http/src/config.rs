use std::sync::Arc;

use smsgw_core::guard::BrokerGuard;
use smsgw_core::rate::RateLimit;

/// What an API may be told beside its gateway. The default: no rate, and no broker that asks.
#[derive(Debug, Clone, Default)]
pub struct ApiConfig {
    /// How many requests an account may send to this gateway; each gateway counts for itself.
    pub account_rate: Option<RateLimit>,
    /// Answers `POST /mqtt/auth` and `POST /mqtt/acl`; without it there are no such routes.
    pub guard: Option<Arc<dyn BrokerGuard>>,
    /// What the pages for people say, where the feature `dashboard` is there.
    pub dashboard: DashboardConfig,
}

/// What a dashboard may be told.
#[derive(Debug, Clone, Default)]
pub struct DashboardConfig {
    /// The address that phones connect to, as `mqtt://sms.example.org:1883`, for the page that pairs one. Without it the page
    /// says nothing of the server.
    pub devices_connect_to: Option<String>,
}
