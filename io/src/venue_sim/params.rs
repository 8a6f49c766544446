//! Parameters of a call: reading them, and checking the signature over them.

use crate::bingx::Signer;

use super::refusal::Refusal;

/// How far a call's timestamp may be from the venue's clock where the call does not say it.
const WINDOW_MS: i64 = 5_000;
/// Wider windows are cut to this.
const WINDOW_MS_MAX: i64 = 60_000;

/// The parameters of a call in the order in which they came, decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    /// What the signature is over.
    text: String,
    signature: Option<String>,
}

impl Params {
    /// From a query and a body. A form body follows the query without a separator; a JSON body is an
    /// object whose members are signed in the order of their names.
    pub(super) fn read(query: &str, body: &str) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let body = body.trim();
        params.add_form(query);
        if body.starts_with('{') {
            params.add_json(body)?;
        } else {
            params.add_form(body);
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &str) {
        let mut separator = "";
        for part in form.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent_decoded(value);
            if name == "signature" {
                self.signature = Some(value);
                continue;
            }
            self.text.push_str(separator);
            self.text.push_str(name);
            self.text.push('=');
            self.text.push_str(&value);
            separator = "&";
            self.pairs.push((name.to_owned(), value));
        }
    }

    fn add_json(&mut self, body: &str) -> Result<(), Refusal> {
        let fault = || Refusal::param("body", "expected a JSON object");
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(body).map_err(|_| fault())?;
        let mut sorted: Vec<_> = members.into_iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut form = Vec::new();
        for (name, value) in sorted {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if name == "signature" {
                self.signature = Some(value);
            } else {
                form.push(format!("{name}={value}"));
                self.pairs.push((name, value));
            }
        }
        self.text.push_str(&form.join("&"));
        Ok(())
    }

    /// A parameter; `None` when it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All parameters.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first of two spellings of a parameter.
    pub(super) fn either(&self, name: &str, other: &str) -> Option<&str> {
        self.get(name).or_else(|| self.get(other))
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::param(name, "this field is required"))
    }

    /// A whole number; `None` when it is missing.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parsed = self.get(name).map(|text| text.parse::<i64>()).transpose();
        parsed.map_err(|_| Refusal::param(name, "expected a whole number"))
    }

    /// `true` or `false`; `false` when it is missing.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            Some("true") => Ok(true),
            Some("false") | None => Ok(false),
            Some(_) => Err(Refusal::param(name, "expected true or false")),
        }
    }

    /// Checks time and signature of a private call.
    pub(super) fn check(&self, signer: &Signer, now_ms: i64) -> Result<(), Refusal> {
        let Some(signature) = &self.signature else {
            return Err(Refusal::new(100_412, "Null signature"));
        };
        if signer.sign(self.text.as_bytes()).as_slice() != signature.as_bytes() {
            return Err(Refusal::new(
                100_001,
                "Signature verification failed due to signature mismatch",
            ));
        }
        let wrong = || Refusal::new(100_421, "Null timestamp or timestamp mismatch");
        let sent = self.whole("timestamp")?.ok_or_else(wrong)?;
        let window = self.whole("recvWindow")?.filter(|ms| *ms > 0).unwrap_or(WINDOW_MS);
        if (now_ms - sent).abs() > window.min(WINDOW_MS_MAX) {
            return Err(wrong());
        }
        Ok(())
    }
}

/// `%41` becomes `A`; what is no such code stays as it is. Bytes that are not UTF-8 are replaced.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new(b"Jefe").expect("a key")
    }

    fn signed(text: &str, sent: &str) -> String {
        let hex = signer().sign(text.as_bytes());
        format!("{sent}&signature={}", std::str::from_utf8(&hex).expect("hexadecimal"))
    }

    #[test]
    fn the_signature_is_over_the_decoded_text_in_any_order() {
        let query =
            signed("b={\"x\":1}&timestamp=1000&a=2", "b=%7B%22x%22%3A1%7D&timestamp=1000&a=2");
        let params = Params::read(&query, "").expect("read");
        assert_eq!(params.get("b"), Some("{\"x\":1}"));
        assert_eq!(params.check(&signer(), 1_500), Ok(()));
        let other = Params::read(&query.replace("a=2", "a=3"), "").expect("read");
        assert_eq!(other.check(&signer(), 1_500).map_err(|no| no.code), Err(100_001));
    }

    #[test]
    fn a_form_body_follows_the_query_without_a_separator() {
        let text = "timestamp=1000a=2";
        let hex = signer().sign(text.as_bytes());
        let body = format!("a=2&signature={}", std::str::from_utf8(&hex).expect("hexadecimal"));
        let params = Params::read("timestamp=1000", &body).expect("read");
        assert_eq!(params.check(&signer(), 1_000), Ok(()));
    }

    #[test]
    fn a_json_body_is_signed_by_name() {
        let hex = signer().sign(b"a=2&timestamp=1000");
        let hex = std::str::from_utf8(&hex).expect("hexadecimal");
        let body = format!(r#"{{"timestamp":1000,"signature":"{hex}","a":"2"}}"#);
        let params = Params::read("", &body).expect("read");
        assert_eq!(params.check(&signer(), 1_000), Ok(()));
        assert!(Params::read("", "{").is_err());
    }

    #[test]
    fn an_old_timestamp_and_a_missing_signature_are_refused() {
        let late = Params::read(&signed("timestamp=1000", "timestamp=1000"), "").expect("read");
        assert_eq!(late.check(&signer(), 6_001).map_err(|no| no.code), Err(100_421));
        assert_eq!(late.check(&signer(), 6_000), Ok(()));
        let text = "recvWindow=100&timestamp=1000";
        let narrow = Params::read(&signed(text, text), "").expect("read");
        assert_eq!(narrow.check(&signer(), 1_101).map_err(|no| no.code), Err(100_421));
        let bare = Params::read("timestamp=1000", "").expect("read");
        assert_eq!(bare.check(&signer(), 1_000).map_err(|no| no.code), Err(100_412));
    }
}
