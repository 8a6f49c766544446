//! What the venue sends and nobody agreed: counted, and the first of each told.

use pinion_core::id::TextId;

pinion_core::text_enum! {
    /// Where something unknown was met.
    pub enum Oddity {
        /// A frame of the account socket with an unknown event name.
        Event => "event",
        /// A topic of the market socket.
        Topic => "topic",
        /// A field of an order or a fill.
        OrderField => "order_field",
        /// A state of an order.
        OrderState => "order_state",
        /// An execution type.
        Execution => "execution",
        /// A side or a position side.
        Side => "side",
        /// An order type.
        OrderType => "order_type",
        /// A reason of an account update.
        Reason => "reason",
        /// A margin mode.
        MarginMode => "margin_mode",
        /// A status of a contract.
        ContractStatus => "contract_status",
    }
}

/// Different words that are remembered.
const WORDS_MAX: usize = 64;

/// Counters of what is unknown, and the words themselves, each told once.
///
/// Owner: the decoder. Nothing is allocated after construction; words beyond the sixty-fourth are counted
/// and not told.
#[derive(Clone, Debug)]
pub struct Oddities {
    counts: [u64; Oddity::ALL.len()],
    words: Vec<(Oddity, TextId)>,
    told: usize,
}

impl Default for Oddities {
    fn default() -> Self {
        Self { counts: [0; Oddity::ALL.len()], words: Vec::with_capacity(WORDS_MAX), told: 0 }
    }
}

impl Oddities {
    /// Counts one; `word` is cut to what fits a [`TextId`].
    pub fn note(&mut self, what: Oddity, word: &str) {
        if let Some(count) = self.counts.get_mut(usize::from(what.code())) {
            *count = count.saturating_add(1);
        }
        let word = printable(word);
        if self.words.len() < WORDS_MAX && !self.words.contains(&(what, word)) {
            self.words.push((what, word));
        }
    }

    /// How often something of this kind was met.
    #[must_use]
    pub fn count(&self, what: Oddity) -> u64 {
        self.counts.get(usize::from(what.code())).copied().unwrap_or(0)
    }

    /// The next word that was not told yet, for an alert.
    pub fn next_untold(&mut self) -> Option<(Oddity, TextId)> {
        let word = self.words.get(self.told).copied()?;
        self.told += 1;
        Some(word)
    }
}

/// The first bytes of a foreign word; what is not printable ASCII becomes `?`.
fn printable(word: &str) -> TextId {
    let mut bytes = [b'?'; pinion_core::id::TEXT_ID_MAX];
    let len = word.len().min(bytes.len());
    for (to, from) in bytes.iter_mut().zip(word.bytes()) {
        if (0x21..=0x7e).contains(&from) {
            *to = from;
        }
    }
    let text = bytes.get(..len).and_then(|bytes| core::str::from_utf8(bytes).ok());
    text.and_then(TextId::new).unwrap_or(TextId::EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_told_once_and_every_one_counted() {
        let mut oddities = Oddities::default();
        for _ in 0..3 {
            oddities.note(Oddity::OrderState, "HIBERNATING");
        }
        oddities.note(Oddity::Event, "a\n\u{e4} word that is far too long to be kept");
        assert_eq!(oddities.count(Oddity::OrderState), 3);
        let (what, word) = oddities.next_untold().expect("one");
        assert_eq!((what, word.as_str()), (Oddity::OrderState, "HIBERNATING"));
        let (_, word) = oddities.next_untold().expect("two");
        assert_eq!(word.as_str(), "a????word?that?is?far?t");
        assert_eq!(oddities.next_untold(), None);
        for number in 0..1_000 {
            oddities.note(Oddity::Topic, &number.to_string());
        }
        assert_eq!(oddities.count(Oddity::Topic), 1_000);
        assert_eq!(oddities.words.len(), WORDS_MAX);
    }
}
