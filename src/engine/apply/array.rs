//! A column's values as one array, in the text form that the server's own `array_in` reads (manual, "Array Input and
//! Output Syntax"): elements are quoted, NULL is not.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use crate::pg::pgoutput::Value;

/// Values of one column, to be sent as an array.
#[derive(Debug)]
pub(super) struct Array {
    text: BytesMut,
}

impl Default for Array {
    fn default() -> Self {
        Self { text: BytesMut::from(&b"{"[..]) }
    }
}

impl Array {
    /// Adds a value as the source's output function wrote it; `None` is NULL.
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        if self.text.len() > 1 {
            self.text.put_u8(b',');
        }
        let Some(value) = value else { return self.text.put_slice(b"NULL") };
        self.text.reserve(value.len() + 2);
        self.text.put_u8(b'"');
        let mut rest = value;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            let (plain, special) = rest.split_at(at);
            self.text.put_slice(plain);
            self.text.put_u8(b'\\');
            self.text.put_slice(special.get(..1).unwrap_or_default());
            rest = special.get(1..).unwrap_or_default();
        }
        self.text.put_slice(rest);
        self.text.put_u8(b'"');
    }

    /// Adds a value of a tuple; one that is not there is NULL.
    pub(super) fn push_value(&mut self, value: Option<&Value>) {
        match value {
            Some(Value::Text(bytes)) => self.push(Some(bytes)),
            // Nobody asks the source for binary values.
            Some(Value::Null | Value::Unchanged | Value::Binary(_)) | None => self.push(None),
        }
    }
}

impl ToSql for Array {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(&self.text);
        out.put_u8(b'}');
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
