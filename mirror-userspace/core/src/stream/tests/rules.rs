//! One line a rule: what is sent, and what is delivered. Each is run with first sequence numbers
//! that wrap at every place of the script.

use super::*;
use Step::{Send, Wait};

enum Step {
    Send(Sent),
    Wait(u64),
}

impl From<Sent> for Step {
    fn from(sent: Sent) -> Self {
        Send(sent)
    }
}

fn run(first: SeqNum, steps: &[Step]) -> String {
    let mut bench = Bench::new(Limits::default(), 1 << 20);
    for step in steps {
        match step {
            Send(sent) => bench.send(flow(1), first, sent),
            Wait(millis) => bench.wait(Duration::from_millis(*millis)),
        }
    }
    bench.short_log()
}

macro_rules! rules {
    ($($name:ident: [$($step:expr),* $(,)?] => $told:expr;)*) => {$(
        #[test]
        fn $name() {
            let steps: Vec<Step> = vec![$(Step::from($step)),*];
            for first in (0..=32).map(|back| SeqNum(8_u32.wrapping_sub(back))).chain([SeqNum(1 << 31)]) {
                assert_eq!(run(first, &steps), $told, "first {first:?}");
            }
        }
    )*};
}

const FIN: u8 = flag::FIN;
const SYN: u8 = flag::SYN;
const RST: u8 = flag::RST;
const GIB: i64 = 1 << 30;

rules! {
    in_order: [syn(), data(0, "ab"), data(2, "c"), fin(3)] => "open ^ab ^c Fin";
    fin_with_data: [syn(), data(0, "ab").and(FIN)] => "open ^ab Fin";
    acknowledgments_say_nothing: [syn(), data(0, ""), data(0, "ab"), data(2, "")] => "open ^ab";
    syn_with_data: [data(-1, "ab").and(SYN), data(2, "c")] => "open ^ab ^c";
    syn_with_data_sent_again: [data(-1, "ab").and(SYN), syn(), data(0, "ab")] => "open ^ab";
    syn_sent_again: [syn(), syn(), data(0, "a"), syn(), data(1, "b")] => "open ^a ^b";
    syn_with_fin_or_rst_is_nothing: [syn().and(FIN), syn().and(RST)] => "";
    a_split_skb_is_one_segment: [syn(), data(0, "ab"), data(2, "cd").continued()] => "open ^ab cd";

    out_of_order: [syn(), data(2, "cd"), data(0, "ab")] => "open ^ab ^cd";
    reversed: [syn(), data(2, "c"), data(1, "b"), data(0, "a")] => "open ^a ^b ^c";
    repeat: [syn(), data(0, "ab"), data(0, "ab"), data(2, "c"), data(1, "b")] => "open ^ab ^c";
    repeat_out_of_order: [syn(), data(1, "b"), data(1, "b"), data(0, "a")] => "open ^a ^b";
    the_new_part_of_a_repeat: [syn(), data(0, "ab"), data(0, "abcd")] => "open ^ab cd";
    a_part_of_a_hole: [syn(), data(3, "d"), data(0, "a"), data(1, "bc")] => "open ^a ^bc ^d";

    delivered_never_changes: [syn(), data(0, "ab"), data(0, "XYZ")] => "open ^ab Z";
    in_order_beats_queued: [syn(), data(1, "XY"), data(0, "abcd")] => "open ^abcd";
    in_order_beats_queued_in_part: [syn(), data(1, "XYZ"), data(0, "ab")] => "open ^ab YZ";
    in_order_beats_a_queued_fin: [syn(), fin(1), data(0, "abc"), fin(3)] => "open ^abc Fin";
    queued_within_queued_is_dropped: [syn(), data(1, "bcd"), data(2, "X"), data(0, "a")] => "open ^a ^bcd";
    the_same_place_keeps_the_first: [syn(), data(1, "bc"), data(1, "XY"), data(0, "a")] => "open ^a ^bc";
    a_cover_replaces: [syn(), data(2, "X"), data(4, "Y"), data(1, "bcdef"), data(0, "a")] => "open ^a ^bcdef";
    a_longer_one_at_the_same_place_replaces: [syn(), data(1, "X"), data(1, "bc"), data(0, "a")] => "open ^a ^bc";
    a_tail_overlap_keeps_the_earlier_start: [syn(), data(1, "bcd"), data(3, "XYZ"), data(0, "a")] => "open ^a ^bcd YZ";
    a_head_overlap_keeps_the_earlier_start: [syn(), data(3, "XYZ"), data(1, "bcd"), data(0, "a")] => "open ^a ^bcd YZ";
    an_overlap_is_judged_by_whole_segments:
        // As in Linux: the third starts within the second, so it does not replace it, although the
        // first has taken away what the second had before that.
        [syn(), data(1, "bcde"), data(3, "XYZ"), data(4, "1234"), data(0, "a")] => "open ^a ^bcde Z 34";

    keep_alive_probe: [syn(), data(0, "ab"), data(1, "\0"), data(2, "c")] => "open ^ab ^c";
    keep_alive_probe_of_a_fresh_connection: [syn(), data(-1, "\0"), data(0, "a")] => "open ^a";
    zero_window_probe: [syn(), data(0, "ab"), data(2, "c"), data(2, "cd")] => "open ^ab ^c d";

    urgent_is_not_in_line: [syn(), data(0, "abc").urgent(2), data(3, "d")] => "open ^a c ^d";
    urgent_first: [syn(), data(0, "abc").urgent(1)] => "open ^bc";
    urgent_pointer_zero_is_one: [syn(), data(0, "abc").urgent(0)] => "open ^bc";
    urgent_last: [syn(), data(0, "abc").urgent(3), data(3, "d")] => "open ^ab ^d";
    urgent_alone: [syn(), data(0, "a").urgent(1), data(1, "b")] => "open ^b";
    urgent_announced_ahead: [syn(), data(0, "ab").urgent(4), data(2, "cde")] => "open ^ab ^c e";
    urgent_sent_again: [syn(), data(0, "ab").urgent(1), data(0, "abc").urgent(1)] => "open ^b c";
    urgent_out_of_order: [syn(), data(2, "cd").urgent(1), data(0, "ab")] => "open ^ab ^d";
    urgent_only_the_last: [syn(), data(2, "cd").urgent(1), data(0, "ab").urgent(1)] => "open ^ab ^d";
    urgent_moves_on: [syn(), data(0, "ab").urgent(1), data(2, "cd").urgent(2)] => "open ^b ^c";
    urgent_announced_by_a_repeat_is_not: [syn(), data(0, "ab"), data(0, "a").urgent(3), data(2, "c")] => "open ^ab ^c";
    urgent_lost: [syn(), data(0, "a").urgent(3), data(4, "e"), Wait(1000)] => "open ^a -2 ^e";
    urgent_lost_alone: [syn(), data(0, "a").urgent(2), data(2, "c"), Wait(1000)] => "open ^a ^c";

    fin_waits_for_its_place: [syn(), fin(2), data(1, "b"), data(0, "a")] => "open ^a ^b Fin";
    fin_with_data_out_of_order: [syn(), data(1, "b").and(FIN), data(0, "a")] => "open ^a ^b Fin";
    fin_ends_what_is_queued_behind: [syn(), data(4, "e"), fin(1), data(0, "a")] => "open ^a Fin";
    after_fin_there_is_nothing: [syn(), data(0, "a").and(FIN), data(2, "b"), data(0, "a"), fin(1)] => "open ^a Fin";
    after_fin_a_new_syn_opens: [syn(), fin(0), data(9, "ab").and(SYN)] => "open Fin open ^ab";
    after_fin_the_old_syn_does_not: [syn(), fin(0), syn()] => "open Fin";
    long_after_fin_all_is_new: [syn(), fin(0), Wait(60_000), data(5, "a")] => "open Fin middle ^a";

    reset: [syn(), data(0, "a"), rst(1)] => "open ^a Reset";
    reset_of_an_old_sequence_number: [syn(), data(0, "a"), rst(0), data(1, "b")] => "open ^a ^b";
    reset_far_ahead: [syn(), data(0, "a"), rst((32 << 20) + 2), data(1, "b")] => "open ^a ^b";
    reset_within_the_window: [syn(), data(0, "a"), rst((32 << 20) + 1)] => "open ^a Reset";
    reset_tells_what_is_queued: [syn(), data(0, "a"), data(2, "c"), rst(3)] => "open ^a -1 ^c Reset";
    reset_with_a_reason: [syn(), data(0, "because").and(RST)] => "open Reset";
    after_reset_the_old_is_old: [syn(), data(0, "ab"), rst(2), data(0, "ab"), data(1, "b")] => "open ^ab Reset";
    after_reset_the_new_is_new: [syn(), data(0, "ab"), rst(2), data(1, "bc")] => "open ^ab Reset middle c";

    reuse: [syn(), data(0, "a"), data(99, "").and(SYN), data(100, "xy"), data(102, "z")] => "open ^a Reused open ^xy ^z";
    reuse_delivers_what_was_queued: [syn(), data(1, "b"), data(99, "").and(SYN), data(100, "x")] => "open -1 ^b Reused open ^x";
    reuse_of_the_middle: [data(5, "a"), syn(), data(0, "b")] => "middle ^a Reused open ^b";
    reuse_with_its_first_segments_in_disorder:
        [syn(), data(0, "a"), data(99, "").and(SYN), data(102, "z"), data(100, "xy")] => "open ^a Reused open ^xy ^z";
    reuse_far_from_the_old: [syn(), data(0, "a"), data(2 * GIB - 9, "").and(SYN), data(2 * GIB - 8, "x")] => "open ^a Reused open ^x";
    a_syn_alone_ends_nothing: [syn(), data(0, "a"), data(99, "").and(SYN), data(1, "b"), fin(2)] => "open ^a ^b Fin";
    a_syn_right_ahead_ends_nothing: [syn(), data(0, "a"), data(1, "").and(SYN), data(1, "bcd"), data(4, "e")] => "open ^a ^bcd ^e";
    a_syn_from_behind_ends_nothing: [syn(), data(0, "abcd"), data(1, "").and(SYN), data(4, "e"), data(6, "g"), data(5, "f")] => "open ^abcd ^e ^f ^g";
    a_syn_with_data_ends_nothing: [syn(), data(0, "a"), data(99, "xy").and(SYN), data(1, "b")] => "open ^a ^b";
    data_without_ack_is_nothing: [syn(), sent(0, "XY", 0), data(0, "ab"), sent(2, "", FIN), data(2, "c")] => "open ^ab ^c";
    data_without_ack_opens_nothing: [sent(0, "XY", 0)] => "";
    a_syn_captured_late: [data(0, "a"), syn(), data(1, "b")] => "middle ^a ^b";

    middle: [data(5, "ab"), data(7, "c"), fin(8)] => "middle ^ab ^c Fin";
    the_middle_has_no_before: [data(5, "b"), data(4, "a"), data(4, "XYc")] => "middle ^b c";
    fin_of_an_unknown_connection: [fin(5)] => "";
    reset_of_an_unknown_connection: [rst(5), data(5, "a").and(RST)] => "";
    acknowledgment_of_an_unknown_connection: [data(5, "")] => "";
    last_segment_of_an_unknown_connection: [data(5, "a").and(FIN)] => "middle ^a Fin";
    a_keep_alive_probe_of_an_unknown_connection: [data(4, "\0"), data(5, "ab")] => "middle ^\0 ^ab";

    a_gap_is_waited_for: [syn(), data(1, "b"), Wait(999), data(0, "a")] => "open ^a ^b";
    a_gap_is_given_up: [syn(), data(1, "b"), Wait(1000), data(0, "a"), data(2, "c")] => "open -1 ^b ^c";
    a_gap_is_given_up_up_to_the_next: [syn(), data(1, "b"), Wait(500), data(3, "d"), Wait(500)] => "open -1 ^b";
    gaps_with_equal_waits_go_together: [syn(), data(1, "b"), data(3, "d"), Wait(1000)] => "open -1 ^b -1 ^d";
    progress_starts_the_wait_again: [syn(), data(1, "b"), data(3, "d"), Wait(900), data(0, "a"), Wait(900), data(2, "c")]
        => "open ^a ^b ^c ^d";
    a_gap_before_fin: [syn(), data(1, "b").and(FIN), Wait(1000)] => "open -1 ^b Fin";
    a_gap_right_before_fin: [syn(), fin(3), Wait(1000)] => "open -3 Fin";

    cut_bytes_are_a_gap: [syn(), data(0, "ab").cut(3), data(5, "f")] => "open ^ab -3 ^f";
    fin_counts_the_cut: [syn(), data(0, "ab").cut(3).and(FIN)] => "open ^ab -3 Fin";
    nothing_captured: [syn(), data(0, "").cut(3), data(3, "d")] => "open -3 ^d";
    nothing_captured_in_the_middle: [data(0, "").cut(3), data(3, "d")] => "middle -3 ^d";
    cut_out_of_order: [syn(), data(1, "b").cut(2), data(4, "e"), data(0, "a")] => "open ^a ^b -2 ^e";

    far_ahead_is_not_ours: [syn(), data((32 << 20) + 1, "x"), data(0, "a"), Wait(1000)] => "open ^a";
    far_behind_is_not_ours: [syn(), data(-(32 << 20) - 1, "x"), data(0, "a")] => "open ^a";
    a_full_window_ahead_is: [syn(), data((32 << 20) - 1, "x"), Wait(1000)] => "open -33554431 ^x";

    idle: [syn(), data(0, "a"), Wait(119_900), data(1, "b"), Wait(119_900), Wait(100)] => "open ^a ^b Idle";
    after_idle_it_goes_on_in_the_middle: [syn(), Wait(120_000), data(0, "a")] => "open Idle middle ^a";
    implausible_segments_are_no_sign_of_life: [syn(), Wait(100_000), data(-2 * GIB, "x"), Wait(20_000)] => "open Idle";
}
