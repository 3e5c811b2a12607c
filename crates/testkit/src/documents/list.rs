//! The one list of cases about documents. A case function that is missing here is dead code, which
//! fails the build.

/// Hands the list to another macro, which decides what becomes of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_document_cases {
    ($callback:path) => {
        $callback! {
            writes {
                what_was_never_written_is_absent,
                what_was_written_is_found_by_every_handle,
                every_write_is_seen_by_another_handle,
                the_first_revision_is_one_and_each_write_moves_it_by_one,
                the_first_date_stays_and_the_last_one_moves,
                a_removed_document_is_absent,
                a_removed_document_is_written_anew,
                reading_writes_nothing,
            }
            conflicts {
                another_revision_than_the_present_one_is_a_conflict,
                none_is_expected_where_there_is_one,
                one_is_expected_where_there_is_none,
                one_is_expected_where_there_was_one,
                a_removal_of_another_revision_is_a_conflict,
                a_refused_write_leaves_its_operation_free,
            }
            races {
                of_many_writers_of_one_revision_one_wins,
                of_many_writers_of_a_new_document_one_wins,
                a_writer_and_a_remover_do_not_both_win,
                writers_that_read_again_all_succeed,
                one_write_sent_by_many_is_one_write,
            }
            ends {
                a_document_is_there_until_the_microsecond_of_its_end,
                a_document_without_an_end_stays,
                a_document_that_ended_is_written_anew,
                a_document_that_ended_cannot_be_removed,
                each_write_says_when_the_document_ends,
                a_write_can_keep_the_end,
                a_document_that_stands_for_no_time_is_absent,
                the_longest_time_is_no_failure,
                a_clock_set_back_does_not_set_dates_back,
                a_clock_set_back_does_not_end_a_document,
                an_end_is_counted_from_the_clock_and_not_from_the_date,
                what_ended_long_ago_is_in_nobodys_way,
            }
            replays {
                a_write_again_is_one_write,
                a_write_again_keeps_the_first_text,
                a_removal_again_is_one_removal,
                a_replay_is_answered_by_another_handle,
                a_replay_keeps_its_dates_whatever_the_clock_does,
                a_replay_after_another_write_is_judged_as_any_write,
                one_operation_on_two_documents_is_two_writes,
            }
            names {
                hostile_names_are_apart,
                kinds_are_apart,
                names_of_every_length_are_apart,
                unknown_hostile_names_are_absent,
            }
            texts {
                texts_of_any_length_are_kept_to_the_byte,
                texts_of_any_characters_are_kept_to_the_byte,
                a_document_without_characters_is_a_document,
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __as_document_tests {
    ($($theme:ident { $($case:ident,)+ })+) => {
        mod documents {
            $(mod $theme {
                $(
                    #[test]
                    fn $case() {
                        $crate::__private::run_documents::<super::super::DocumentConformanceFixture>(
                            concat!(stringify!($theme), "::", stringify!($case))
                        );
                    }
                )+
            })+
        }
    };
}

/// Expands to one test for each case about documents, run over a
/// [`DocumentFixture`](crate::DocumentFixture), in a module `documents`.
///
/// It takes a type and nothing else, as [`store_conformance!`](crate::store_conformance) does.
#[macro_export]
macro_rules! document_conformance {
    ($fixture:ty) => {
        type DocumentConformanceFixture = $fixture;
        $crate::__with_document_cases!($crate::__as_document_tests);
    };
}
