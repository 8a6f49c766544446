//! Listen keys: made by a call, kept alive by a call, dead an hour after the last.

use std::collections::BTreeMap;

use pinion_core::units::Nanos;

/// How long a key lives without being extended.
pub(super) const LIFE_NS: i64 = 3_600 * Nanos::SECOND;

#[derive(Clone, Copy, Debug)]
struct Entry {
    account: usize,
    until: Nanos,
}

/// All keys that live. Owner: the exchange.
#[derive(Clone, Debug)]
pub(super) struct ListenKeys {
    life_ns: i64,
    keys: BTreeMap<String, Entry>,
}

impl ListenKeys {
    pub(super) const fn new(life_ns: i64) -> Self {
        Self { life_ns, keys: BTreeMap::new() }
    }

    /// Registers a new key of an account.
    pub(super) fn create(&mut self, key: String, account: usize, now: Nanos) {
        self.keys.insert(key, Entry { account, until: now.plus(self.life_ns) });
    }

    /// Extends a key of an account; false when there is no such key.
    pub(super) fn extend(&mut self, key: &str, account: usize, now: Nanos) -> bool {
        let life_ns = self.life_ns;
        let found = self.keys.get_mut(key).filter(|entry| entry.account == account);
        found.map(|entry| entry.until = now.plus(life_ns)).is_some()
    }

    /// Ends a key of an account; false when there is no such key.
    pub(super) fn delete(&mut self, key: &str, account: usize) -> bool {
        self.account_of(key) == Some(account) && self.keys.remove(key).is_some()
    }

    /// Whose key it is, while it lives.
    pub(super) fn account_of(&self, key: &str) -> Option<usize> {
        self.keys.get(key).map(|entry| entry.account)
    }

    /// Takes out the keys that died by now.
    pub(super) fn expired(&mut self, now: Nanos) -> Vec<String> {
        self.take(|entry| entry.until <= now)
    }

    /// Takes out all keys of an account, whatever time they had left.
    pub(super) fn expire_account(&mut self, account: usize) -> Vec<String> {
        self.take(|entry| entry.account == account)
    }

    fn take(&mut self, dead: impl Fn(&Entry) -> bool) -> Vec<String> {
        let keys: Vec<String> =
            self.keys.iter().filter(|(_, entry)| dead(entry)).map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.keys.remove(key);
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lives_from_its_last_extension_and_belongs_to_one_account() {
        let mut keys = ListenKeys::new(100);
        keys.create("k".to_owned(), 1, Nanos::new(0));
        assert!(!keys.extend("k", 0, Nanos::new(50)) && keys.extend("k", 1, Nanos::new(50)));
        assert_eq!(keys.expired(Nanos::new(149)), Vec::<String>::new());
        assert_eq!(keys.account_of("k"), Some(1));
        assert_eq!(keys.expired(Nanos::new(150)), ["k"]);
        assert!(!keys.extend("k", 1, Nanos::new(150)), "dead is dead");
        keys.create("l".to_owned(), 0, Nanos::new(0));
        assert!(!keys.delete("l", 1) && keys.delete("l", 0));
    }
}
