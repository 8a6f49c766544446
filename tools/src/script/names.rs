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

/// Round trips by their texts: those that the script gave, and `<asset>-T-<number>` for the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trades {
    named: Vec<(String, TradeId)>,
}

impl Trades {
    /// The round trip of a text. A text that no round trip has yet stands for the kernel's `next`; it keeps
    /// that only when the kernel takes it ([`Self::follow`]).
    pub(super) fn number(&mut self, text: &str, next: TradeId) -> TradeId {
        if let Some(known) = self.known(text) {
            return known;
        }
        self.named.push((text.to_owned(), next));
        next
    }

    /// Follows the kernel after a line: a text whose round trip it did not take is free again, a round trip
    /// that has no text gets one.
    pub(super) fn follow(&mut self, kernel: &Kernel) {
        let next = kernel.next_trade();
        self.named.retain(|(_, trade)| *trade < next);
        for slot in kernel.slots() {
            if let (Some(trade), Some(instrument)) = (slot.trade(), slot.instrument())
                && self.text(trade).is_none()
            {
                let symbol = kernel.table().symbol(instrument);
                self.named.push((format!("{symbol}-T-{:012}", trade.seq()), trade));
            }
        }
    }

    /// The round trip of a text that appeared before.
    pub(super) fn known(&self, text: &str) -> Option<TradeId> {
        self.named.iter().find(|(known, _)| known == text).map(|(_, trade)| *trade)
    }

    /// The text of a round trip.
    pub(super) fn text(&self, trade: TradeId) -> Option<&str> {
        self.named.iter().find(|(_, known)| *known == trade).map(|(text, _)| text.as_str())
    }
}
