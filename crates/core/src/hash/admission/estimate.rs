//! How long those who are turned away should stay away.

use std::time::Duration;

use super::{
    super::{lane::Lane, pace::Backlog},
    Gate,
};
use crate::id::OrgId;

impl<T> Gate<T> {
    /// How long an organisation's next request would wait, at the pace of late.
    pub(in crate::hash) fn retry_after(&self, organisation: &OrgId) -> Duration {
        let queued = self.queued_before(organisation);
        let work = queued.work.saturating_add(self.running_work);
        let jobs = queued.jobs.saturating_add(count(self.seated));
        self.pace.time(Backlog { jobs, work }).max(SOONEST)
    }

    /// How long everything that is in will take.
    pub(super) fn drains_in(&self) -> Duration {
        let usual = self.pace.usual_work();
        let work = self.lanes.values().fold(self.running_work, |sum, lane| {
            let work = lane.queued_work(usual).saturating_add(lane.further_work());
            sum.saturating_add(work)
        });
        let jobs = count(self.tickets.len());
        self.pace.time(Backlog { jobs, work }).max(SOONEST)
    }

    /// What waits and comes before an organisation's next request: all of its own, and as many of
    /// each other one as have their turn in between.
    pub(super) fn queued_before(&self, organisation: &OrgId) -> Backlog {
        let own = self.lanes.get(organisation).map_or(0, Lane::queued);
        let usual = self.pace.usual_work();
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.share() > 0);
        lanes.fold(Backlog::default(), |sum, (name, lane)| {
            let queued = lane.queued();
            let turns = if name == organisation {
                own
            } else {
                queued.min(own + 1)
            };
            let part = u128::from(lane.queued_work(usual)) * turns as u128 / queued.max(1) as u128;
            let work = u64::try_from(part).unwrap_or(u64::MAX);
            Backlog {
                jobs: sum.jobs.saturating_add(count(turns)),
                work: sum
                    .work
                    .saturating_add(work)
                    .saturating_add(lane.further_work()),
            }
        })
    }
}

/// Sooner than this, asking again is pointless.
const SOONEST: Duration = Duration::from_millis(1);

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
