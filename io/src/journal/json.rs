//! JSON text by hand: one object in a reused buffer, keys in the order of the calls.
//!
//! Rendering a line must not allocate and must give the same bytes always; a general serializer gives
//! neither key order nor decimals as exact strings without a detour.

use std::io::Write as _;

use pinion_core::msg::{Maybe, Word};
use pinion_core::units::{DECIMAL_TEXT_MAX, print_raw};

/// An object under construction.
#[derive(Debug, Default)]
pub(super) struct Object {
    bytes: Vec<u8>,
    first: bool,
}

impl Object {
    /// Empties it and opens a new object.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.open();
    }

    /// Closes the object with a newline.
    pub(super) fn end_line(&mut self) -> &[u8] {
        self.bytes.extend_from_slice(b"}\n");
        &self.bytes
    }

    fn open(&mut self) {
        self.bytes.push(b'{');
        self.first = true;
    }

    /// A key; its value must follow.
    pub(super) fn key(&mut self, key: &str) {
        if !self.first {
            self.bytes.push(b',');
        }
        self.first = false;
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    /// A member that is an object of its own.
    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.open();
        fill(self);
        self.bytes.push(b'}');
        self.first = false;
    }

    /// A member that is a list of objects.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) {
        self.key(key);
        self.bytes.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.open();
            fill(self, item);
            self.bytes.push(b'}');
        }
        self.bytes.push(b']');
        self.first = false;
    }

    /// A list of texts.
    pub(super) fn texts<'a>(&mut self, key: &str, items: impl IntoIterator<Item = &'a str>) {
        self.key(key);
        self.bytes.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.quoted(item);
        }
        self.bytes.push(b']');
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.bytes.extend_from_slice(json);
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.quoted(text);
    }

    /// A text, or null when it is empty.
    pub(super) fn text_or_null(&mut self, key: &str, text: &str) {
        if text.is_empty() { self.null(key) } else { self.text(key, text) }
    }

    pub(super) fn null(&mut self, key: &str) {
        self.raw(key, b"null");
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    pub(super) fn integer(&mut self, key: &str, value: impl itoa::Integer) {
        self.key(key);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A fixed-point number as an exact decimal string.
    pub(super) fn decimal<T: Word>(&mut self, key: &str, value: T) {
        self.key(key);
        self.bytes.push(b'"');
        let mut buffer = [0; DECIMAL_TEXT_MAX];
        self.bytes.extend_from_slice(print_raw(value.to_word(), &mut buffer).as_bytes());
        self.bytes.push(b'"');
    }

    pub(super) fn maybe<T: Word>(&mut self, key: &str, value: Maybe<T>) {
        match value.get() {
            Some(value) => self.decimal(key, value),
            None => self.null(key),
        }
    }

    /// A float in the shortest text that reads back the same; null where JSON has no number for it.
    pub(super) fn float(&mut self, key: &str, value: f64) {
        self.key(key);
        if value.is_finite() {
            // Writing to a vector cannot fail.
            drop(write!(self.bytes, "{value:?}"));
        } else {
            self.bytes.extend_from_slice(b"null");
        }
    }

    pub(super) fn maybe_float(&mut self, key: &str, value: Option<f64>) {
        match value {
            Some(value) => self.float(key, value),
            None => self.null(key),
        }
    }

    /// A text made of parts that need no escape.
    pub(super) fn display(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        drop(write!(self.bytes, "\"{value}\""));
    }

    fn quoted(&mut self, text: &str) {
        self.bytes.push(b'"');
        escape_into(&mut self.bytes, text);
        self.bytes.push(b'"');
    }
}

/// Appends `text` as it stands inside a JSON string.
pub(super) fn escape_into(bytes: &mut Vec<u8>, text: &str) {
    // Nearly every text is a plain word; the check takes a few nanoseconds.
    if !text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        bytes.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => bytes.extend_from_slice(&[b'\\', byte]),
            b'\n' => bytes.extend_from_slice(b"\\n"),
            0..=0x1f => drop(write!(bytes, "\\u{byte:04x}")),
            _ => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::units::Money;

    #[test]
    fn objects_are_json_in_the_order_of_the_calls() {
        let mut object = Object::default();
        object.begin();
        object.text("b", "say \"hi\"\\\n\u{1}é");
        object.decimal("a", Money::from_raw(-150_000_000));
        object.maybe("m", Maybe::<Money>::NONE);
        object.float("f", 1e-7);
        object.float("nan", f64::NAN);
        object.list("l", [1u32, 2], |row, value| row.integer("v", value));
        object.list("none", [0u32; 0], |row, value| row.integer("v", value));
        object.object("o", |inner| inner.flag("x", true));
        object.texts("t", ["p", "q"]);
        let line = String::from_utf8(object.end_line().to_vec()).expect("utf-8");
        assert_eq!(
            line,
            "{\"b\":\"say \\\"hi\\\"\\\\\\n\\u0001é\",\"a\":\"-1.5\",\"m\":null,\"f\":1e-7,\"nan\":null,\
             \"l\":[{\"v\":1},{\"v\":2}],\"none\":[],\"o\":{\"x\":true},\"t\":[\"p\",\"q\"]}\n"
        );
        let value: serde_json::Value = serde_json::from_str(&line).expect("parses");
        assert_eq!(value["b"], "say \"hi\"\\\n\u{1}é");
    }
}
