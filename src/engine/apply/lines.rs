//! New rows as COPY takes them (manual, `COPY`, "File Formats"): as text, or, where the values came in binary form, binary.

use bytes::{BufMut, Bytes, BytesMut};

use crate::pg::pgoutput::Value;

/// What begins binary data: its signature, no flags, no extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// One message holds about this much: rows are cut anywhere.
const MESSAGE_BYTES: usize = 64 * 1024;

/// Rows on their way to one table.
#[derive(Debug)]
pub(super) struct Lines {
    binary: bool,
    full: Vec<Bytes>,
    open: BytesMut,
}

impl Lines {
    pub(super) fn new(binary: bool) -> Self {
        let mut open = BytesMut::with_capacity(MESSAGE_BYTES);
        if binary {
            open.put_slice(SIGNATURE);
        }
        Self { binary, full: Vec::new(), open }
    }

    /// Adds a row. Its values have the form that was said, or they are NULL.
    pub(super) fn push<'v>(&mut self, values: impl ExactSizeIterator<Item = Option<&'v Value>>) {
        if self.binary {
            // A table has at most 1600 columns.
            self.open.put_i16(i16::try_from(values.len()).unwrap_or(i16::MAX));
        }
        for (at, value) in values.enumerate() {
            if at > 0 && !self.binary {
                self.open.put_u8(b'\t');
            }
            match value {
                Some(Value::Binary(bytes)) if self.binary => {
                    self.open.reserve(bytes.len().saturating_add(4));
                    // A message of the stream is shorter than 2 GB.
                    self.open.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                    self.open.put_slice(bytes);
                }
                Some(Value::Text(bytes)) if !self.binary => self.text(bytes),
                _ if self.binary => self.open.put_i32(-1),
                _ => self.open.put_slice(br"\N"),
            }
        }
        if !self.binary {
            self.open.put_u8(b'\n');
        }
        if self.open.len() >= MESSAGE_BYTES {
            self.full.push(self.open.split().freeze());
            self.open.reserve(MESSAGE_BYTES);
        }
    }

    fn text(&mut self, value: &[u8]) {
        self.open.reserve(value.len());
        let mut rest = value;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
            let (plain, special) = rest.split_at(at);
            self.open.put_slice(plain);
            self.open.put_u8(b'\\');
            self.open.put_u8(match special.first() {
                Some(b'\t') => b't',
                Some(b'\n') => b'n',
                Some(b'\r') => b'r',
                _ => b'\\',
            });
            rest = special.get(1..).unwrap_or_default();
        }
        self.open.put_slice(rest);
    }

    /// All of it: what COPY is sent.
    pub(super) fn messages(&self) -> Vec<Bytes> {
        let mut messages = self.full.clone();
        let mut last = BytesMut::from(self.open.as_ref());
        if self.binary {
            last.put_i16(-1);
        }
        messages.push(last.freeze());
        messages
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Lines, MESSAGE_BYTES};
    use crate::pg::pgoutput::Value;

    fn sent(lines: &Lines) -> Vec<u8> {
        lines.messages().concat()
    }

    #[test]
    fn text_is_escaped_as_copy_wants_it() {
        let text = |text: &'static str| Value::Text(Bytes::from_static(text.as_bytes()));
        let mut lines = Lines::new(false);
        for row in [[text("a"), Value::Null], [text(""), text("\\N")], [text("tab\there"), text("a\\\r\n")]] {
            lines.push(row.iter().map(Some));
        }
        lines.push([None, Some(&text("x"))].into_iter());
        assert_eq!(
            String::from_utf8(sent(&lines)).unwrap(),
            "a\t\\N\n\t\\\\N\ntab\\there\ta\\\\\\r\\n\n\\N\tx\n"
        );
    }

    #[test]
    fn binary_rows_have_a_head_and_an_end_over_any_number_of_messages() {
        let value = Value::Binary(Bytes::from(vec![7; MESSAGE_BYTES / 3]));
        let mut lines = Lines::new(true);
        for _ in 0..4 {
            lines.push([Some(&value), Some(&Value::Null)].into_iter());
        }
        let mut row = vec![0, 2];
        row.extend(u32::try_from(MESSAGE_BYTES / 3).unwrap().to_be_bytes());
        row.extend(vec![7; MESSAGE_BYTES / 3]);
        row.extend([0xff; 4]);
        let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        (0..4).for_each(|_| expected.extend(&row));
        expected.extend([0xff; 2]);
        assert_eq!(sent(&lines), expected);
        assert_eq!(lines.messages().len(), 2);
    }
}
