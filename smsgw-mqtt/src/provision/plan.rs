//! What a resync has to do: the difference between the accounts that there are and those that there should be. Pure.

use std::collections::HashMap;

use smsgw_core::error::Result;
use smsgw_core::id::DeviceId;
use smsgw_core::provision::Grant;

use super::accounts::{self, Account};
use super::dynsec::Existing;
use super::shared::SHARED_ROLE;

/// What a resync has to do.
#[derive(Default)]
pub(super) struct Plan<'a> {
    pub(super) giving: Vec<Account>,
    pub(super) enabling: Vec<&'a Existing>,
    /// Accounts without a valid key that may get another one.
    pub(super) disabling: Vec<&'a Existing>,
    pub(super) removing: Vec<&'a Existing>,
    /// Those that nobody has.
    pub(super) roles: Vec<String>,
    pub(super) keyless: Vec<DeviceId>,
}

impl<'a> Plan<'a> {
    /// `grants` are all the valid keys, older ones first; `shared` is the user name of the account that devices of the
    /// original protocol share, where there is to be one. That account is made elsewhere.
    pub(super) fn new(
        grants: &[Grant],
        existing: &'a [Existing],
        mut roles: Vec<String>,
        shared: Option<&str>,
    ) -> Result<Self> {
        let mut plan = Self::default();
        // An account a role: those of one account together, older ones first.
        let mut wanted: HashMap<String, Vec<&Grant>> = HashMap::new();
        for grant in grants {
            wanted.entry(accounts::role(grant.protocol, grant.device, grant.key)).or_default().push(grant);
        }
        roles.retain(|role| match role.as_str() {
            SHARED_ROLE => shared.is_none(),
            _ => !wanted.contains_key(role) && !existing.iter().any(|account| account.role == *role),
        });
        plan.roles = roles;
        for account in existing {
            if account.is_shared() {
                if shared != Some(&account.username) {
                    plan.removing.push(account);
                }
                continue;
            }
            let Some(valid) = wanted.get(&account.role) else {
                plan.shut_out(account);
                continue;
            };
            let has_valid = account.has_role && valid.iter().any(|grant| Some(&grant.key) == account.key());
            let better = valid.last().filter(|g| g.secret.is_some() && Some(&g.key) != account.key());
            if !has_valid || better.is_some() {
                // What is left of the wanted is made anew, or missed.
                if !has_valid && valid.iter().all(|grant| grant.secret.is_none()) {
                    plan.shut_out(account);
                }
                continue;
            }
            wanted.remove(&account.role);
            if account.is_disabled {
                plan.enabling.push(account);
            }
        }
        for valid in wanted.into_values() {
            match valid.iter().rev().find(|grant| grant.secret.is_some()) {
                Some(grant) => plan.giving.push(Account::new(grant, "resync")?),
                None => plan.keyless.extend(valid.first().map(|grant| grant.device)),
            }
        }
        plan.keyless.sort_unstable();
        plan.keyless.dedup();
        Ok(plan)
    }

    fn shut_out(&mut self, account: &'a Existing) {
        if !account.outlives_its_key() {
            self.removing.push(account);
        } else if !account.is_disabled {
            self.disabling.push(account);
        }
    }
}
