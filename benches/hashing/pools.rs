//! The pool that a server hashes through, over any kernel.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portcullis_argon2::{ArenaPool, Kernel};
use portcullis_core::{
    HashCost, HashError, HashKind, HashPool, HashPoolConfig, HashString, OrgId, Password,
    PasswordHasher,
};

use crate::contenders::{Cost, by_us, hash_string, password};

/// Hashes what this bench always hashes, by one kernel, whatever the process uses.
#[derive(Debug)]
struct ByKernel {
    kernel: Kernel,
    cost: Cost,
    known: String,
    arenas: ArenaPool,
}

impl PasswordHasher for ByKernel {
    fn hash(&self, _: &Password) -> Result<HashString, HashError> {
        by_us(self.cost, self.kernel, &mut self.arenas.take());
        Ok(HashString::parse(&self.known).unwrap())
    }

    fn verify(&self, _: &Password, hash: &HashString) -> Result<bool, HashError> {
        let tag = by_us(self.cost, self.kernel, &mut self.arenas.take());
        Ok(hash.as_stored() == self.known && tag != [0; 32])
    }

    fn admits(&self, _: &HashString) -> Result<(), HashError> {
        Ok(())
    }

    fn needs_upgrade(&self, _: &HashString) -> bool {
        false
    }

    fn rehash(&self, password: &Password, _: &HashString) -> Result<HashString, HashError> {
        self.hash(password)
    }

    fn cost(&self) -> HashCost {
        HashCost::new(self.cost.memory, self.cost.passes)
    }

    fn suite(&self) -> String {
        "bench".to_owned()
    }
}

/// As many threads as cores.
pub(crate) fn pool(cost: Cost, kernel: Kernel, queue: usize) -> HashPool {
    let hasher = ByKernel {
        kernel,
        cost,
        known: hash_string(cost).as_stored().to_owned(),
        arenas: ArenaPool::keeping(cost.memory as usize),
    };
    let config = HashPoolConfig::default()
        .with_workers(NonZeroUsize::new(cores()).unwrap())
        .with_queue(queue);
    HashPool::start(Arc::new(hasher), config).unwrap()
}

/// Hashes a second with so many callers that never pause.
pub(crate) fn throughput(pool: &Arc<HashPool>, callers: usize, time: Duration) -> f64 {
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let acme = OrgId::new("acme").unwrap();
                while start.elapsed() < time {
                    let password = password();
                    let hash = pool.hash(HashKind::Set, &acme, &password);
                    runtime.block_on(hash).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    // Also the hashes that ended after the time are counted, and the time that they took.
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
