//! The script's own names: round trips by text, orders by `$entry` and `$exit`.

use pinion_core::id::{ClientId, TradeId};
use pinion_core::kernel::Kernel;
use pinion_core::msg::{ClientRef, Command, CommandMsg};
use serde::{Deserialize, Serialize};

/// The last orders of a slot.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Last {
    entry: Option<ClientId>,
    exit: Option<ClientId>,
}

/// The last orders of the run: what `$entry`, `$exit` and `<as sent>` stand for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct LastOrders {
    slots: Vec<Last>,
    placed: Option<ClientId>,
}

impl LastOrders {
    /// Follows the kernel after a line. An order that is over stays the last one of its slot.
    pub(super) fn follow(&mut self, kernel: &Kernel, commands: &[CommandMsg]) {
        self.slots.resize(kernel.slots().len(), Last::default());
        for (last, slot) in self.slots.iter_mut().zip(kernel.slots()) {
            last.entry = slot.entry_order().or(last.entry);
            last.exit = slot.exit_order().or(last.exit);
        }
        for message in commands {
            if let Command::Place { client, .. } = message.command {
                self.placed = Some(client);
            }
        }
    }

    /// Who a `client_order_id` means. A name without an order behind it is nobody's order.
    pub(super) fn client(&self, text: &str, slot: usize) -> ClientRef {
        let last = self.slots.get(slot).copied().unwrap_or_default();
        let order = match text {
            "" => return ClientRef::Absent,
            "$entry" => last.entry,
            "$exit" => last.exit,
            "<as sent>" => self.placed,
            other => ClientId::parse(other),
        };
        order.map_or(ClientRef::Foreign, ClientRef::Own)
    }
}

/// Round trips by the text that the script gave them, numbered from 1 in order of appearance.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trades {
    texts: Vec<String>,
}

impl Trades {
    /// The number of a text, a new one for a new text.
    pub(super) fn number(&mut self, text: &str) -> TradeId {
        let index = self.find(text).unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        });
        TradeId::new(index as u64 + 1)
    }

    /// A number for an entry that names no round trip.
    pub(super) fn unnamed(&mut self, asset: &str) -> TradeId {
        let text = format!("{asset}-T-{:012}", self.texts.len() + 1);
        self.number(&text)
    }

    /// The number of a text that appeared before.
    pub(super) fn known(&self, text: &str) -> Option<TradeId> {
        self.find(text).map(|index| TradeId::new(index as u64 + 1))
    }

    /// The text of a number.
    pub(super) fn text(&self, trade: TradeId) -> Option<&str> {
        let index = usize::try_from(trade.seq().checked_sub(1)?).ok()?;
        self.texts.get(index).map(String::as_str)
    }

    fn find(&self, text: &str) -> Option<usize> {
        self.texts.iter().position(|known| known == text)
    }
}
