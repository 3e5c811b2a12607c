//! Whatever happens in whatever order: bounds hold, nothing is lost, nobody starves.

use std::{collections::BTreeSet, num::NonZeroUsize};

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy)]
enum Event {
    Admit(u8),
    /// The request at this place queues a job of so many MiB.
    Offer(usize, u32),
    Start,
    /// The job at this place ends.
    End(usize),
    Withdraw(usize),
    Leave(usize),
    Pass(u64),
    Expire,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..4_u8).prop_map(Event::Admit),
        4 => (any::<usize>(), 1..12_u32).prop_map(|(at, cost)| Event::Offer(at, cost)),
        4 => Just(Event::Start),
        3 => any::<usize>().prop_map(Event::End),
        1 => any::<usize>().prop_map(Event::Withdraw),
        2 => any::<usize>().prop_map(Event::Leave),
        1 => (0..400_u64).prop_map(Event::Pass),
        1 => Just(Event::Expire),
    ];
    prop::collection::vec(event, 0..400)
}

fn config() -> impl Strategy<Value = HashPoolConfig> {
    (1..4_usize, 0..6_usize, 1..20_u64, 0..4_usize).prop_map(|(workers, queue, memory, commits)| {
        HashPoolConfig::default()
            .with_workers(NonZeroUsize::new(workers).unwrap())
            .with_queue(queue)
            .with_memory(memory * MIB)
            .with_commits(commits)
            .with_wait(Duration::from_secs(1))
    })
}

/// What callers and threads know.
struct World {
    gate: Gate<u64>,
    config: HashPoolConfig,
    now: Duration,
    /// Tickets in the hands of callers, with the organisation.
    held: Vec<(u64, u8)>,
    /// Tickets whose job waits.
    waiting: BTreeSet<u64>,
    running: Vec<(u64, HashCost)>,
    /// The order of first jobs, by organisation.
    order: [VecDeque<u64>; 4],
    begun: BTreeSet<u64>,
}

impl World {
    fn new(config: HashPoolConfig) -> Self {
        Self {
            gate: Gate::new(config, HashCost::new(1024, 1)),
            config,
            now: Duration::ZERO,
            held: Vec::new(),
            waiting: BTreeSet::new(),
            running: Vec::new(),
            order: Default::default(),
            begun: BTreeSet::new(),
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Admit(organisation) => self.admit(organisation),
            Event::Offer(at, cost) => self.offer(at, cost),
            Event::Start => self.start(),
            Event::End(at) => self.end(at),
            Event::Withdraw(at) => {
                if let Some((ticket, _)) = pick(&self.held, at) {
                    let gone = self.gate.withdraw(ticket);
                    assert_eq!(gone.is_some(), self.waiting.contains(&ticket));
                    self.shed(gone);
                }
            }
            Event::Leave(at) => {
                // A request ends only when nothing of it runs or waits.
                let busy = |ticket: &u64| {
                    self.waiting.contains(ticket)
                        || self.running.iter().any(|(other, _)| other == ticket)
                };
                let Some((ticket, _)) = pick(&self.held, at).filter(|(ticket, _)| !busy(ticket))
                else {
                    return;
                };
                assert_eq!(self.gate.leave(self.now, ticket), None);
                self.held.retain(|(other, _)| *other != ticket);
            }
            Event::Pass(millis) => self.now += Duration::from_millis(millis),
            Event::Expire => {
                while let Some((_, task)) = self.gate.expire(self.now) {
                    self.shed(Some(task));
                }
            }
        }
        self.check();
    }

    fn admit(&mut self, organisation: u8) {
        if let Ok((ticket, displaced)) = self.gate.admit(&org(organisation)) {
            assert!(!displaced.is_some_and(|ticket| self.begun.contains(&ticket)));
            self.shed(displaced);
            self.held.push((ticket, organisation));
        }
    }

    fn offer(&mut self, at: usize, mebibytes: u32) {
        let Some((ticket, organisation)) = pick(&self.held, at) else {
            return;
        };
        let runs = self.running.iter().any(|(other, _)| *other == ticket);
        if runs || self.waiting.contains(&ticket) {
            return;
        }
        let cost = HashCost::new(mebibytes * 1024, 1);
        match self.gate.offer(self.now, ticket, cost, ticket) {
            Ok(()) => {
                self.waiting.insert(ticket);
                if !self.begun.contains(&ticket) {
                    self.order[usize::from(organisation)].push_back(ticket);
                }
            }
            Err((Refusal::TooLarge { .. }, _)) => {
                assert!(cost.memory_bytes() > self.config.memory);
            }
            Err(_) => assert!(
                !self.begun.contains(&ticket),
                "who has begun is not refused"
            ),
        }
    }

    fn start(&mut self) {
        let Some(job) = self.gate.next(self.now) else {
            return;
        };
        assert!(self.waiting.remove(&job.task), "only what waits starts");
        if self.begun.insert(job.task) {
            let mut lanes = self.order.iter_mut();
            let lane = lanes.find(|lane| lane.contains(&job.task)).unwrap();
            assert_eq!(lane.pop_front(), Some(job.task), "first come first served");
        }
        self.running.push((job.task, job.cost));
    }

    fn end(&mut self, at: usize) {
        if self.running.is_empty() {
            return;
        }
        let (_, cost) = self.running.remove(at % self.running.len());
        self.gate.done(cost, Some(Duration::from_millis(1)));
    }

    fn shed(&mut self, task: Option<u64>) {
        let Some(ticket) = task else { return };
        assert!(self.waiting.remove(&ticket), "only what waits is shed");
        self.order
            .iter_mut()
            .for_each(|lane| lane.retain(|other| *other != ticket));
    }

    fn check(&self) {
        let levels = self.gate.levels();
        let memory: u64 = self
            .running
            .iter()
            .map(|(_, cost)| cost.memory_bytes())
            .sum();
        assert_eq!(levels.memory, memory);
        assert!(memory <= self.config.memory);
        assert_eq!(levels.running, self.running.len());
        assert!(levels.running <= self.config.workers.get());
        assert_eq!(levels.waiting, self.waiting.len());
        assert!(levels.seated <= self.config.workers.get() + self.config.commits);
        assert!(self.gate.queued <= self.config.queue + self.config.workers.get());
        let queued: usize = self.gate.lanes.values().map(Lane::queued).sum();
        assert_eq!(self.gate.queued, queued);
        let seated: usize = self.gate.lanes.values().map(|lane| lane.seated).sum();
        assert_eq!(levels.seated, seated);
        assert_eq!(self.gate.tickets.len(), queued + seated);
        let mut turns: Vec<_> = self.gate.turns.iter().collect();
        let all = turns.len();
        turns.sort();
        turns.dedup();
        assert_eq!(turns.len(), all, "one turn for each");
        let waiting = self.gate.lanes.values().filter(|lane| lane.waiting() > 0);
        assert_eq!(waiting.count(), all);
    }

    /// Lets everything that is in end, and expects nothing to be left.
    fn finish(mut self) {
        self.gate.close();
        let mut rounds = 0;
        while !(self.held.is_empty() && self.running.is_empty()) {
            rounds += 1;
            assert!(rounds < 2_000, "no progress");
            self.start();
            self.end(0);
            let idle: Vec<_> = self
                .held
                .iter()
                .map(|(ticket, _)| *ticket)
                .filter(|ticket| !self.waiting.contains(ticket))
                .filter(|ticket| self.running.iter().all(|(other, _)| other != ticket))
                .collect();
            for ticket in idle {
                self.gate.leave(self.now, ticket);
                self.held.retain(|(other, _)| *other != ticket);
            }
            self.check();
        }
        assert!(self.waiting.is_empty(), "everything started");
        assert!(self.gate.is_finished());
        assert!(self.gate.lanes.is_empty() && self.gate.turns.is_empty());
    }
}

fn pick<T: Copy>(all: &[T], at: usize) -> Option<T> {
    all.get(at.checked_rem(all.len())?).copied()
}

fn org(number: u8) -> OrgId {
    OrgId::new(number.to_string()).unwrap()
}

proptest! {
    #[test]
    fn bounds_hold_and_nothing_is_lost(config in config(), events in events()) {
        let mut world = World::new(config);
        for event in events {
            world.apply(event);
        }
        world.finish();
    }

    #[test]
    fn every_organisation_gets_its_share_of_a_flood(
        workers in 1..4_usize,
        organisations in 2..6_usize,
        counts in prop::collection::vec(10..60_usize, 6),
    ) {
        let config = HashPoolConfig::default()
            .with_workers(NonZeroUsize::new(workers).unwrap())
            .with_queue(1_000)
            .with_memory(1 << 40);
        let mut gate = Gate::new(config, HashCost::new(1024, 1));
        let mut tickets = HashMap::new();
        for (number, count) in counts.iter().enumerate().take(organisations) {
            let organisation = OrgId::new(number.to_string()).unwrap();
            for _ in 0..*count {
                let (ticket, _) = gate.admit(&organisation).unwrap();
                let cost = HashCost::new(1024, 1);
                gate.offer(Duration::ZERO, ticket, cost, number).unwrap();
                tickets.insert(ticket, number);
            }
        }
        let mut started = vec![0_usize; organisations];
        // For as long as everybody has something waiting.
        for _ in 0..(organisations * 10) {
            let job = gate.next(Duration::ZERO).unwrap();
            started[job.task] += 1;
            let (least, most) = (started.iter().min(), started.iter().max());
            prop_assert!(most.unwrap() - least.unwrap() <= 1);
            gate.done(job.cost, None);
            gate.leave(Duration::ZERO, job.ticket);
        }
    }
}
