//! SMS that the devices have received, newest first.

use axum::extract::State;
use axum::response::Response;
use maud::html;
use smsgw_core::store::InboxQuery;

use super::layout::{Place, next, page, time};
use super::messages::{devices, name_of};
use super::refusal::Refusal;
use super::session::Visitor;
use crate::auth::InboxRead;
use crate::page::{Parameters, encode};
use crate::router::Api;

/// The name of the list in its cursors.
const LIST: &str = "inbox";
/// Rows of a page.
const ROWS: usize = 50;

/// `GET /dashboard/inbox`
pub(super) async fn list(
    State(api): State<Api>,
    visitor: Visitor<InboxRead>,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let given = parameters.filled().only(&["device_id", "cursor"])?;
    let after = given.cursor(LIST, visitor.account)?;
    let query =
        InboxQuery { account: visitor.account, device: given.parse("device_id")?, after, limit: ROWS };
    let found = api.handle.inbox(&query).await?;
    let devices = devices(&api, &visitor).await?;
    let device = query.device.map(|device| format!("device_id={device}&")).unwrap_or_default();
    let older = found
        .next
        .map(|cursor| format!("/dashboard/inbox?{device}cursor={}", encode(LIST, visitor.account, cursor)));
    let body = html! {
        h1 { "Inbox" }
        div #inbox hx-get={ "/dashboard/inbox?" (device) } hx-trigger=[after.is_none().then_some("every 5s")] hx-select="#inbox > *" hx-swap="innerHTML" {
            div #received.scroll tabindex="0" role="region" aria-label="Received SMS" {
                @if found.items.is_empty() { p.empty { "Nothing was received yet." } } @else {
                    table {
                        thead { tr { th scope="col" { "Received (UTC)" } th scope="col" { "From" } th scope="col" { "Text" } th scope="col" { "Device" } } }
                        tbody { @for sms in &found.items { tr {
                            td { (time(sms.received_at)) }
                            td.number { (sms.from) }
                            td.text.whole { @if sms.erased_at.is_some() { span.quiet { "erased" } } @else { (sms.body) } }
                            td { (name_of(Some(sms.device), &devices)) @if let Some(sim) = sms.sim { " SIM " (sim) } }
                        } } }
                    }
                }
            }
            (next(older))
        }
    };
    Ok(page(&visitor, Place::Inbox, "Inbox", body))
}
