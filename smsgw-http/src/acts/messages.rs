//! Erases messages.

use smsgw_core::audit::{Act, AuditAction};
use smsgw_core::id::MessageId;
use smsgw_core::store::Erased;

use super::whole;
use crate::auth::Who;
use crate::problem::{Code, Problem};
use crate::router::Api;

pub(crate) async fn erase(api: Api, who: Who, id: MessageId) -> Result<(), Problem> {
    whole(async move {
        let erased = api.handle.erase_message(who.account, id).await;
        if matches!(erased, Ok(Some(Erased::NotOver))) {
            return Err(Problem::new(Code::NotOver, "cancel it first, or wait for its end"));
        }
        let act =
            |_: Option<&Erased>| Act { target: Some(id.to_string()), ..who.did(AuditAction::EraseMessage) };
        api.noted(erased, act).await.map(drop)
    })
    .await
}
