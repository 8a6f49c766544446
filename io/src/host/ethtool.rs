//! Settings of a network card by the `ethtool` calls that everybody may make.

use std::os::fd::RawFd;

/// What is known of a card; `None`: its driver does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// The kernel glues received segments together before they are delivered.
    pub receive_offload: Option<bool>,
    /// The card itself does.
    pub large_receive: Option<bool>,
    /// Interrupts are delayed by load.
    pub adaptive_receive: Option<bool>,
    /// Delay of an interrupt after a frame, µs.
    pub receive_delay_us: Option<u32>,
}

const GET_COALESCE: u32 = 0x0e;
const GET_FLAGS: u32 = 0x25;
const GET_RECEIVE_OFFLOAD: u32 = 0x2b;
/// Bit of the flags that means large receive.
const FLAG_LARGE_RECEIVE: u32 = 1 << 15;
/// Numbers in the kernel's coalescing structure; its command included.
const COALESCE_WORDS: usize = 23;

/// Asks for a card's settings; `None` when there is no card of this name. `socket`: any socket.
#[must_use]
pub(super) fn card(socket: RawFd, name: &str) -> Option<Card> {
    let coalesce = call(socket, name, GET_COALESCE);
    let one = |command| call(socket, name, command).map(|words| words[1]);
    let card = Card {
        receive_offload: one(GET_RECEIVE_OFFLOAD).map(|on| on != 0),
        large_receive: one(GET_FLAGS).map(|flags| flags & FLAG_LARGE_RECEIVE != 0),
        adaptive_receive: coalesce.map(|words| words[10] != 0),
        receive_delay_us: coalesce.map(|words| words[1]),
    };
    (card != Card::default()).then_some(card)
}

/// One call with the largest of the structures used here, all of which are rows of 32-bit numbers.
fn call(socket: RawFd, name: &str, command: u32) -> Option<[u32; COALESCE_WORDS]> {
    let mut words = [0; COALESCE_WORDS];
    words[0] = command;
    // SAFETY: every field is a number or a pointer, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: the name ends there.
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the request and the numbers it points to live past the call, and no structure of the three
    // commands is larger than the numbers.
    let outcome = unsafe { libc::ioctl(socket, libc::SIOCETHTOOL, &raw mut request) };
    (outcome == 0).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_card_that_is_not_there_has_no_settings() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(card(socket.as_raw_fd(), "no-such-card"), None);
        assert_eq!(card(socket.as_raw_fd(), "a-name-of-more-than-sixteen-bytes"), None);
        assert_eq!(card(-1, "lo"), None);
    }
}
