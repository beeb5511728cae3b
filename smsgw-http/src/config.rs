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
}
