use clap::Args;

use crate::base::SecretSource;

/// Flags of every program that shows a page beside its health.
#[derive(Debug, Clone, Args)]
pub(super) struct PageArgs {
    /// Serve no page beside /healthz, /readyz and /metrics
    #[arg(long, env = "DELTAWAVE_NO_PAGE")]
    no_page: bool,
    /// What whoever wants the page, its data or /metrics has to show, in the header Authorization or at the page's login; 16
    /// characters at least: as it is, file:PATH, or keyvault:NAME; read again every minute [default: everybody may look]
    #[arg(long, env = "DELTAWAVE_HTTP_TOKEN", value_name = "SECRET", hide_env_values = true)]
    http_token: Option<SecretSource>,
}

/// What is shown over HTTP beside health, and to whom.
#[derive(Debug, Clone, Default)]
pub struct PageSettings {
    /// Whether there is no page.
    pub hidden: bool,
    /// What opens the page, its data and the metrics.
    pub token: Option<SecretSource>,
}

impl PageArgs {
    /// The secret among them.
    pub(super) fn secret(&self) -> Option<&SecretSource> {
        self.http_token.as_ref()
    }

    /// The settings.
    pub(super) fn check(self) -> PageSettings {
        PageSettings { hidden: self.no_page, token: self.http_token }
    }
}
