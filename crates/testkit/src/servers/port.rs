//! Ports that nobody else takes, also not while their server is down.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

/// A port of the loopback that is this process's as long as the value lives.
///
/// It lies below the range that the kernel gives to outgoing connections, or one of those could
/// take it while the server is dead. The port of Redis Cluster's bus, 10,000 above, is free too.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    // Nobody needs the UDP port of this number, so holding it is the claim against other tests,
    // in this process or another. The kernel gives it back with the process.
    _claim: UdpSocket,
}

const RANGE: std::ops::Range<u16> = 10_000..20_000;
const BUS: u16 = 10_000;

impl Port {
    /// Claims a free one.
    pub(crate) fn claim() -> Self {
        let size = u64::from(RANGE.end - RANGE.start);
        let start = RandomState::new().build_hasher().finish() % size;
        let offsets = (start..start + size).map(|offset| offset % size);
        let mut numbers = offsets.filter_map(|offset| u16::try_from(offset).ok());
        let claimed = numbers.find_map(|offset| Self::try_claim(RANGE.start + offset));
        claimed.expect("one of ten thousand ports is free")
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.number)
    }

    fn try_claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind(loopback(number)).ok()?;
        TcpListener::bind(loopback(number)).ok()?;
        TcpListener::bind(loopback(number + BUS)).ok()?;
        Some(Self {
            number,
            _claim: claim,
        })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
