//! The same command has the same outcome on every transport.

use portcullis_tests::{
    ADMIN, Ask, Door, IAM, Method, NOBODY, ORG, OTHER_ADMIN, OTHER_ORG, Server, VIEWER,
};

/// Multiplication and a shift: enough to mix, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        choices[(self.0 >> 33) as usize % choices.len()]
    }
}

fn command(dice: &mut Dice) -> Ask {
    let users = [
        "42",
        "42",
        "42",
        "42",
        "42",
        "locked",
        "initial",
        "machine",
        "elsewhere",
        "absent",
        "",
        "ü/ %",
    ];
    let long = "Aa1!".repeat(18);
    let longer = format!("{long}x");
    let passwords = [
        "Secret-1234",
        "Secret-1234",
        "Secret-1234",
        "Secret-1234",
        "Secret-1234",
        "Secret-1234",
        "Geheim-9876",
        "aaa",
        "",
        "x",
        "ALLUPPER-1",
        "alllower-1",
        "NoNumber-",
        "NoSymbol1",
        "\0Nul-1234",
        "Pässwörd-🦀1",
        "tab\tNew\nline1",
        &long,
        &longer,
    ];
    let tokens = [
        ADMIN,
        ADMIN,
        ADMIN,
        ADMIN,
        ADMIN,
        IAM,
        OTHER_ADMIN,
        VIEWER,
        NOBODY,
        "unknown",
    ];
    let mut ask = Ask::new(dice.roll(&users), dice.roll(&tokens)).password(dice.roll(&passwords));
    ask.method = *dice.roll(&[&Method::Set, &Method::SetInitial]);
    ask.no_change_required = *dice.roll(&[&true, &false]);
    ask.org = dice
        .roll(&[
            &None,
            &None,
            &Some(ORG),
            &Some(OTHER_ORG),
            &Some("no-such-org"),
        ])
        .map(str::to_owned);
    let headers = [None, Some("Basic x"), Some("Bearer")];
    if *dice.roll(&[&0, &1, &2, &3, &4, &5, &6, &7]) == 0 {
        ask.authorization = dice.roll(&headers.each_ref()).map(str::to_owned);
    }
    let operations = [None, None, None, None, None, None, None, Some("not an id")];
    ask.operation = dice.roll(&operations.each_ref()).map(str::to_owned);
    ask
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_commands_have_one_outcome_each() {
    let server = Server::start().await;
    let mut dice = Dice(2024);
    let mut succeeded = 0;
    for number in 0..300 {
        let ask = command(&mut dice);
        let first = ask.through(Door::Rest, server.address).await;
        succeeded += usize::from(first.code == 0);
        for door in Door::ALL {
            let answer = ask.through(door, server.address).await;
            assert_eq!(
                answer.outcome(),
                first.outcome(),
                "command {number} through {door:?}: {ask:?}"
            );
            assert_eq!(
                answer.operation.as_ref().map(String::len),
                Some(32),
                "{door:?}"
            );
        }
    }
    assert!(
        (30..270).contains(&succeeded),
        "{succeeded} of 300 succeed: the mix is off"
    );
    for org in [ORG, OTHER_ORG] {
        assert_eq!(server.inspect(org, "42").await.0, 0);
    }
}
