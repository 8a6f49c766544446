//! One line of a script: a JSON object whose numbers stay text, so that none passes through a float.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use pinion_core::units::{DecimalFault, Nanos};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What is wrong with a line and what was expected, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member of the object, as it was written.
#[derive(Debug)]
struct Member {
    name: String,
    value: Box<RawValue>,
    is_read: bool,
}

/// The object of a line, or one inside of a list.
#[derive(Debug)]
pub(super) struct Object {
    members: Vec<Member>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members: Vec<Member> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.iter().any(|member| member.name == name) {
                        let text = format!("member `{name}` appears twice");
                        return Err(serde::de::Error::custom(text));
                    }
                    members.push(Member { name, value, is_read: false });
                }
                Ok(Object { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Object {
    fn raw(&mut self, name: &str) -> Option<&str> {
        let member = self.members.iter_mut().find(|member| member.name == name)?;
        member.is_read = true;
        let text = member.value.get();
        (text != "null").then_some(text)
    }

    /// A text, or a number by its digits; `null` is absent.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        scalar(raw)
            .map(|text| Some(text.into_owned()))
            .ok_or_else(|| Fault(format!("{name}: found {raw}; expected a text or a number")))
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| missing(name, "a text"))
    }

    /// A number that may not fit the units.
    pub(super) fn number<T>(&mut self, name: &str) -> Result<Option<Result<T, DecimalFault>>, Fault>
    where
        T: FromStr<Err = DecimalFault>,
    {
        Ok(self.text(name)?.map(|text| text.parse()))
    }

    /// A number that fits the units.
    pub(super) fn exact<T>(&mut self, name: &str) -> Result<Option<T>, Fault>
    where
        T: FromStr<Err = DecimalFault>,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|fault: DecimalFault| Fault(format!("{name}: found {text}; expected {fault}")))
    }

    /// A number that must be there and fits the units.
    pub(super) fn needed<T>(&mut self, name: &str) -> Result<T, Fault>
    where
        T: FromStr<Err = DecimalFault>,
    {
        self.exact(name)?.ok_or_else(|| missing(name, "a decimal number"))
    }

    /// A number that fits the units and is not below zero.
    pub(super) fn size<T>(&mut self, name: &str) -> Result<Option<T>, Fault>
    where
        T: FromStr<Err = DecimalFault> + Default + PartialOrd + fmt::Display,
    {
        match self.exact::<T>(name)? {
            Some(value) if value < T::default() => {
                Err(Fault(format!("{name}: found {value}; expected a size of 0 or more")))
            }
            other => Ok(other),
        }
    }

    /// A whole number from 0.
    pub(super) fn count<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Fault(format!("{name}: found {text}; expected a whole number from 0")))
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.raw(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(raw) => Err(Fault(format!("{name}: found {raw}; expected true or false"))),
        }
    }

    /// One of a closed set of texts, in any case.
    pub(super) fn choice<T>(
        &mut self,
        name: &str,
        texts: &[&str],
        from_text: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        from_text(&text.to_ascii_lowercase()).map(Some).ok_or_else(|| {
            Fault(format!("{name}: found {text}; expected one of {}", texts.join(", ")))
        })
    }

    /// A list of texts or numbers.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let fault = || Fault(format!("{name}: found {raw}; expected a list of texts or numbers"));
        let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| fault())?;
        let texts = items.iter().map(|item| scalar(item.get()).map(Cow::into_owned));
        texts.collect::<Option<_>>().map(Some).ok_or_else(fault)
    }

    /// A list of objects, under the first of these names that is there.
    pub(super) fn objects(&mut self, names: &[&str]) -> Result<Vec<Self>, Fault> {
        for name in names {
            let Some(raw) = self.raw(name) else { continue };
            return serde_json::from_str(raw)
                .map_err(|_| Fault(format!("{name}: found {raw}; expected a list of objects")));
        }
        Ok(Vec::new())
    }

    /// Names of the members that nobody read and that contain a point: settings.
    pub(super) fn dotted(&self) -> Vec<String> {
        let names = self.members.iter().map(|member| &member.name);
        names.filter(|name| name.contains('.')).cloned().collect()
    }
}

/// Greatest exponent of a number that is read: more than the units' digits.
const EXPONENT_MAX: i32 = 30;

/// A line: its time, its event, its members.
#[derive(Debug)]
pub(super) struct Line {
    t: Nanos,
    event: String,
    object: Object,
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let mut object: Object = serde_json::from_slice(text)
            .map_err(|error| Fault(format!("not a JSON object: {error}")))?;
        let t: u64 = object.count("t")?.ok_or_else(|| missing("t", "nanoseconds"))?;
        let t = i64::try_from(t)
            .map_err(|_| Fault(format!("t: found {t}; expected nanoseconds below 2^63")))?;
        let event = object.needed_text("event")?;
        Ok(Self { t: Nanos::new(t), event, object })
    }

    /// Its time.
    pub(super) const fn t(&self) -> Nanos {
        self.t
    }

    /// Its event.
    pub(super) fn event(&self) -> &str {
        &self.event
    }

    /// Its members.
    pub(super) const fn object(&mut self) -> &mut Object {
        &mut self.object
    }

    /// Members that nothing asked for.
    pub(super) fn unread(&self) -> impl Iterator<Item = &str> {
        let unread = self.object.members.iter().filter(|member| !member.is_read);
        unread.map(|member| member.name.as_str())
    }
}

/// The fault of a member that is not there.
pub(super) fn missing(name: &str, expected: &str) -> Fault {
    Fault(format!("{name}: missing; expected {expected}"))
}

/// The text of a JSON string, the digits of a JSON number.
fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(without_exponent(raw).map_or(Cow::Borrowed(raw), Cow::Owned)),
        _ => None,
    }
}

/// A number with an exponent by its plain digits: serializers write 0.00001 as `1e-05`. `None` for what is no
/// number with an exponent, and for one that no unit can hold.
fn without_exponent(raw: &str) -> Option<String> {
    let (number, exponent) = raw.split_once(['e', 'E'])?;
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let exponent: i32 =
        exponent.parse().ok().filter(|places: &i32| places.abs() <= EXPONENT_MAX)?;
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let leading = usize::try_from(-point).unwrap_or(0);
    let digits = format!("{}{whole}{fraction}", "0".repeat(leading));
    let point = usize::try_from(point).unwrap_or(0);
    let (whole, fraction) = match digits.split_at_checked(point) {
        Some((whole, fraction)) => (whole.to_owned(), fraction.trim_end_matches('0')),
        None => (format!("{digits:0<point$}"), ""),
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let separator = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{separator}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::units::{Money, Qty};

    fn object(text: &str) -> Object {
        serde_json::from_str(text).expect("an object")
    }

    #[test]
    fn numbers_keep_every_digit_whether_text_or_number() {
        let mut object =
            object(r#"{"a":0.10000001,"b":"92233720368.54775807","c":1e400,"d":null}"#);
        assert_eq!(object.exact("a"), Ok(Some(Qty::from_raw(10_000_001))));
        assert_eq!(object.exact("b"), Ok(Some(Money::MAX)));
        assert_eq!(object.number::<Qty>("c"), Ok(Some(Err(DecimalFault::Malformed))));
        assert_eq!(object.exact::<Qty>("d"), Ok(None));
        assert!(object.exact::<Qty>("c").is_err_and(|fault| fault.0.starts_with("c: found 1e400")));
    }

    #[test]
    fn a_number_with_an_exponent_is_its_digits() {
        for (raw, plain) in [
            ("1e-05", "0.00001"),
            ("-2.44E0", "-2.44"),
            ("2.50e-1", "0.25"),
            ("1e3", "1000"),
            ("12.5e+2", "1250"),
            ("12.345e2", "1234.5"),
            ("0.01e1", "0.1"),
            ("0e-8", "0"),
            ("-5e-1", "-0.5"),
        ] {
            assert_eq!(scalar(raw).as_deref(), Some(plain), "{raw}");
        }
        for raw in ["1e400", "1e-99999999999", "26007", "0.1878"] {
            assert_eq!(scalar(raw).as_deref(), Some(raw));
        }
        assert_eq!(scalar("\"1e3\"").as_deref(), Some("1e3"), "an identity stays as it is");
        for text in ["p-00000001-1e", "1e", "e5", "fe2"] {
            assert_eq!(without_exponent(text), None);
        }
    }

    #[test]
    fn a_member_twice_is_no_object() {
        assert!(Line::parse(br#"{"t":1,"t":2,"event":"tick"}"#).is_err());
        assert!(Line::parse(b"[1]").is_err());
        assert!(Line::parse(br#"{"t":-1,"event":"tick"}"#).is_err());
        assert!(Line::parse(br#"{"t":1.5,"event":"tick"}"#).is_err());
    }

    #[test]
    fn what_was_not_read_is_known() {
        let mut line =
            Line::parse(br#"{"t":1,"event":"tick","qty":"1","note":2}"#).expect("a line");
        assert_eq!(line.object().size::<Qty>("qty"), Ok(Some(Qty::ONE)));
        assert_eq!(line.unread().collect::<Vec<_>>(), ["note"]);
    }
}
