//! What a network does to its connections.

use std::time::Duration;

use portcullis_testkit::proxy::Proxy;
use tokio::time::sleep;

use crate::dice::Dice;

/// One misfortune.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing arrives any more, for so long.
    BlackHole(Duration),
    /// Everything takes a little longer, and after so long all connections are reset.
    Cut(Duration),
    /// Everything takes so much longer.
    Delay(Duration),
    /// So many replies to mutations are lost.
    DropReplies(usize),
    /// All connections are reset and no new one is accepted, for so long.
    Refuse(Duration),
}

impl Fault {
    /// Any of them, with a black hole that a client gives up in or not.
    pub(crate) fn random(dice: &mut Dice, patience: Duration) -> Self {
        match dice.number(0..15) {
            0..5 => Self::Cut(dice.millis(0..14)),
            5..9 => Self::DropReplies(usize::try_from(dice.number(1..6)).unwrap()),
            9..11 => Self::Refuse(dice.millis(0..300)),
            11..13 => Self::Delay(dice.millis(1..80)),
            13 => Self::BlackHole(dice.millis(10..100)),
            _ => Self::BlackHole(patience + Duration::from_millis(300)),
        }
    }

    /// Lets it happen. What does not end by itself goes on until the proxies are healed.
    pub(crate) async fn strike(self, proxies: &[Proxy], pattern: &[u8]) {
        match self {
            Self::BlackHole(time) => {
                proxies.iter().for_each(|proxy| proxy.black_hole(true));
                sleep(time).await;
                proxies.iter().for_each(|proxy| proxy.black_hole(false));
            }
            Self::Cut(time) => {
                for proxy in proxies {
                    proxy.delay_requests(SLOW);
                    proxy.delay_replies(SLOW);
                }
                sleep(time).await;
                for proxy in proxies {
                    proxy.cut().await;
                }
            }
            Self::Delay(time) => {
                for proxy in proxies {
                    proxy.delay_requests(time);
                    proxy.delay_replies(time);
                }
            }
            Self::DropReplies(count) => {
                for proxy in proxies {
                    proxy.drop_replies(pattern, count);
                }
            }
            Self::Refuse(time) => {
                for proxy in proxies {
                    proxy.refuse().await;
                    proxy.cut().await;
                }
                sleep(time).await;
                for proxy in proxies {
                    proxy.accept().await;
                }
            }
        }
    }
}

/// As long as a request or a reply is on its way when a cut comes.
const SLOW: Duration = Duration::from_millis(4);

/// Ends all faults.
pub(crate) async fn heal(proxies: &[Proxy]) {
    for proxy in proxies {
        proxy.heal().await;
    }
}
