//! Texts and values: made safe to print, cut to limits.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use collector_api::text;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::Normaliser;
use crate::model::{Attribute, Value};

/// Shown for what was cut off.
const ELLIPSIS: &str = "…";

impl Normaliser {
    /// Text that is safe to print, at most [`super::Limits::value_bytes`] long.
    pub(super) fn safe<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        self.safe_within(raw, self.limits.value_bytes).0
    }

    /// Text that is safe to print and at most `limit` bytes long, and whether it had to be cut for that.
    pub(super) fn safe_within<'a>(&self, raw: &'a str, limit: usize) -> (Cow<'a, str>, bool) {
        let is_plain = raw.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        if is_plain && raw.len() <= limit {
            return (Cow::Borrowed(raw), false);
        }
        // Cleaning may lengthen a text; what lies behind the limit now cannot come before it then.
        let (near, was_cut) = text::truncate(raw, limit);
        let cleaned = text::clean(near);
        let (kept, was_cut_again) = text::truncate(&cleaned, limit);
        if !was_cut && !was_cut_again {
            return (cleaned, false);
        }
        super::super::stats::add(&self.stats.cut_values, 1);
        (Cow::Owned(format!("{kept}{ELLIPSIS}")), true)
    }

    /// Shared text that is safe to print.
    pub(super) fn word(&self, raw: &str) -> Arc<str> {
        self.words.intern(&self.safe(raw))
    }

    /// A value, and whether it had to be cut.
    pub(super) fn value(&self, value: Option<AnyValue>) -> (Value, bool) {
        match value.and_then(|any| any.value) {
            Some(Wire::StringValue(raw)) => {
                let (safe, was_cut) = self.safe_within(&raw, self.limits.value_bytes);
                (Value::Text(self.words.intern(&safe)), was_cut)
            }
            Some(Wire::BoolValue(flag)) => (Value::Bool(flag), false),
            Some(Wire::IntValue(number)) => (Value::Int(number), false),
            Some(Wire::DoubleValue(number)) => (Value::Float(number), false),
            // An index into a dictionary that only profiles have: treated as absent, as OTLP says.
            None | Some(Wire::StringValueStrindex(_)) => (Value::Json(self.words.intern("null")), false),
            Some(nested) => {
                let mut json = Json { out: String::new(), normaliser: self, was_cut: false };
                json.wire(&nested, 0);
                let (text, was_cut) = (json.out, json.was_cut);
                (Value::Json(self.words.intern(&text)), was_cut)
            }
        }
    }

    /// Attributes in the order of arrival, and how many were lost or cut for the limits.
    pub(super) fn attributes(&self, list: Vec<KeyValue>) -> (Vec<Attribute>, u32) {
        let mut lost = list.len().saturating_sub(self.limits.attributes) as u32;
        let mut attributes = Vec::with_capacity(list.len().min(self.limits.attributes));
        for pair in list.into_iter().take(self.limits.attributes) {
            let (value, was_cut) = self.value(pair.value);
            lost += u32::from(was_cut);
            attributes.push(Attribute { key: self.word(&pair.key), value });
        }
        (attributes, lost)
    }
}

/// Renders nested values, stopping at the limits of depth and bytes.
struct Json<'a> {
    out: String,
    normaliser: &'a Normaliser,
    was_cut: bool,
}

impl Json<'_> {
    fn is_full(&mut self) -> bool {
        let is_full = self.out.len() >= self.normaliser.limits.value_bytes;
        if is_full && !self.was_cut {
            self.was_cut = true;
            super::super::stats::add(&self.normaliser.stats.cut_values, 1);
            self.out.push_str(ELLIPSIS);
        }
        is_full
    }

    fn any(&mut self, value: Option<&AnyValue>, depth: usize) {
        match value.and_then(|any| any.value.as_ref()) {
            Some(wire) => self.wire(wire, depth),
            None => self.out.push_str("null"),
        }
    }

    fn wire(&mut self, value: &Wire, depth: usize) {
        if depth >= self.normaliser.limits.value_depth && matches!(value, Wire::ArrayValue(_) | Wire::KvlistValue(_)) {
            self.was_cut = true;
            return self.text(ELLIPSIS);
        }
        match value {
            Wire::StringValue(raw) => self.text(raw),
            Wire::BoolValue(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Wire::IntValue(number) => self.write(format_args!("{number}")),
            Wire::DoubleValue(number) if number.is_finite() => self.write(format_args!("{number}")),
            Wire::DoubleValue(number) => self.write(format_args!("\"{number}\"")),
            Wire::BytesValue(bytes) => self.base64(bytes),
            Wire::StringValueStrindex(_) => self.out.push_str("null"),
            Wire::ArrayValue(array) => {
                self.out.push('[');
                for (at, element) in array.values.iter().enumerate() {
                    if self.is_full() {
                        break;
                    }
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.any(Some(element), depth + 1);
                }
                self.out.push(']');
            }
            Wire::KvlistValue(map) => {
                self.out.push('{');
                for (at, pair) in map.values.iter().enumerate() {
                    if self.is_full() {
                        break;
                    }
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.text(&pair.key);
                    self.out.push(':');
                    self.any(pair.value.as_ref(), depth + 1);
                }
                self.out.push('}');
            }
        }
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(arguments);
    }

    fn text(&mut self, raw: &str) {
        let room = self.normaliser.limits.value_bytes.saturating_sub(self.out.len());
        let (safe, was_cut) = self.normaliser.safe_within(raw, room);
        self.was_cut |= was_cut;
        self.out.push('"');
        for character in safe.chars() {
            if matches!(character, '"' | '\\') {
                self.out.push('\\');
            }
            self.out.push(character);
        }
        self.out.push('"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let room = self.normaliser.limits.value_bytes.saturating_sub(self.out.len()) / 4 * 3;
        let (kept, was_cut) = bytes.get(..room).map_or((bytes, false), |kept| (kept, kept.len() < bytes.len()));
        self.out.push('"');
        for group in kept.chunks(3) {
            let number =
                (0..3).fold(0_u32, |number, at| number << 8 | u32::from(group.get(at).copied().unwrap_or_default()));
            for digit in 0..4 {
                let index = number >> (18 - 6 * digit) & 63;
                let character = DIGITS.get(index as usize).copied().filter(|_| digit <= group.len());
                self.out.push(char::from(character.unwrap_or(b'=')));
            }
        }
        if was_cut {
            self.was_cut = true;
            super::super::stats::add(&self.normaliser.stats.cut_values, 1);
            self.out.push_str(ELLIPSIS);
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;
    use crate::receiver::Limits;

    fn any(value: Wire) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn render(value: Wire) -> String {
        Normaliser::new(Limits::default(), Arc::default()).value(Some(any(value))).0.to_string()
    }

    #[test]
    fn nested_values_become_json() {
        let pair = |key: &str, value| KeyValue { key: key.into(), value: Some(any(value)), ..Default::default() };
        let map = Wire::KvlistValue(KeyValueList {
            values: vec![
                pair("a\"b", Wire::IntValue(-1)),
                pair(
                    "c",
                    Wire::ArrayValue(ArrayValue { values: vec![any(Wire::BoolValue(true)), AnyValue { value: None }] }),
                ),
                pair("d", Wire::DoubleValue(f64::NAN)),
                pair("e", Wire::StringValue("x\x1b[31m\n".into())),
            ],
        });
        assert_eq!(render(map), r#"{"a\"b":-1,"c":[true,null],"d":"NaN","e":"x\\u{1b}[31m "}"#);
    }

    #[test]
    fn bytes_become_base64() {
        for (bytes, text) in [
            (&b"f"[..], "\"Zg==\""),
            (b"fo", "\"Zm8=\""),
            (b"foo", "\"Zm9v\""),
            (b"foobar", "\"Zm9vYmFy\""),
            (b"", "\"\""),
        ] {
            assert_eq!(render(Wire::BytesValue(bytes.to_vec())), text);
        }
    }

    #[test]
    fn depth_and_length_are_cut() {
        let mut deep = Wire::IntValue(1);
        for _ in 0..60 {
            deep = Wire::ArrayValue(ArrayValue { values: vec![any(deep)] });
        }
        assert_eq!(render(deep), format!("{}\"…\"{}", "[".repeat(16), "]".repeat(16)));
        let wide = Wire::ArrayValue(ArrayValue { values: vec![any(Wire::StringValue("x".repeat(100))); 10_000] });
        assert!(render(wide).len() < 4_096 + 200);
        assert!(render(Wire::BytesValue(vec![7; 1 << 20])).len() < 4_096 + 16);
    }
}
