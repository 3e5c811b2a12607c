//! Floods of guesses at four servers on one store, of which one keeps dying: however many guesses
//! come, through whatever door, no more are worked on than the lockout allows.

mod controls;
mod doors;
mod fleet;
mod flood;

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use portcullis_tests::{ADMIN, Ask, Door};

use crate::store::Store;
use doors::{Guess, check, check_with};
use fleet::Fleet;
use flood::{Running, Script, Size, flood};

on_stores! {
    no_flood_gets_more_than_its_limit: sqlite postgres redis;
}

/// What the organisation allows.
const LIMIT: usize = 5;
const RIGHT: &str = "Secret-1234";

async fn no_flood_gets_more_than_its_limit(store: Store) {
    let mut fleet = Fleet::start(store).await;
    for user in ["42", "nobody", "inactive"] {
        let set = Ask::new(user, ADMIN);
        let set = set.through(Door::Rest, fleet.addresses()[0]).await;
        assert_eq!(set.code, 0, "{set:?}");
    }
    let (size, begun) = (Size::asked(), Instant::now());
    let of_one = flood(&mut fleet, size, Arc::new(|n| check("42", n))).await;
    let some = 1..=LIMIT;
    assert!(some.contains(&of_one.hashes), "{store:?}: {of_one:?}");
    let of_nobody = flood(&mut fleet, size, Arc::new(|n| check("absent", n))).await;
    assert!(some.contains(&of_nobody.hashes), "{store:?}: {of_nobody:?}");
    assert_eq!(of_one.refusals.len(), 1, "{store:?}: {of_one:?}");
    assert_eq!(of_one.refusals, of_nobody.refusals, "the same bytes");

    let through_all = flood(&mut fleet, size, Arc::new(Guess::rotated)).await;
    assert!(
        through_all.hashes <= LIMIT && through_all.answered > 0,
        "{store:?}: {through_all:?}"
    );
    let hurried = Arc::new(|n| check("inactive", n).hurried());
    let hurried = flood(&mut fleet, size, hurried).await;
    assert!(hurried.hashes <= LIMIT, "{store:?}: {hurried:?}");
    let took = begun.elapsed();
    println!("{store:?}: {of_one} {of_nobody} {through_all} {hurried} in {took:?}");

    an_administrator_gets_through(&fleet, size).await;

    // Locked is locked: the right password is worth no hash either.
    let before = fleet.hashes().await;
    for address in fleet.addresses() {
        let right = check_with("42", RIGHT).make(address).await;
        assert!(!right.expect("an answer").verified);
    }
    assert_eq!(fleet.hashes().await, before);
}

/// Guesses at full rate never keep an administrator from setting that user's password, though each
/// new password gives them another five.
async fn an_administrator_gets_through(fleet: &Fleet, size: Size) {
    let addresses = fleet.addresses();
    let shared = Arc::new(Mutex::new(addresses.clone()));
    let script: Script = Arc::new(|n| check("locked", n));
    let mut flood = Running::start(size, &shared, &script);
    let mut sets = 0;
    while !flood.is_over() || sets == 0 {
        let set = Ask::new("locked", ADMIN);
        let set = set.through(Door::Rest, addresses[sets % addresses.len()]);
        let set = set.await;
        assert_eq!(set.code, 0, "{set:?}");
        sets += 1;
    }
    let answered = flood.end().await.answered;
    println!("{sets} new passwords amid {answered} answers");
}
