use super::*;

const MIB: u64 = 1024 * 1024;

/// Half a millisecond for each MiB and pass.
fn samples() -> Vec<Sample> {
    let sizes = [7, 9, 12, 19, 32, 46, 64, 128, 256];
    let samples = sizes.map(|mebibytes| Sample {
        memory_kib: mebibytes * 1024,
        first_pass: f64::from(mebibytes) * 5e-4,
        further_pass: f64::from(mebibytes) * 5e-4,
        jitter: 1.2,
    });
    samples.into()
}

fn objective(p99_ms: u64, per_second: f64, standard: Standard) -> Objective {
    Objective {
        p99: Duration::from_millis(p99_ms),
        per_second,
        standard,
    }
}

const MACHINE: Machine = Machine {
    workers: 2,
    memory: 1024 * MIB,
};

#[test]
fn an_easy_objective_gets_much_memory() {
    let plan = decide(
        objective(250, 2.0, Standard::Owasp),
        MACHINE,
        &samples(),
        1.0,
    )
    .unwrap();
    assert_eq!(plan.params.memory_kib(), 256 * 1024);
    assert!(plan.expected.p99_ms <= 250.0);
    assert_eq!(plan.memory, 2 * 256 * MIB);
}

#[test]
fn a_higher_rate_never_gets_stronger_parameters() {
    let strengths = [5.0, 20.0, 50.0, 70.0].map(|rate| {
        let objective = objective(250, rate, Standard::Owasp);
        strength(decide(objective, MACHINE, &samples(), 1.0).unwrap().params)
    });
    assert!(strengths.is_sorted_by(|a, b| a >= b), "{strengths:?}");
}

#[test]
fn slower_under_load_than_expected_means_less() {
    let objective = objective(250, 40.0, Standard::Owasp);
    let [first, second] = [1.0, 1.5].map(|slack| {
        let plan = decide(objective, MACHINE, &samples(), slack).unwrap();
        strength(plan.params)
    });
    assert!(second < first);
}

#[test]
fn too_much_to_ask_is_told_with_what_comes_nearest() {
    let result = decide(
        objective(250, 500.0, Standard::Owasp),
        MACHINE,
        &samples(),
        1.0,
    );
    let Err(Unmet::Time(params, expected)) = result else {
        panic!("{result:?}");
    };
    assert!(params.meets_owasp());
    // 7 MiB, t=5 is less work than the rest of the list.
    assert_eq!((params.memory_kib(), params.passes()), (7 * 1024, 5));
    assert!(expected.p99_ms.is_infinite());
}

#[test]
fn the_same_is_possible_without_a_standard() {
    let plan = decide(
        objective(250, 250.0, Standard::None),
        MACHINE,
        &samples(),
        1.0,
    )
    .unwrap();
    assert!(!plan.params.meets_owasp());
}

#[test]
fn memory_is_counted_for_all_threads() {
    let machine = Machine {
        workers: 8,
        memory: 8 * 19 * MIB,
    };
    let plan = decide(
        objective(1000, 1.0, Standard::Owasp),
        machine,
        &samples(),
        1.0,
    )
    .unwrap();
    assert_eq!(plan.params.memory_kib(), 19 * 1024);
    let tiny = Machine {
        workers: 8,
        memory: 8 * 6 * MIB,
    };
    let result = decide(objective(1000, 1.0, Standard::Owasp), tiny, &samples(), 1.0);
    assert!(matches!(result, Err(Unmet::Memory)));
}

#[test]
fn rfc_9106_asks_for_more() {
    let plan = decide(
        objective(250, 5.0, Standard::Rfc9106),
        MACHINE,
        &samples(),
        1.0,
    )
    .unwrap();
    assert!(Standard::Rfc9106.accepts(plan.params));
}

#[test]
fn whoever_is_last_in_the_queue_is_answered_in_time() {
    for rate in [1.0, 20.0, 60.0] {
        let plan = decide(
            objective(250, rate, Standard::Asvs),
            MACHINE,
            &samples(),
            1.0,
        )
        .unwrap();
        let longest = plan.queue as f64 / plan.expected.capacity;
        assert!(longest * 1e3 + plan.expected.hash_ms <= 250.0 || plan.queue == plan.workers);
        assert!(plan.queue >= plan.workers);
        assert!(plan.wait <= Duration::from_millis(250));
    }
}

#[test]
fn nothing_measured_is_no_plan() {
    let result = decide(objective(250, 1.0, Standard::None), MACHINE, &[], 1.0);
    assert!(matches!(result, Err(Unmet::Memory)));
}

#[test]
fn the_quieter_of_two_measurements_counts() {
    let sample = |first_pass, further_pass, jitter| Sample {
        memory_kib: 7_168,
        first_pass,
        further_pass,
        jitter,
    };
    let quieter = sample(1.0, 3.0, 1.5).quieter(sample(2.0, 2.0, 1.2));
    let quieter = [quieter.first_pass, quieter.further_pass, quieter.jitter];
    assert!(
        quieter
            .iter()
            .zip([1.0, 2.0, 1.2])
            .all(|(is, should)| (is - should).abs() < 1e-12)
    );
}

#[test]
fn what_cannot_be_planned_with_need_not_be_measured() {
    let objective = objective(250, 50.0, Standard::Owasp);
    let sample = |first_pass| Sample {
        memory_kib: 7_168,
        first_pass,
        further_pass: first_pass,
        jitter: 1.0,
    };
    assert!(!is_out_of_reach(objective, MACHINE, sample(0.02)));
    assert!(is_out_of_reach(objective, MACHINE, sample(0.05)));
    let seldom = Objective {
        per_second: 0.1,
        ..objective
    };
    assert!(!is_out_of_reach(seldom, MACHINE, sample(0.2)));
    assert!(is_out_of_reach(seldom, MACHINE, sample(0.3)));
}
