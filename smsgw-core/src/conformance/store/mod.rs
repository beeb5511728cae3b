//! The cases of [`Store`].

mod accounts;
mod advance;
mod audit;
mod born;
mod calls;
mod cancel;
mod claim;
mod devices;
mod due;
mod erase;
mod expiry;
mod ground;
mod in_hand;
mod inbox;
mod insert;
mod keys;
mod layered;
mod lifecycle;
mod list;
mod recall;
mod remove;
mod reports;
mod retry;
mod sweeps;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::case::cases;
use super::{Absent, Case, Suite};
use crate::store::Store;
use crate::time::Timestamp;

pub use layered::layered;

/// A store for one case, with nothing in it and shared with no other case.
#[async_trait]
pub trait StoreFixture: Send + Sync + 'static {
    /// The store: each time the same.
    fn store(&self) -> Arc<dyn Store>;

    /// Another handle on the same rows, as a second gateway has one. `None` where there can be only one, which a
    /// store that is [`shared`](crate::store::StoreCapabilities::shared) must not answer.
    async fn peer(&self) -> Option<Arc<dyn Store>>;

    /// A new handle on what is left after the process was killed, the store not closed. `None` where nothing is, which
    /// a store that is [`durable`](crate::store::StoreCapabilities::durable) must not answer.
    async fn reopen(&self) -> Option<Arc<dyn Store>>;

    /// The time by the store's clock.
    fn now(&self) -> Timestamp;

    /// Moves the store's clock on by `span`, or sleeps that long; no case asks for more than a minute.
    async fn elapse(&self, span: Duration);
}

/// The cases for the store that `fresh` makes; `backend` names it, as `sqlite`.
pub fn suite<F: StoreFixture>(
    backend: &str,
    fresh: impl AsyncFn() -> Result<F, Absent> + Send + Sync + 'static,
) -> Suite {
    let boxed = async move || Ok(Box::new(fresh().await?) as Box<dyn StoreFixture>);
    Suite::new(backend, "store", cases(), boxed)
}

/// All cases of a store.
pub fn cases() -> Vec<Case<dyn StoreFixture>> {
    cases! {
        insert:
            inserted_message_reads_back_whole,
            insertion_answers_each_item_in_order,
            inserting_again_is_a_duplicate,
            another_request_under_the_same_id_is_a_mismatch,
            id_of_another_account_is_a_mismatch,
            idempotency_key_repeats_nothing,
            idempotency_key_is_forgotten_when_it_is_old,
            idempotency_keys_are_per_account,
            duplicates_within_a_batch_are_seen,
            concurrent_insertions_of_one_id_make_one_message,
            first_event_is_the_insertion,
            thousand_rows_in_one_batch,
            odd_texts_are_kept_byte_for_byte;
        claim:
            claim_takes_a_queued_message,
            claim_answers_each_item_in_order,
            claim_raises_the_epoch_each_time,
            message_is_claimed_once,
            concurrent_claims_have_one_winner,
            scheduled_message_is_not_claimed,
            chosen_device_alone_claims;
        waiting:
            set_aside_message_waits_for_its_device,
            released_message_waits_for_any_device_of_its_account,
            requested_device_stays_requested,
            waiting_message_is_not_claimed_by_id,
            high_priority_first_then_order_of_acceptance,
            pull_takes_at_most_its_max,
            pulls_of_one_batch_share_nothing,
            concurrent_pulls_have_one_winner,
            concurrent_pulls_leave_nothing_they_had_room_for;
        born:
            born_claimed_is_claimed,
            born_claimed_is_due_after_its_lease,
            born_claimed_is_looked_at_in_its_time_whatever_becomes_of_it,
            what_another_gateway_has_written_counts;
        advance:
            old_epoch_changes_nothing,
            transition_answers_each_item_in_order,
            transitions_of_one_message_apply_in_order,
            repeated_transition_is_unchanged,
            dispatched_is_final_where_the_device_never_reports,
            deferred_message_is_due_at_its_time,
            unclaimed_message_is_set_aside,
            unclaimed_fence_is_stale_once_claimed,
            every_change_of_state_is_an_event;
        reports:
            report_moves_a_message_forward,
            report_may_jump_ahead,
            report_overtakes_the_dispatcher,
            failure_is_kept,
            repeated_report_is_unchanged,
            late_report_is_recorded_once,
            report_after_the_end_changes_nothing,
            report_of_another_device_is_foreign,
            report_of_an_unclaimed_message_is_foreign,
            report_of_an_unknown_message_is_missing,
            concurrent_repeats_of_a_report_apply_once;
        retry:
            passing_failure_is_tried_again_by_the_same_device,
            each_failure_counts_once,
            failures_end_after_so_many,
            late_acknowledgement_does_not_stop_a_retry,
            failure_of_an_earlier_attempt_ends_nothing,
            acknowledgement_says_which_attempt_it_is_about;
        cancel:
            message_that_nobody_has_is_canceled,
            message_that_a_device_may_have_is_asked_for,
            device_that_comes_back_is_asked,
            device_that_says_nothing_is_asked_ever_less_often,
            what_was_taken_back_has_a_grace,
            failed_message_is_asked_for_all_the_same,
            message_that_cannot_be_asked_for_stays,
            message_on_the_air_is_not_canceled,
            message_of_another_account_is_not_canceled;
        recall:
            recall_sets_aside_what_was_dispatched,
            recall_finds_what_was_queued,
            recall_leaves_what_was_acknowledged,
            recalled_message_keeps_its_device,
            recall_ends_the_claim;
        in_hand:
            claimed_message_is_in_hand_until_it_is_acknowledged,
            in_hand_answers_each_item_in_order;
        due:
            scheduled_message_is_queued_at_its_time,
            job_says_what_a_dispatcher_must_know,
            lost_lease_is_queued_again,
            lost_lease_of_a_queued_message_is_noticed,
            lost_queue_entry_is_pushed_again_however_late,
            unacknowledged_message_is_queued_again,
            lost_queue_entry_is_pushed_again_when_asked,
            due_message_is_not_due_again_at_once,
            queued_messages_hold_up_nobody,
            due_is_bounded_and_says_what_is_left,
            concurrent_calls_share_nothing;
        expiry:
            unsent_message_expires,
            queued_message_expires_unasked,
            expired_message_is_not_claimed,
            dispatched_message_has_a_grace,
            acknowledged_message_has_a_grace,
            sent_message_stays;
        list:
            messages_are_listed_newest_first,
            pages_have_no_gaps_and_no_repeats,
            pages_stand_still_while_messages_come,
            filters_select,
            others_see_nothing;
        devices:
            device_reads_back_whole,
            devices_are_found_in_order,
            creating_a_device_again_changes_nothing,
            patch_changes_what_it_names,
            devices_of_others_are_out_of_reach,
            devices_are_listed_in_pages,
            deleted_device_takes_its_keys_along,
            touched_device_was_seen;
        keys:
            key_reads_back_whole,
            key_wants_a_device,
            keys_are_found_in_order,
            keys_are_listed_newest_first,
            valid_keys_are_listed_in_pages,
            revoked_key_stays_revoked,
            resealed_key_opens_the_same,
            key_was_used;
        accounts:
            account_is_made_once,
            concurrent_starts_make_one_account,
            token_reads_back_whole,
            accounts_are_listed_in_pages,
            account_changes_what_the_patch_names,
            tokens_are_listed_newest_first,
            revoked_token_stays_revoked,
            token_was_used;
        audit:
            audit_event_reads_back_whole,
            every_action_is_kept,
            audit_log_is_read_in_pages,
            audit_filters_select,
            old_audit_events_are_forgotten;
        erase:
            what_is_over_is_erased,
            erasing_goes_on_where_it_stopped,
            sent_message_is_erased_and_still_delivered,
            one_message_is_erased_when_asked,
            words_of_a_device_are_erased,
            erased_message_is_not_sent_again,
            received_sms_is_erased;
        remove:
            what_was_erased_is_removed,
            what_is_left_of_sms_is_removed,
            removing_goes_on_where_it_stopped;
        inbox:
            received_sms_reads_back_whole,
            received_sms_is_stored_once,
            inbox_is_listed_in_pages,
            inbox_of_others_is_empty;
        lifecycle:
            ready_while_open,
            closed_store_answers_closed,
            closing_twice_is_no_error,
            closing_one_handle_leaves_the_other,
            empty_batches_do_nothing,
            peer_sees_what_is_committed,
            committed_survives_a_kill,
            debug_shows_no_content;
        sweeps:
            insert_can_be_dropped,
            claim_can_be_dropped,
            claim_waiting_can_be_dropped,
            dispatch_can_be_dropped,
            report_can_be_dropped,
            recall_can_be_dropped,
            due_can_be_dropped,
            reads_can_be_dropped,
            device_writes_can_be_dropped,
            key_writes_can_be_dropped,
            account_writes_can_be_dropped,
            audit_writes_can_be_dropped,
            erasing_can_be_dropped,
            removing_can_be_dropped,
            receive_can_be_dropped,
            close_can_be_dropped;
    }
}
