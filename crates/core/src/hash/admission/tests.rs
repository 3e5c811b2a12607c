//! Sequences of events with known outcomes. A job is its own name here.

use std::num::NonZeroUsize;

use super::*;

const MIB: u64 = 1024 * 1024;
const NOW: Duration = Duration::from_secs(100);

/// A gate for hashes of 1 MiB that takes one millisecond for each.
struct World {
    gate: Gate<u32>,
    now: Duration,
}

impl World {
    fn new(workers: usize, queue: usize, memory_mib: u64) -> Self {
        Self::with(workers, queue, memory_mib, 1_000)
    }

    fn with(workers: usize, queue: usize, memory_mib: u64, commits: usize) -> Self {
        let config = HashPoolConfig::default()
            .with_workers(NonZeroUsize::new(workers).unwrap())
            .with_queue(queue)
            .with_memory(memory_mib * MIB)
            .with_wait(Duration::from_secs(5))
            .with_commits(commits);
        let mut gate = Gate::new(config, mib(1));
        for _ in 0..200 {
            gate.running += 1;
            gate.memory += MIB;
            gate.running_work += mib(1).work();
            gate.done(mib(1), Some(Duration::from_millis(1)));
        }
        Self { gate, now: NOW }
    }

    fn admit(&mut self, organisation: &str) -> u64 {
        self.gate.admit(&org(organisation)).unwrap().0
    }

    fn offer(&mut self, ticket: u64, mebibytes: u32, name: u32) {
        self.gate
            .offer(self.now, ticket, mib(mebibytes), name)
            .unwrap();
    }

    /// Admits a request with one job of 1 MiB.
    fn request(&mut self, organisation: &str, name: u32) -> u64 {
        let ticket = self.admit(organisation);
        self.offer(ticket, 1, name);
        ticket
    }

    fn start(&mut self) -> Option<u32> {
        self.gate.next(self.now).map(|job| job.task)
    }

    fn start_all(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.start()).collect()
    }

    /// One job ends, and its request with it.
    fn end(&mut self, ticket: u64, mebibytes: u32) {
        self.gate
            .done(mib(mebibytes), Some(Duration::from_millis(1)));
        assert_eq!(self.gate.leave(self.now, ticket), None);
    }
}

fn mib(count: u32) -> HashCost {
    HashCost::new(count * 1024, 1)
}

fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

fn retry(refusal: Refusal) -> Duration {
    match refusal {
        Refusal::Displaced(after)
        | Refusal::Expired(after)
        | Refusal::Full(after)
        | Refusal::Late(after) => after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn jobs_are_charged_what_they_ask_for_and_never_exceed_the_budget() {
    let mut world = World::new(8, 100, 10);
    let tickets: Vec<_> = [4, 4, 4, 1, 1]
        .into_iter()
        .zip(0..)
        .map(|(cost, name)| {
            let ticket = world.admit("a");
            world.offer(ticket, cost, name);
            ticket
        })
        .collect();
    assert_eq!(world.start_all(), [0, 1]);
    assert_eq!(world.gate.levels().memory, 8 * MIB);
    // The third does not fit and is not passed by those that would.
    world.end(tickets[0], 4);
    assert_eq!(world.start_all(), [2, 3, 4]);
    assert_eq!(world.gate.levels().memory, 10 * MIB);
}

#[test]
fn a_job_above_the_whole_budget_is_refused_at_once() {
    let mut world = World::new(1, 1, 10);
    let ticket = world.admit("a");
    let refused = world.gate.offer(NOW, ticket, mib(11), 7).unwrap_err();
    let (needed, budget) = (11 * MIB, 10 * MIB);
    assert_eq!(refused, (Refusal::TooLarge { needed, budget }, 7));
    assert_eq!(world.gate.leave(NOW, ticket), None);
    assert!(world.gate.is_empty());
}

#[test]
fn organisations_take_turns_and_each_is_first_come_first_served() {
    let mut world = World::new(1, 100, 10);
    let tickets: HashMap<_, _> = [
        ("a", 10),
        ("a", 11),
        ("a", 12),
        ("b", 20),
        ("b", 21),
        ("c", 30),
    ]
    .into_iter()
    .map(|(organisation, name)| (name, world.request(organisation, name)))
    .collect();
    let mut order = Vec::new();
    while let Some(name) = world.start() {
        order.push(name);
        world.end(tickets[&name], 1);
    }
    assert_eq!(order, [10, 20, 30, 11, 21, 12]);
    assert!(world.gate.is_empty() && world.gate.lanes.is_empty() && world.gate.turns.is_empty());
}

#[test]
fn beyond_the_bound_the_answer_is_the_time_that_the_backlog_takes() {
    let mut world = World::new(2, 10, 100);
    let tickets: Vec<_> = (0..12).map(|name| world.request("a", name)).collect();
    assert_eq!(world.start_all(), [0, 1]);
    let full = world.gate.admit(&org("a")).unwrap_err();
    assert!(matches!(full, Refusal::Full(_)));
    // Twelve jobs of a millisecond on two threads.
    let after = retry(full);
    assert!(after > Duration::from_micros(5_500) && after < Duration::from_micros(6_500));
    world.end(tickets[0], 1);
    assert_eq!(world.start_all(), [2]);
    assert!(world.gate.admit(&org("a")).is_ok());
    assert!(world.gate.admit(&org("a")).is_err());
}

#[test]
fn without_a_queue_only_a_free_thread_takes_a_request() {
    let mut world = World::new(1, 0, 10);
    let ticket = world.request("a", 1);
    assert!(world.gate.admit(&org("a")).is_err());
    assert_eq!(world.start(), Some(1));
    assert!(world.gate.admit(&org("a")).is_err());
    world.end(ticket, 1);
    assert!(world.gate.admit(&org("a")).is_ok());
}

#[test]
fn a_flood_gives_way_to_those_with_a_smaller_share_newest_first() {
    let mut world = World::new(1, 4, 10);
    for name in 0..5 {
        world.request("flood", name);
    }
    assert_eq!(world.start(), Some(0));
    let mut displaced = Vec::new();
    for name in 10..14 {
        match world.gate.admit(&org("small")) {
            Ok((ticket, gone)) => {
                displaced.extend(gone);
                world.offer(ticket, 1, name);
            }
            Err(refusal) => assert!(matches!(refusal, Refusal::Full(_))),
        }
    }
    // One runs for the flood and two wait; a third for the other would be more than its share.
    assert_eq!(displaced, [4, 3]);
    let levels = world.gate.levels();
    assert_eq!((levels.waiting, levels.running), (4, 1));
    assert!(
        world.gate.admit(&org("flood")).is_err(),
        "what it had to give it does not get back"
    );
}

#[test]
fn a_flood_cannot_take_the_only_place_from_another_organisation() {
    let mut world = World::new(1, 1, 10);
    world.request("flood", 0);
    assert_eq!(world.start(), Some(0));
    world.request("flood", 1);
    let (ticket, gone) = world.gate.admit(&org("small")).unwrap();
    assert_eq!(gone, Some(1));
    world.offer(ticket, 1, 10);
    assert!(world.gate.admit(&org("flood")).is_err());
}

#[test]
fn a_request_that_made_room_before_it_had_a_job_is_told_so_when_it_has_one() {
    let mut world = World::new(1, 2, 10);
    let running = world.request("flood", 0);
    assert_eq!(world.start(), Some(0));
    let (older, newer) = (world.admit("flood"), world.admit("flood"));
    assert_eq!(world.gate.admit(&org("small")).unwrap().1, None);
    let refused = world.gate.offer(NOW, newer, mib(1), 2).unwrap_err();
    assert!(matches!(refused, (Refusal::Displaced(_), 2)));
    assert_eq!(world.gate.leave(NOW, newer), None);
    world.offer(older, 1, 1);
    world.end(running, 1);
    assert_eq!(world.start(), Some(1));
}

#[test]
fn a_retry_time_counts_the_own_backlog_and_the_turns_of_others() {
    let mut world = World::new(1, 1_000, 10);
    for name in 0..100 {
        world.request("flood", name);
    }
    let small = world.gate.retry_after(&org("small"));
    let flood = world.gate.retry_after(&org("flood"));
    assert!(small < Duration::from_millis(2), "{small:?}");
    assert!(flood > Duration::from_millis(95), "{flood:?}");
    world.request("small", 100);
    let small = world.gate.retry_after(&org("small"));
    assert!(
        small > Duration::from_millis(2) && small < Duration::from_millis(4),
        "{small:?}"
    );
}

#[test]
fn a_job_that_waited_for_too_long_is_dropped() {
    let mut world = World::new(1, 10, 10);
    let running = world.request("a", 0);
    assert_eq!(world.start(), Some(0));
    let ticket = world.request("a", 1);
    world.now += Duration::from_secs(3);
    let young = world.request("b", 2);
    assert!(world.gate.is_unwatched());
    assert_eq!(world.gate.watch(), Some(NOW + Duration::from_secs(5)));
    assert!(!world.gate.is_unwatched());
    assert_eq!(world.gate.expire(world.now), None);
    world.now += Duration::from_secs(2);
    let (refusal, task) = world.gate.expire(world.now).unwrap();
    assert_eq!(task, 1);
    assert!(matches!(refusal, Refusal::Expired(_)));
    assert_eq!(world.gate.expire(world.now), None);
    world.end(running, 1);
    assert_eq!(world.start(), Some(2));
    assert_eq!(world.gate.leave(world.now, ticket), None);
    world.end(young, 1);
    assert!(world.gate.is_empty());
}

#[test]
fn who_would_wait_for_too_long_learns_it_at_once() {
    let mut world = World::new(1, usize::MAX, 10);
    let admitted = (0..10_000).take_while(|name| {
        let admitted = world.gate.admit(&org("a"));
        admitted.is_ok_and(|(ticket, _)| world.gate.offer(NOW, ticket, mib(1), *name).is_ok())
    });
    // Five seconds of a millisecond each.
    let admitted = admitted.count();
    assert!((4_800..5_300).contains(&admitted), "{admitted}");
    assert!(matches!(world.gate.admit(&org("a")), Err(Refusal::Late(_))));
    assert!(world.gate.admit(&org("b")).is_ok(), "its turn comes soon");
}

#[test]
fn an_abandoned_job_never_starts_and_frees_its_place() {
    let mut world = World::new(1, 1, 10);
    let running = world.request("a", 0);
    assert_eq!(world.start(), Some(0));
    let ticket = world.request("a", 1);
    assert!(world.gate.admit(&org("a")).is_err());
    assert_eq!(world.gate.withdraw(ticket), Some(1));
    assert_eq!(world.gate.withdraw(ticket), None);
    assert_eq!(world.gate.leave(NOW, ticket), None);
    let next = world.request("a", 2);
    world.end(running, 1);
    assert_eq!(world.start_all(), [2]);
    assert_eq!(world.gate.withdraw(next), None, "it runs");
    world.end(next, 1);
    assert!(world.gate.is_empty());
}

#[test]
fn a_slow_store_keeps_jobs_from_starting_until_requests_have_left() {
    let mut world = World::with(1, 2, 10, 1);
    let first = world.request("a", 0);
    assert_eq!(world.start(), Some(0));
    world.gate.done(mib(1), None);
    world.request("a", 1);
    assert_eq!(world.start(), Some(1));
    world.gate.done(mib(1), None);
    // Both are with the store now. The thread is free and nothing starts.
    world.request("a", 2);
    world.request("a", 3);
    assert_eq!(world.start(), None);
    assert!(world.gate.admit(&org("a")).is_err());
    assert_eq!(world.gate.leave(NOW, first), None);
    assert_eq!(world.start_all(), [2]);
}

#[test]
fn who_has_a_seat_goes_on_while_others_wait_for_one() {
    let mut world = World::with(1, 10, 10, 0);
    let first = world.request("a", 0);
    assert_eq!(world.start(), Some(0));
    world.gate.done(mib(1), None);
    world.request("a", 1);
    world.request("b", 2);
    assert_eq!(world.start(), None);
    world.offer(first, 1, 10);
    assert_eq!(world.start(), Some(10));
    world.end(first, 1);
    assert_eq!(world.start(), Some(2), "the turn of b, which was passed by");
}

#[test]
fn once_closed_only_those_that_are_in_go_on() {
    let mut world = World::new(1, 10, 10);
    let (queued, preparing) = (world.request("a", 0), world.admit("a"));
    world.gate.close();
    assert_eq!(world.gate.admit(&org("a")).unwrap_err(), Refusal::Closed);
    assert_eq!(world.start(), Some(0));
    world.end(queued, 1);
    assert!(!world.gate.is_finished());
    world.offer(preparing, 1, 1);
    assert_eq!(world.start(), Some(1));
    world.end(preparing, 1);
    assert!(world.gate.is_finished());
}

#[test]
fn beside_a_flood_a_request_waits_for_one_other_start_at_most() {
    for workers in 1..4 {
        let mut world = World::new(workers, 8, 1_000);
        let mut tickets: HashMap<u32, u64> = HashMap::new();
        let mut names = 0..;
        let mut running = VecDeque::new();
        for _ in 0..200 {
            // The flood takes every place that it gets.
            while let Ok((ticket, displaced)) = world.gate.admit(&org("flood")) {
                assert_eq!(displaced, None, "a flood displaces nobody");
                let name = names.next().unwrap();
                world.offer(ticket, 1, name);
                tickets.insert(name, ticket);
            }
            running.extend(world.start_all());
            let (ticket, _) = world.gate.admit(&org("small")).unwrap();
            let small = names.next().unwrap();
            world.offer(ticket, 1, small);
            tickets.insert(small, ticket);
            let mut others = 0;
            while !running.contains(&small) {
                let oldest = running.pop_front().unwrap();
                world.end(tickets[&oldest], 1);
                let started = world.start().unwrap();
                others += usize::from(started != small);
                running.push_back(started);
            }
            assert!(others <= 1, "{others}");
            // It has had its hash before it sends the next.
            while running.contains(&small) {
                let oldest = running.pop_front().unwrap();
                world.end(tickets[&oldest], 1);
                running.extend(world.start_all());
            }
        }
    }
}
