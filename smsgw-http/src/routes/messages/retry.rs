use axum::extract::State;
use axum::response::Response;
use smsgw_core::gateway::{Retried, Submitted};
use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::message::Message;

use super::{Sender, accepted, outcome};
use crate::problem::{Code, Problem};
use crate::router::Api;
use crate::routes::Id;
use crate::views::MessageView;

/// Send a message again
///
/// As a new message with the same text, number, SIM and time to live, and the same device where one was asked for. The old one must
/// be over and not delivered: `failed`, `undelivered`, `expired`, `canceled` or `unknown`; of one that is `unknown` the recipient may
/// have got the first already. Asking again for the same message within 24 hours makes no other one and answers with the new one; to send it once
/// more, retry the new one, or give another `Idempotency-Key`.
#[utoipa::path(
    post, path = "/messages/{id}/retry", tag = "messages", operation_id = "retry_message",
    security(("token" = ["messages:write"])),
    params(
        ("id" = String, Path, description = "The message", format = "uuid"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 ASCII characters", max_length = 255, pattern = "^[ -~]+$"),
    ),
    responses(
        (status = 202, description = "The new message is stored and on its way", body = MessageView, headers(("Location" = String, description = "Where to look at it"))),
    ),
)]
pub(super) async fn retry(
    State(api): State<Api>,
    sender: Sender,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
    let Sender { account, key, run } = sender;
    let message = again(&api, account, id, key.as_deref()).await?;
    drop(run);
    accepted(&message)
}

/// The new message that the old one made.
pub(crate) async fn again(
    api: &Api,
    account: AccountId,
    id: MessageId,
    key: Option<&str>,
) -> Result<Message, Problem> {
    match api.handle.retry(account, id, key).await?.ok_or_else(Problem::not_found)? {
        Retried::Submitted(Submitted::UnknownDevice) => Err(Problem::new(
            Code::NothingToRetry,
            "the device that it was to go to is no more; send it to another",
        )),
        Retried::Submitted(submitted) => outcome(Some(submitted), true),
        Retried::NotOver(_) => Err(Problem::new(Code::NotOver, "wait for its end, or cancel it first")),
        Retried::Nothing(_) => Err(Problem::new(
            Code::NothingToRetry,
            "it was sent already, or its text was erased; look at the message",
        )),
    }
}
