//! Owns the `data` of the notifier's two families, which is the same.
//! The notifier writes it; dashboards and the audit read who was told.
//! It never holds a message's text, nor an address with a secret in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event_type::EventType;

words! {
    /// Names a way to tell somebody.
    pub enum Channel {
        /// A Slack incoming webhook.
        Slack = "slack",
        /// A mail.
        Email = "email",
        /// A signed generic webhook.
        Webhook = "webhook",
        /// A `PagerDuty` event.
        PagerDuty = "pagerduty",
        /// A line in the notifier's log.
        Log = "log",
    }
}

words! {
    /// Says how urgent a notification is.
    pub enum NotificationSeverity {
        /// Worth knowing.
        Info = "info",
        /// Something went well.
        Success = "success",
        /// Somebody should look.
        Warning = "warning",
        /// Somebody must act.
        Critical = "critical",
    }
}

/// Carries the `data` of `notification:sent` and `notification:failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    /// The deployment.
    pub deployment_id: String,
    /// The `id` of the event somebody was told about.
    pub trigger_event_id: String,
    /// The type of that event.
    pub trigger_event_type: EventType,
    /// The receiver, by the name configuration gives it.
    pub receiver: String,
    /// How it was told.
    pub channel: Channel,
    /// The address, without secrets.
    pub target: String,
    /// How urgent it was.
    pub severity: NotificationSeverity,
    /// Which attempt this was; the first is 1.
    pub attempt: u32,
    /// Why the receiver could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}
