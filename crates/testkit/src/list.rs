//! The one list of cases. A case function that is missing here is dead code, which fails the
//! build.

/// Hands the list to another macro, which decides what becomes of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    ($callback:path) => {
        $callback! {
            create {
                a_new_user_has_version_one_sequence_one_and_one_event,
                an_existing_user_is_never_touched,
                a_user_without_a_password_has_none,
                an_imported_hash_is_kept_to_the_byte,
                every_kind_and_state_is_kept,
                the_first_event_names_its_operation_and_editor,
                usernames_are_kept_whatever_they_are,
                two_users_may_have_one_username,
                one_user_id_in_two_organisations_is_two_users,
                the_same_operation_again_returns_the_first_details,
                an_operation_of_another_user_is_reused,
                an_operation_of_another_method_is_reused,
                a_refused_user_leaves_the_operation_free,
            }
            identities {
                a_removed_users_id_starts_a_new_identity,
                the_counters_go_on_after_those_of_the_removed_user,
                nothing_of_the_removed_user_stays,
                a_new_identity_has_a_budget_of_its_own,
                permits_of_the_removed_user_have_ended,
                writes_against_the_removed_user_do_not_fit,
                operations_of_the_removed_user_keep_their_answers,
                the_old_creation_is_repeated_and_not_made_again,
                an_id_can_be_used_any_number_of_times,
                the_clock_set_back_moves_no_date_back,
                of_n_racers_over_a_removed_user_one_wins,
            }
            load {
                an_unknown_user_is_absent,
                a_user_of_another_organisation_is_absent,
                an_acknowledged_user_is_seen_by_another_handle,
                every_acknowledged_change_is_seen_by_another_handle,
                what_another_handle_wrote_is_seen,
                a_hash_that_does_not_parse_is_unreadable,
                a_damaged_hash_leaves_the_rest_of_the_record,
                an_unreadable_hash_is_replaced_by_a_new_one,
                an_unreadable_hash_can_be_removed,
                an_unreadable_hash_stays_through_other_writes,
                loading_writes_nothing,
                a_removed_user_stays_as_a_tombstone,
                times_are_kept_to_the_microsecond,
                a_pending_code_is_loaded,
            }
            commit {
                hash_version_sequence_event_and_details_change_together,
                a_version_that_moved_is_a_conflict,
                an_unknown_user_is_not_found,
                a_removed_user_is_not_found,
                a_commit_moves_the_version_by_one,
                the_same_hash_again_is_a_change,
                several_events_take_several_sequences_and_one_version,
                the_editor_is_named_by_every_event_of_the_change,
                only_the_named_user_changes,
                a_failed_attempt_does_not_stop_a_commit,
                a_lockout_does_not_stop_a_commit,
                a_method_that_is_not_committed_is_misuse,
            }
            commit_replays {
                the_same_operation_again_returns_the_first_details,
                the_same_operation_with_other_content_writes_nothing,
                every_method_is_replayed,
                a_replay_survives_later_changes,
                a_replay_is_answered_by_another_handle,
                an_operation_of_another_user_is_reused,
                an_operation_of_another_commit_method_is_reused,
                an_operation_of_another_mutation_is_reused,
                a_refused_change_leaves_its_operation_free,
            }
            commit_credential {
                a_changed_credential_clears_failures,
                a_changed_credential_ends_the_wait,
                a_changed_credential_moves_the_epoch,
                a_changed_credential_clears_the_pending_code,
                a_code_issued_with_a_new_credential_is_pending,
                a_removed_password_leaves_nothing,
                the_password_is_as_old_as_its_last_change,
                must_change_is_as_the_last_change_said,
                a_state_change_keeps_credential_code_and_epoch,
                becoming_active_clears_failures,
                other_changes_keep_failures,
                open_permits_stay_open_over_a_new_credential,
                leases_that_ran_out_before_are_forgotten,
                what_is_forgotten_is_not_what_is_open,
                other_changes_forget_no_lease,
            }
            codes {
                the_right_code_is_consumed_with_the_write,
                a_code_works_once,
                a_code_is_consumed_by_a_change_that_keeps_the_credential,
                a_wrong_code_is_rejected_and_the_pending_one_lives,
                without_a_pending_code_none_is_right,
                an_expired_code_is_rejected,
                a_code_works_until_it_expires,
                a_code_that_was_issued_expired_is_rejected,
                a_code_guessed_at_too_often_is_rejected,
                a_code_guessed_at_less_often_works,
                only_wrong_guesses_at_the_code_count_against_it,
                a_guess_without_a_pending_code_is_a_plain_failure,
                a_new_code_voids_the_older_one,
                a_refused_commit_leaves_the_code_alive,
                a_change_that_does_not_name_the_code_keeps_it,
                a_code_belongs_to_one_user,
                a_stale_version_meets_a_wrong_code,
                a_guess_that_is_never_settled_counts,
                a_guess_that_nobody_came_back_to_counts_when_the_code_is_redeemed,
                a_lease_that_guesses_at_no_code_leaves_it_alone,
                the_first_request_says_whether_a_permit_guesses,
                guesses_at_a_code_saturate,
                a_forgotten_lease_is_still_a_guess,
                a_lease_that_ran_out_is_no_guess_at_a_code_issued_with_the_change,
                a_code_expires_at_a_microsecond,
                a_code_that_is_issued_for_a_time_ends_by_the_stores_clock,
            }
            take_attempt {
                permits_are_granted_below_the_limit,
                settled_failures_at_the_limit_stop,
                failures_and_open_permits_count_together,
                the_limits_are_those_of_each_request,
                a_limit_of_zero_grants_nothing,
                the_largest_limits_are_limits,
                a_hundred_failures_stop_even_without_lockout,
                the_same_operation_again_is_the_same_permit,
                a_settled_permit_is_spent,
                an_operation_of_another_method_is_reused,
                a_permit_that_another_user_spent_is_reused,
                an_unknown_user_is_not_found,
                taking_a_permit_appends_no_event,
                users_have_budgets_of_their_own,
                a_permit_counts_on_every_handle,
                a_permit_whose_lease_ran_out_is_a_failure_with_its_event,
                leases_that_ran_out_count_one_by_one,
                a_lease_that_ran_out_counts_once,
                a_lease_lasts_as_long_as_the_request_said,
                busy_says_when_the_next_lease_ends,
                leases_are_kept_to_the_microsecond,
                a_removed_user_is_not_found,
            }
            extremes {
                limits_of_any_size_are_limits,
                leases_of_any_length_are_kept,
                waits_of_any_length_are_waited_for,
                waits_that_begin_at_any_count_begin_there,
            }
            waits {
                no_attempt_waits_before_the_schedule_begins,
                waits_double_up_to_the_longest,
                an_attempt_after_the_wait_is_granted,
                a_request_without_waits_does_not_wait,
                a_right_answer_ends_the_waits,
                an_attempt_that_waits_counts_nothing,
                guesses_go_one_at_a_time_where_waits_apply,
                a_lease_that_ran_out_is_waited_for,
                a_clock_set_back_does_not_shorten_a_wait,
                a_clock_set_forward_ends_a_wait,
            }
            shams {
                shams_count_like_users,
                shams_write_no_events,
                every_slot_has_a_budget_of_its_own,
                every_organisation_has_slots_of_its_own,
                shams_are_apart_from_users,
                the_same_operation_again_is_the_same_permit,
                a_settled_permit_counts_once,
                a_lease_that_ran_out_is_a_failure,
                shams_wait_like_users,
                no_sham_is_ever_locked,
            }
            permit_ids {
                an_open_permit_is_reserved_from_every_other_subject,
                an_ended_permit_is_reserved_from_every_other_subject,
                an_id_refused_elsewhere_takes_no_place,
                no_mutation_takes_the_id_of_an_open_permit,
                no_mutation_takes_the_id_of_an_ended_permit,
                the_id_of_a_mutation_is_no_permit,
                a_settlement_elsewhere_leaves_the_entry,
                a_refused_permit_reserves_nothing,
                every_result_is_kept_for_users_and_shams,
                a_settled_permit_is_spent_for_users_and_shams,
                a_lease_that_ran_out_is_over_for_ever,
                only_a_right_or_wrong_answer_makes_an_operation,
            }
            settle_attempt {
                a_right_answer_removes_its_permit_and_the_failures,
                other_permits_stay_open_after_a_right_answer,
                a_wrong_answer_removes_its_permit_and_adds_one_failure,
                an_abandoned_attempt_counts_nothing,
                an_abandoned_attempt_cannot_be_settled_otherwise,
                a_wrong_answer_at_the_limit_locks_in_the_same_step,
                failures_beyond_the_limit_lock_as_well,
                only_an_active_user_is_locked,
                a_right_answer_does_not_unlock,
                the_version_does_not_move,
                attempts_leave_the_credential_alone,
                settling_again_returns_the_first_result,
                settling_again_survives_later_changes,
                a_permit_whose_lease_ran_out_cannot_be_settled,
                a_permit_that_was_never_taken_cannot_be_settled,
                a_permit_belongs_to_one_subject,
                open_permits_of_a_locked_user_are_settled,
                a_failure_still_says_active_and_its_lock_says_locked,
                open_permits_of_a_removed_user_are_expired,
            }
            upgrade_hash {
                the_hash_that_was_verified_is_replaced,
                sequence_and_change_date_move,
                version_epoch_must_change_age_and_failures_stay,
                a_hash_that_was_replaced_meanwhile_stays,
                a_password_that_was_removed_meanwhile_stays_removed,
                an_unreadable_hash_is_never_touched,
                a_user_who_does_not_exist_has_nothing_to_upgrade,
                equal_hashes_of_others_stay,
                a_commit_with_the_version_read_before_still_succeeds,
                the_same_operation_again_returns_the_first_result,
                an_operation_of_another_user_or_method_is_reused,
                a_removed_user_has_nothing_to_upgrade,
                a_change_wins_over_a_slow_rehash_in_every_order,
            }
            events {
                one_users_events_come_by_sequence_all_of_them_once,
                the_outbox_holds_every_event_of_every_user,
                events_of_other_users_are_absent,
                each_event_says_what_it_left,
                reading_one_by_one_repeats_nothing_and_skips_nothing,
                a_page_holds_at_most_the_events_asked_for,
                a_page_holds_at_most_a_thousand_events,
                the_end_is_where_later_events_are_read_on,
                an_empty_store_has_no_events,
                reading_goes_on_while_others_write,
                a_cursor_is_good_on_another_handle,
                a_users_cursor_is_a_sequence,
                a_foreign_cursor_is_misuse,
                a_lease_that_ran_out_is_in_the_outbox,
            }
            operation {
                an_applied_mutation_is_found_with_method_and_details,
                a_settled_attempt_is_found,
                the_details_stay_the_first,
                a_refused_mutation_is_absent,
                a_refused_attempt_is_absent,
                one_that_never_came_is_absent,
                every_bit_of_an_operation_id_counts,
                another_users_is_absent,
                another_handle_finds_it,
            }
            ids {
                hostile_user_ids_are_apart,
                hostile_organisation_ids_are_apart,
                organisation_and_user_are_not_joined,
                numbers_are_texts,
                ids_of_every_length_are_apart,
                unknown_hostile_ids_are_absent,
                budgets_of_hostile_subjects_are_apart,
                hostile_editors_are_kept,
            }
            time {
                the_change_date_is_the_time_of_the_commit,
                a_clock_set_back_does_not_set_dates_back,
                every_mutation_keeps_dates_in_order,
                a_clock_set_forward_ten_years_and_back_keeps_order,
                a_lease_does_not_end_early_when_the_clock_is_set_back,
                a_lease_ends_when_the_clock_is_set_forward,
                a_code_does_not_outlive_ten_years,
                a_code_still_works_when_the_clock_is_set_back,
                a_replay_keeps_its_date_whatever_the_clock_does,
            }
            races {
                writers_that_read_again_all_succeed,
                writers_on_two_handles_all_succeed,
                of_many_commits_against_one_version_one_wins,
                of_many_creators_of_one_user_one_wins,
                of_many_that_redeem_one_code_one_wins,
                one_operation_of_many_commits_has_one_effect,
                one_operation_of_many_creators_has_one_effect,
                one_operation_on_many_users_is_applied_to_one,
                of_many_upgrades_one_wins,
                an_upgrade_never_undoes_a_change,
            }
            races_attempts {
                many_takers_get_exactly_the_limit,
                failures_leave_fewer_permits,
                one_permit_asked_for_by_many_is_one,
                many_wrong_answers_all_count,
                many_wrong_answers_lock_once,
                one_permit_settled_by_many_counts_once,
                a_lease_that_ran_out_is_counted_by_one_of_many,
                failing_attempts_do_not_stop_a_commit,
                commits_and_attempts_share_one_gapless_history,
                readers_of_the_outbox_miss_nothing_while_many_write,
                one_id_asked_for_on_many_subjects_is_one_permit,
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __as_tests {
    ($($theme:ident { $($case:ident,)+ })+) => {
        $(mod $theme {
            $(
                #[test]
                fn $case() {
                    $crate::__private::run::<super::ConformanceFixture>(concat!(
                        stringify!($theme), "::", stringify!($case)
                    ));
                }
            )+
        })+
    };
}

/// Expands to one test for each case of the suite, run over a [`Fixture`](crate::Fixture).
///
/// It takes a type and nothing else: there is no way to run a part of the contract. To run it
/// over several fixtures in one file, give each a module of its own.
#[macro_export]
macro_rules! store_conformance {
    ($fixture:ty) => {
        type ConformanceFixture = $fixture;
        $crate::__with_cases!($crate::__as_tests);
    };
}
