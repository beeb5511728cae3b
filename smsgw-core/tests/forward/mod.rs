//! Forwards what a wrapper of a store leaves as it is.

/// Everything of a store but its messages, for a wrapper whose field `inner` is the store.
macro_rules! forward_all_but_messages {
    ($wrapper:ty) => {
        #[async_trait::async_trait]
        impl smsgw_core::store::DeviceStore for $wrapper {
            async fn create_device(
                &self,
                device: &smsgw_core::device::Device,
            ) -> smsgw_core::error::Result<()> {
                self.inner.create_device(device).await
            }

            async fn update_device(
                &self,
                account: smsgw_core::id::AccountId,
                id: smsgw_core::id::DeviceId,
                patch: smsgw_core::store::DevicePatch,
            ) -> smsgw_core::error::Result<Option<smsgw_core::device::Device>> {
                self.inner.update_device(account, id, patch).await
            }

            async fn delete_device(
                &self,
                account: smsgw_core::id::AccountId,
                id: smsgw_core::id::DeviceId,
            ) -> smsgw_core::error::Result<bool> {
                self.inner.delete_device(account, id).await
            }

            async fn find_devices(
                &self,
                ids: &[smsgw_core::id::DeviceId],
            ) -> smsgw_core::error::Result<Vec<Option<smsgw_core::device::Device>>> {
                self.inner.find_devices(ids).await
            }

            async fn devices(
                &self,
                account: smsgw_core::id::AccountId,
                after: Option<smsgw_core::store::Cursor>,
                limit: usize,
            ) -> smsgw_core::error::Result<smsgw_core::store::Page<smsgw_core::device::Device>> {
                self.inner.devices(account, after, limit).await
            }

            async fn touch_devices(
                &self,
                seen: &[(
                    smsgw_core::id::DeviceId,
                    smsgw_core::time::Timestamp,
                    Option<Vec<smsgw_core::device::Sim>>,
                )],
            ) -> smsgw_core::error::Result<()> {
                self.inner.touch_devices(seen).await
            }

            async fn create_key(
                &self,
                key: &smsgw_core::device::DeviceKey,
            ) -> smsgw_core::error::Result<bool> {
                self.inner.create_key(key).await
            }

            async fn find_keys(
                &self,
                ids: &[smsgw_core::key::KeyId],
            ) -> smsgw_core::error::Result<Vec<Option<smsgw_core::device::DeviceKey>>> {
                self.inner.find_keys(ids).await
            }

            async fn keys(
                &self,
                device: smsgw_core::id::DeviceId,
            ) -> smsgw_core::error::Result<Vec<smsgw_core::device::DeviceKey>> {
                self.inner.keys(device).await
            }

            async fn valid_keys(
                &self,
                after: Option<smsgw_core::key::KeyId>,
                limit: usize,
                now: smsgw_core::time::Timestamp,
            ) -> smsgw_core::error::Result<Vec<(smsgw_core::device::DeviceKey, smsgw_core::device::Protocol)>>
            {
                self.inner.valid_keys(after, limit, now).await
            }

            async fn revoke_key(
                &self,
                device: smsgw_core::id::DeviceId,
                id: smsgw_core::key::KeyId,
                at: smsgw_core::time::Timestamp,
            ) -> smsgw_core::error::Result<bool> {
                self.inner.revoke_key(device, id, at).await
            }

            async fn reseal_keys(
                &self,
                keys: &[(smsgw_core::key::KeyId, smsgw_core::seal::Sealed)],
            ) -> smsgw_core::error::Result<()> {
                self.inner.reseal_keys(keys).await
            }

            async fn touch_key(
                &self,
                id: smsgw_core::key::KeyId,
                at: smsgw_core::time::Timestamp,
            ) -> smsgw_core::error::Result<()> {
                self.inner.touch_key(id, at).await
            }
        }

        #[async_trait::async_trait]
        impl smsgw_core::store::AccountStore for $wrapper {
            async fn ensure_account(
                &self,
                account: &smsgw_core::account::Account,
            ) -> smsgw_core::error::Result<smsgw_core::account::Account> {
                self.inner.ensure_account(account).await
            }

            async fn account(
                &self,
                id: smsgw_core::id::AccountId,
            ) -> smsgw_core::error::Result<Option<smsgw_core::account::Account>> {
                self.inner.account(id).await
            }

            async fn accounts(
                &self,
                after: Option<smsgw_core::store::Cursor>,
                limit: usize,
            ) -> smsgw_core::error::Result<smsgw_core::store::Page<smsgw_core::account::Account>> {
                self.inner.accounts(after, limit).await
            }

            async fn update_account(
                &self,
                id: smsgw_core::id::AccountId,
                patch: smsgw_core::store::AccountPatch,
            ) -> smsgw_core::error::Result<Option<smsgw_core::account::Account>> {
                self.inner.update_account(id, patch).await
            }

            async fn create_token(
                &self,
                token: &smsgw_core::account::Token,
            ) -> smsgw_core::error::Result<()> {
                self.inner.create_token(token).await
            }

            async fn find_token(
                &self,
                id: smsgw_core::key::KeyId,
            ) -> smsgw_core::error::Result<Option<(smsgw_core::account::Token, smsgw_core::account::Account)>>
            {
                self.inner.find_token(id).await
            }

            async fn tokens(
                &self,
                account: smsgw_core::id::AccountId,
            ) -> smsgw_core::error::Result<Vec<smsgw_core::account::Token>> {
                self.inner.tokens(account).await
            }

            async fn revoke_token(
                &self,
                account: smsgw_core::id::AccountId,
                id: smsgw_core::key::KeyId,
                at: smsgw_core::time::Timestamp,
            ) -> smsgw_core::error::Result<bool> {
                self.inner.revoke_token(account, id, at).await
            }

            async fn touch_token(
                &self,
                id: smsgw_core::key::KeyId,
                at: smsgw_core::time::Timestamp,
            ) -> smsgw_core::error::Result<()> {
                self.inner.touch_token(id, at).await
            }
        }

        #[async_trait::async_trait]
        impl smsgw_core::store::AuditStore for $wrapper {
            async fn record(
                &self,
                events: &[smsgw_core::audit::AuditEvent],
            ) -> smsgw_core::error::Result<()> {
                self.inner.record(events).await
            }

            async fn audit(
                &self,
                query: &smsgw_core::store::AuditQuery,
            ) -> smsgw_core::error::Result<smsgw_core::store::Page<smsgw_core::audit::AuditEvent>> {
                self.inner.audit(query).await
            }

            async fn forget_audit(
                &self,
                before: smsgw_core::time::Timestamp,
                max: usize,
            ) -> smsgw_core::error::Result<usize> {
                self.inner.forget_audit(before, max).await
            }
        }

        #[async_trait::async_trait]
        impl smsgw_core::store::InboxStore for $wrapper {
            async fn receive(
                &self,
                batch: &[smsgw_core::store::ReceivedSms],
            ) -> smsgw_core::error::Result<Vec<smsgw_core::store::Received>> {
                self.inner.receive(batch).await
            }

            async fn inbox(
                &self,
                query: &smsgw_core::store::InboxQuery,
            ) -> smsgw_core::error::Result<smsgw_core::store::Page<smsgw_core::store::ReceivedSms>> {
                self.inner.inbox(query).await
            }

            async fn erase_received(
                &self,
                before: smsgw_core::time::Timestamp,
                max: usize,
                pseudonyms: &smsgw_core::pseudonym::Pseudonyms,
            ) -> smsgw_core::error::Result<usize> {
                self.inner.erase_received(before, max, pseudonyms).await
            }

            async fn remove_received(
                &self,
                before: smsgw_core::time::Timestamp,
                max: usize,
            ) -> smsgw_core::error::Result<usize> {
                self.inner.remove_received(before, max).await
            }
        }

        #[async_trait::async_trait]
        impl smsgw_core::store::Store for $wrapper {
            fn capabilities(&self) -> smsgw_core::store::StoreCapabilities {
                self.inner.capabilities()
            }

            async fn ready(&self) -> smsgw_core::error::Result<()> {
                self.inner.ready().await
            }

            async fn close(&self) -> smsgw_core::error::Result<()> {
                self.inner.close().await
            }
        }
    };
}
pub(crate) use forward_all_but_messages;
